//! Trainings: the loss falls, and an interrupted one goes on as if nothing had been.

use crate::fixture::{Edit, Folder, assert_same, assert_says};
use stagediff::crosscoder::harvest::{ActivationStream, HookConfig, StreamConfig, scale};
use stagediff::crosscoder::train::{TrainConfig, TrainStep, Trainee, Training, train};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::files::Weights;
use stagediff::language_model::{
    FitConfig, FitStep, FitTask, GptNeo, GptNeoConfig, LoraConfig, TokenRows, fit, mean_loss, peft,
};
use stagediff::processor::generator::seeded;
use stagediff::training::checkpoint::Checkpoint;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

const N_STEPS: i64 = 60;

pub fn tiny_model() -> GptNeo {
    let _generator = seeded(0);
    GptNeo::init(&GptNeoConfig { n_positions: 16, ..GptNeoConfig::alternating(16, 2, 50) }, Device::Cpu)
}

/// Sequences in which each token follows from the one before.
pub fn tokens() -> Tensor {
    let first = Tensor::arange(40, (Kind::Int64, Device::Cpu)).view([40, 1]);
    let steps = Tensor::arange(12, (Kind::Int64, Device::Cpu)).view([1, 12]);
    (first + steps * 7).remainder(50)
}

fn config() -> TrainConfig {
    TrainConfig { batch: 32, n_steps: N_STEPS, lr: 3e-3, lambda_s: 0.05, ..TrainConfig::published_s() }
}

/// A fresh crosscoder for the model.
fn parent(model: &GptNeo, cfg: &HookConfig) -> Crosscoder {
    let acts = cfg.harvest(model, &tokens());
    let scale = scale(&acts);
    let _generator = seeded(1);
    init(48, &cfg.hooks, &(acts * scale.view([1, -1, 1])), &scale, 0.5)
}

/// Trains two crosscoders, D and D0, on one stream, with a checkpoint at each line of the log.
fn train_both(checkpoints: &Path, fingerprint: &str, progress: &mut dyn FnMut(&str, &TrainStep)) -> Vec<Trainee> {
    let (model, cfg, tokens) = (tiny_model(), HookConfig::all_layers(4), tokens());
    let parent = parent(&model, &cfg);
    let mut trainees = vec![Trainee::new("D", &parent), Trainee::new("D0", &parent)];
    let mut stream = ActivationStream::new(&model, &cfg, &tokens, stream_config(&parent));
    let training = Training { checkpoint_every: Duration::ZERO, ..Training::new(config(), checkpoints, fingerprint) };
    train(&mut trainees, &mut stream, &training, progress).unwrap();
    trainees
}

fn stream_config(parent: &Crosscoder) -> StreamConfig {
    StreamConfig { scale: parent.scale.copy(), batch: 32, buffer_acts: 128, seed: 5 }
}

fn ignore(_: &str, _: &TrainStep) {}

#[track_caller]
fn assert_same_training(found: &[Trainee], expected: &[Trainee]) {
    for (found, expected) in found.iter().zip(expected) {
        for (param, expected) in found.crosscoder.params().iter().zip(expected.crosscoder.params()) {
            assert_same(param, &expected);
        }
        assert_eq!(timeless(&found.log), timeless(&expected.log));
    }
}

fn timeless(log: &[TrainStep]) -> Vec<TrainStep> {
    log.iter().map(|line| TrainStep { activations_per_s: 0.0, ..*line }).collect()
}

/// The training breaks off when `label` reaches its line `n_lines`, before that line's checkpoint is written.
fn interrupt(checkpoints: &Path, fingerprint: &str, label: &str, n_lines: usize) {
    let mut n_seen = 0;
    let mut stop = |at: &str, _: &TrainStep| {
        n_seen += usize::from(at == label);
        assert!(n_seen < n_lines, "interrupted");
    };
    quietly(|| drop(train_both(checkpoints, fingerprint, &mut stop)));
}

/// Runs what is expected to panic.
fn quietly(run: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
}

#[test]
fn the_loss_falls_and_the_log_says_so() {
    let folder = Folder::new("train_falls");
    let mut n_lines = 0;
    let trained = train_both(folder.path(), "one", &mut |_, _| n_lines += 1);
    let log = &trained[0].log;
    assert_eq!((log.len(), n_lines), (60, 120));
    let last = log.last().unwrap();
    assert_eq!((last.step, last.n_activations), (N_STEPS, N_STEPS * 32));
    assert!(last.loss_recon < 0.7 * log[0].loss_recon, "{} → {}", log[0].loss_recon, last.loss_recon);
    assert!(last.lambda_s > log[0].lambda_s && last.lr < config().lr);
    assert!(log.iter().all(|line| (0.0..=48.0).contains(&line.l0_mean) && (0.0..=1.0).contains(&line.dead_frac)));
    let checkpoints = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(checkpoints, 2, "checkpoints stay until the result is written");
}

#[test]
fn resumed_is_uninterrupted_bit_for_bit() {
    let whole = Folder::new("train_whole");
    let uninterrupted = train_both(whole.path(), "one", &mut ignore);
    for (label, n_lines) in [("D", 20), ("D0", 20), ("D0", 60)] {
        let folder = Folder::new("train_resumed");
        interrupt(folder.path(), "one", label, n_lines);
        let mut first_seen = None;
        let resumed = train_both(folder.path(), "one", &mut |_, line| first_seen = first_seen.or(Some(line.step)));
        assert_eq!(first_seen, Some(n_lines as i64), "it goes on where it stopped");
        assert_same_training(&resumed, &uninterrupted);
    }
}

#[test]
fn a_checkpoint_of_another_training_is_not_taken_up() {
    let folder = Folder::new("train_other");
    interrupt(folder.path(), "another", "D0", 20);
    let mut first_seen = None;
    let trained = train_both(folder.path(), "one", &mut |_, line| first_seen = first_seen.or(Some(line.step)));
    assert_eq!(first_seen, Some(1));
    assert_same_training(&trained, &train_both(folder.path(), "one", &mut ignore));
}

/// What is done to the checkpoint of an interrupted training.
fn damages() -> Vec<(&'static str, Box<Edit<'static, Weights>>)> {
    let change = |file: &mut Weights, change: fn(&Tensor) -> Tensor| {
        let changed = change(&file.tensors["param.0"]);
        file.insert("param.0", &changed);
    };
    vec![
        ("steps", Box::new(|file| file.describe("n_steps", -5))),
        ("steps", Box::new(|file| file.describe("n_steps", N_STEPS + 1))),
        ("steps", Box::new(|file| file.describe("n_steps", "many"))),
        ("log", Box::new(|file| file.describe("log", "[{\"step\":1}]"))),
        ("format", Box::new(|file| drop(file.metadata.remove("log")))),
        ("shape", Box::new(move |file| change(file, |param| param.narrow(0, 0, 1).copy()))),
        ("type", Box::new(move |file| change(file, |param| param.to_kind(Kind::Double)))),
        ("number", Box::new(move |file| change(file, |param| param.full_like(f64::NAN)))),
        ("tensor", Box::new(|file| drop(file.tensors.remove("since_line.1")))),
    ]
}

#[test]
fn a_damaged_checkpoint_is_set_aside_and_the_training_begins_anew() {
    let whole = Folder::new("train_sound");
    let expected = train_both(whole.path(), "one", &mut ignore);
    let begins_anew = |what: &str, damage: &dyn Fn(&Path)| {
        let folder = Folder::new("train_damaged");
        interrupt(folder.path(), "one", "D0", 5);
        damage(&folder.join("crosscoder_D.safetensors"));
        let mut first_seen = BTreeMap::new();
        let mut see = |label: &str, line: &TrainStep| _ = first_seen.entry(label.to_string()).or_insert(line.step);
        assert_same_training(&train_both(folder.path(), "one", &mut see), &expected);
        assert_eq!((first_seen["D"], first_seen["D0"]), (1, 5), "{what}: only the other goes on");
        assert!(folder.join("crosscoder_D.safetensors.set-aside").exists(), "{what}");
    };
    begins_anew("cut off", &|path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 9]).unwrap();
    });
    begins_anew("empty", &|path| std::fs::write(path, b"").unwrap());
    for (what, edit) in damages() {
        begins_anew(what, &|path| {
            let mut file = Weights::read(path, Device::Cpu).unwrap();
            edit(&mut file);
            file.write(path).unwrap();
        });
    }
}

#[test]
fn a_training_goes_on_where_no_checkpoint_can_be_written() {
    let folder = Folder::new("train_no_room");
    let expected = train_both(folder.path(), "one", &mut ignore);
    let no_folder = folder.file("a_file", "in the folder's place");
    assert_same_training(&train_both(&no_folder, "one", &mut ignore), &expected);
}

#[test]
fn trainings_on_one_stream_do_not_touch_each_other_or_the_parent() {
    let folder = Folder::new("train_apart");
    let trained = train_both(folder.path(), "one", &mut ignore);
    for (a, b) in trained[0].crosscoder.params().iter().zip(trained[1].crosscoder.params()) {
        assert_same(a, &b);
    }
    let model = tiny_model();
    let fresh = parent(&model, &HookConfig::all_layers(4));
    assert!(!trained[0].crosscoder.w_enc.equal(&fresh.w_enc));
    assert_same(&trained[0].crosscoder.scale, &fresh.scale);
}

#[test]
fn a_loss_that_is_no_number_stops_the_training_with_advice() {
    let (model, cfg, tokens, folder) = (tiny_model(), HookConfig::all_layers(4), tokens(), Folder::new("train_nan"));
    let mut parent = parent(&model, &cfg);
    let _ = parent.b_dec.fill_(f64::INFINITY);
    let mut stream = ActivationStream::new(&model, &cfg, &tokens, stream_config(&parent));
    let mut trainees = [Trainee::new("S", &parent)];
    let training = Training::new(config(), folder.path(), "one");
    let stopped = train(&mut trainees, &mut stream, &training, &mut ignore);
    assert_says(stopped, &["loss", "stage S", "lower its lr, or its lambda_s"]);
}

pub fn rows() -> TokenRows {
    let tokens = tokens();
    TokenRows { with_loss: tokens.ge(0), tokens }
}

pub const FIT: FitConfig = FitConfig { batch: 8, n_steps: 60, seq: 12, lr: 1e-2, warm_up_steps: 2 };

fn task<'a>(model: &'a GptNeo, rows: &'a TokenRows) -> FitTask<'a> {
    FitTask { label: "tuned", model, rows, cfg: &FIT, seed: 9, group: None }
}

/// Tunes adapters with dropout on a quantised model; gives them and the log.
fn tune(path: &Path, progress: &mut dyn FnMut(&str, &FitStep)) -> (Vec<Tensor>, Vec<FitStep>) {
    let mut model = tiny_model();
    model.quantise();
    {
        let _generator = seeded(2);
        peft::attach(model.linears_mut(), &LoraConfig::all_linear());
    }
    let mut params: Vec<Tensor> = peft::adapters(model.linears()).into_iter().map(|(_, tensor)| tensor).collect();
    let mut checkpoint = Checkpoint::new(path, "tuning".into()).every(Duration::ZERO);
    let log = fit(&task(&model, &rows()), &mut params, &mut checkpoint, progress).unwrap();
    (params, log)
}

#[test]
fn a_resumed_fine_tune_is_uninterrupted_bit_for_bit() {
    let folder = Folder::new("fit_resumed");
    let (uninterrupted, expected_log) = tune(&folder.join("whole.safetensors"), &mut |_, _| ());
    let path = folder.join("resumed.safetensors");
    quietly(|| drop(tune(&path, &mut |_, line| assert!(line.step < 30, "interrupted"))));
    let mut n_lines = 0;
    let (resumed, log) = tune(&path, &mut |label, _| n_lines += usize::from(label == "tuned"));
    assert_eq!((n_lines, log.len()), (31, 60));
    for (param, expected) in resumed.iter().zip(&uninterrupted) {
        assert_same(param, expected);
    }
    assert_eq!(log, expected_log);
}

#[test]
fn pretraining_learns_what_there_is_to_learn() {
    let (model, folder) = (tiny_model(), Folder::new("fit_learns"));
    let mut params: Vec<Tensor> =
        model.tensors().into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect();
    let mut checkpoint = Checkpoint::new(folder.join("base.safetensors"), "base".into());
    let before = mean_loss(&model, &rows(), 8);
    assert!((before - 50f64.ln()).abs() < 0.1, "fresh weights know nothing: {before}");
    let log = fit(&task(&model, &rows()), &mut params, &mut checkpoint, &mut |_, _| ()).unwrap();
    let after = mean_loss(&model, &rows(), 8);
    assert!(after < 0.5 * before && log[59].loss_nats < 0.5 * log[0].loss_nats, "{before} → {after}");
}
