//! The library against other people's: transformers, PEFT, bitsandbytes, SAELens, and an independent crosscoder.
//!
//! The numbers lie in tests/fixtures, whose README says what they are. `STAGEDIFF_FIXTURES=/elsewhere cargo test parity`
//! reads another folder of the same layout: sizes and cases come from its files, and a case that no test reads fails.
//! `cargo test parity -- --nocapture` prints one line a case: `parity <case> max error … allowed …`.

mod case;
pub mod crosscoder;
mod folder;
mod gpt_neo;
mod lora;
mod metrics;
mod nf4;
mod sae_lens;

const TESTS: [&[fn()]; 6] =
    [gpt_neo::TESTS, lora::TESTS, nf4::TESTS, crosscoder::TESTS, metrics::TESTS, sae_lens::TESTS];

#[test]
fn no_file_and_no_tensor_of_the_folder_is_passed_over() {
    let read = folder::read_by(|| TESTS.iter().for_each(|tests| tests.iter().for_each(|test| test())));
    let there = folder::contents();
    let unread: Vec<&str> = there.difference(&read).map(String::as_str).collect();
    let root = folder::root();
    assert!(unread.is_empty(), "no parity test reads these of {}:\n{}", root.display(), unread.join("\n"));
}

#[test]
fn the_folder_is_what_its_manifest_says() {
    folder::check_manifest();
}
