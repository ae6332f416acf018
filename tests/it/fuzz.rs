//! Every reader is given files in which bytes were altered: none panics, none ends the process, memory stays bounded.
//!
//! By default for some seconds. `STAGEDIFF_FUZZ=10000000 cargo test --test it fuzz -- --nocapture` goes on until there
//! were so many inputs, from another seed with `STAGEDIFF_FUZZ_SEED`.

mod mutate;
mod readers;

use crate::fixture::Folder;
use mutate::Random;
use readers::Reader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The folder of the child process.
const CHILD: &str = "STAGEDIFF_FUZZ_FOLDER";
/// For each reader in turn.
const SLICE: Duration = Duration::from_millis(250);
/// Altogether, where no number of inputs is asked for.
const TIME: Duration = Duration::from_secs(15);
/// What a process that reads altered files may take beyond what it takes for sound ones.
const MAX_GROWTH_MIB: f64 = 512.0;

/// How a reader has fared.
#[derive(Default)]
struct Tally {
    n_inputs: u64,
    n_taken: u64,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Peak memory of this process.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Gives a reader altered files for a while.
fn feed(reader: &Reader, random: &mut Random, tally: &mut Tally) {
    let started = Instant::now();
    while started.elapsed() < SLICE {
        let sound = &reader.corpus[random.below(reader.corpus.len())];
        std::fs::write(&reader.path, (reader.alter)(sound, random)).unwrap();
        let read = catch_unwind(AssertUnwindSafe(|| (reader.read)(&reader.path)));
        let is_taken = read.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
            println!("PANIC: {} at {}: {text}", reader.name, reader.path.display());
            std::process::exit(3);
        });
        tally.n_inputs += 1;
        tally.n_taken += u64::from(is_taken);
    }
    // a reader's sound file is another's, too
    std::fs::write(&reader.path, &reader.corpus[0]).unwrap();
}

/// Runs in a process of its own, started by the test below.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };

    std::panic::set_hook(Box::new(|_| {})); // what the library catches is not said
    let readers = readers::all(Path::new(&folder));
    let reads_its_own = |reader: &&Reader| {
        std::fs::write(&reader.path, &reader.corpus[0]).unwrap();
        (reader.read)(&reader.path)
    };
    let refused: Vec<&str> = readers.iter().filter(|one| !reads_its_own(one)).map(|one| one.name).collect();
    if !refused.is_empty() {
        println!("sound files are refused: {refused:?}");
        std::process::exit(4);
    }
    let (before, started, mut random) =
        (peak_mib(), Instant::now(), Random(number("STAGEDIFF_FUZZ_SEED").unwrap_or(0)));
    let (n_asked, mut n_done) = (number("STAGEDIFF_FUZZ"), 0);
    let mut tallies: Vec<Tally> = readers.iter().map(|_| Tally::default()).collect();
    while n_asked.map_or(started.elapsed() < TIME, |n_asked| n_done < n_asked) {
        for (reader, tally) in readers.iter().zip(&mut tallies) {
            std::fs::write(Path::new(&folder).join("reader"), reader.name).unwrap();
            feed(reader, &mut random, tally);
        }
        n_done = tallies.iter().map(|tally| tally.n_inputs).sum();
    }
    for (reader, tally) in readers.iter().zip(&tallies) {
        println!("{:<26} {:>9} inputs, {:>9} taken", reader.name, tally.n_inputs, tally.n_taken);
    }
    println!(
        "{n_done} inputs in {:.0} s, memory grew by {:.0} MiB",
        started.elapsed().as_secs_f64(),
        peak_mib() - before
    );
    assert!(peak_mib() - before < MAX_GROWTH_MIB);
}

#[test]
#[cfg(target_os = "linux")]
fn no_altered_file_brings_a_reader_down() {
    let folder = Folder::new("fuzz");
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fuzz::child", "--nocapture", "--test-threads=1"]).env(CHILD, folder.path());
    let out = child.env("OMP_NUM_THREADS", "1").stderr(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    println!("{said}");
    if !out.status.success() {
        let reader = std::fs::read_to_string(folder.join("reader")).unwrap_or_default();
        let kept = std::env::temp_dir().join("stagediff-fuzz-failed");
        let _ = std::fs::remove_dir_all(&kept);
        std::fs::rename(folder.path(), &kept).unwrap();
        panic!("{}, reading a file of {reader} in {}: {said}", out.status, kept.display());
    }
}
