//! Activations that data/activations.py writes of models of other families: read, trained on, measured; and of GPT-Neo, held
//! against ours. Where transformers is installed (see [`crate::interop`]).

use crate::fixture::{Folder, max_abs};
use crate::interop::python;
use stagediff::crosscoder::evaluate::evaluate_stored;
use stagediff::crosscoder::firing::firings_stored;
use stagediff::crosscoder::harvest::{ActivationStream, StoredActs, StoredPart, StreamConfig, scale};
use stagediff::crosscoder::train::{TrainConfig, Trainee, Training, train};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::language_model::{GptNeo, HookPoint};
use stagediff::processor::generator::seeded;
use stagediff::stories::{Record, built_in};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Share of the largest activation by which one may differ.
const ALLOWED: f64 = 1e-5;

/// Runs data/activations.py; nothing where its packages are missing.
fn write_acts(model: &Path, texts: &Path, folder: &Path, options: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/activations.py");
    let paths = [model, texts, folder].map(|path| path.display().to_string());
    let arguments: Vec<&str> = paths.iter().map(String::as_str).chain(options.iter().copied()).collect();
    let output = python(&script, &arguments).expect("the same Python as before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn base() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/models/base")
}

/// The folder of other models, and a file of texts with empty lines between them.
fn models_and_texts(folder: &Folder) -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/models.py");
    let (base, models) = (base().display().to_string(), folder.join("models").display().to_string());
    let Some(output) = python(&script, &[&base, &models]).filter(|output| output.status.success()) else {
        println!("skipped: transformers is not there");
        return None;
    };
    print!("{}", String::from_utf8_lossy(&output.stdout));
    let stories: Vec<String> = built_in(80, 0).iter().map(Record::to_string).collect();
    Some(folder.file("texts.txt", stories.join("\n\n")))
}

/// A crosscoder that was trained on a part, with its first loss and its last.
fn trained(part: &StoredPart, checkpoints: &Path) -> (Crosscoder, f64, f64) {
    let sample = part.sample(2000, 0).unwrap();
    let scale = scale(&sample);
    let parent = {
        let _generator = seeded(1);
        init(96, part.hooks(), &(&sample * scale.view([1, -1, 1])), &scale, 0.5)
    };
    let stream_cfg = StreamConfig { scale, batch: 64, buffer_acts: 1000, seed: 5 };
    let cfg = TrainConfig { batch: 64, n_steps: 300, lr: 2e-3, lambda_s: 0.05, ..TrainConfig::published_s() };
    let mut trainees = [Trainee::new("S", &parent)];
    let training = Training::new(cfg, checkpoints, "interop");
    train(&mut trainees, &mut ActivationStream::stored(part, stream_cfg), &training, &mut |_, _| {}).unwrap();
    let [Trainee { crosscoder, log, .. }] = trainees;
    (crosscoder, log[0].loss, log[log.len() - 1].loss)
}

#[test]
fn activations_of_any_family_are_trained_on() {
    let folder = Folder::new("interop-acts");
    let Some(texts) = models_and_texts(&folder) else { return };
    let families = [("gpt2", "float16", 4, 48), ("gpt_neox", "bfloat16", 3, 64), ("llama", "float32", 3, 32)];
    for (name, dtype, n_hooks, d_model) in families {
        let (model, written) = (folder.join("models").join(name), folder.join(name));
        let options = ["--residual", "--paragraphs", "--seq", "48", "--max-tokens", "5000", "--shard-mb", "1"];
        write_acts(&model, &texts, &written, &[options.as_slice(), &["--dtype", dtype]].concat());
        let acts = StoredActs::open(&written).unwrap();
        assert_eq!((acts.hooks.len(), acts.d_model, acts.n_tokens()), (n_hooks, d_model, 5000));
        assert_eq!(acts.hooks, HookPoint::residual_stream(n_hooks - 1));
        let n_train = acts.n_sequences() * 4 / 5;
        let part = acts.part((0..n_train).collect(), true).unwrap();
        let (crosscoder, first, last) = trained(&part, &folder.join("checkpoints"));
        let held_out = acts.part((n_train..acts.n_sequences()).collect(), true).unwrap();
        let fidelity = evaluate_stored(&crosscoder, &held_out).unwrap();
        let (l0, fvu) = (fidelity.firings.l0_mean(), fidelity.fvu.fvu[n_hooks - 1]);
        println!("{name}: loss {first:.3} to {last:.3}, held-out L0 {l0:.1}, FVU {fvu:.3}");
        assert!(last < 0.5 * first && l0 > 0.0 && fvu < 0.8);
        let top = firings_stored(&crosscoder, &held_out).unwrap().top;
        let firing = top.iter().flatten().next().unwrap();
        let token = held_out.tokens_of(firing.sequence)[firing.position as usize];
        assert!(!acts.texts().unwrap().unwrap().text(token).is_empty());
    }
}

#[test]
fn activations_of_gpt_neo_are_ours() {
    let folder = Folder::new("interop-neo");
    let Some(texts) = models_and_texts(&folder) else { return };
    let written = folder.join("neo");
    write_acts(&base(), &texts, &written, &["--residual", "--paragraphs", "--seq", "100", "--max-tokens", "3000"]);
    let (acts, model) = (StoredActs::open(&written).unwrap(), GptNeo::load(&base(), Device::Cpu).unwrap());
    assert_eq!(acts.hooks, HookPoint::residual_stream(2));
    let part = acts.part((0..acts.n_sequences()).collect(), false).unwrap();
    let mut worst = 0.0f64;
    for sequence in 0..part.n_sequences() {
        let tokens = Tensor::from_slice(&part.tokens_of(sequence)).unsqueeze(0);
        let (own, stored) = (model.acts(&tokens, &acts.hooks).squeeze_dim(0), part.acts(&[sequence]).unwrap());
        let largest = own.abs().amax([0i64, 2].as_slice(), true).to_kind(Kind::Float);
        worst = worst.max(max_abs(&((own - stored) / largest)));
    }
    println!(
        "GPT-Neo: activations differ from ours by {worst:.1e} of the largest of a sequence and hook point at most"
    );
    assert!(worst <= ALLOWED);
}

#[test]
fn labelled_characters_become_labelled_tokens() {
    let folder = Folder::new("interop-labels");
    if models_and_texts(&folder).is_none() {
        return;
    }
    let lines = concat!(r#"{"text": "The dog ran.", "spans": [[4, 7]]}"#, "\n", r#"{"text": "No label here."}"#, "\n");
    let (texts, written) = (folder.file("texts.jsonl", lines), folder.join("labelled"));
    write_acts(&folder.join("models/gpt2"), &texts, &written, &["--residual", "--spans", "spans"]);
    let acts = StoredActs::open(&written).unwrap();
    let names = acts.texts().unwrap().unwrap();
    let labels = acts.labels_of(0).unwrap();
    let marked: String = acts
        .tokens_of(0)
        .iter()
        .zip(&labels)
        .filter(|(_, label)| **label == 1)
        .map(|(token, _)| names.text(*token))
        .collect();
    assert!(marked.contains("dog") && !marked.contains("The") && !marked.contains("ran"), "{marked:?} of {labels:?}");
    assert!(acts.labels_of(1).unwrap().iter().all(|label| *label == 0));
}

#[test]
fn a_folder_that_the_script_wrote_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/activations/llama");
    let acts = StoredActs::open(folder).unwrap();
    assert_eq!((acts.hooks.clone(), acts.d_model, acts.n_tokens()), (HookPoint::residual_stream(2), 32, 400));
    let text = |token: &i64| acts.texts().unwrap().unwrap().text(*token);
    let told: String = acts.tokens_of(0).iter().map(text).collect();
    assert!(told.starts_with("Summary: "), "{told}");
    let part = acts.part((0..acts.n_sequences()).collect(), true).unwrap();
    let checkpoints = Folder::new("script");
    let (crosscoder, first, last) = trained(&part, checkpoints.path());
    assert!(last < 0.5 * first, "{first} to {last}");
    assert!(evaluate_stored(&crosscoder, &part).unwrap().fvu.fvu.iter().all(|fvu| *fvu < 0.5));
}
