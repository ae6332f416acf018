//! Activations in a folder: what is read, how it is streamed, what is refused.

use crate::fixture::{Edit, Folder, assert_same, assert_says, normal};
use crate::gpt_neo::reference_model;
use crate::rounding::assert_within;
use serde_json::{Value, json};
use stagediff::crosscoder::evaluate::{Ablations, evaluate, evaluate_stored, for_losses};
use stagediff::crosscoder::firing::{FiringSums, firings, firings_stored};
use stagediff::crosscoder::harvest::{ActivationStream, HookConfig, StoredActs, StreamConfig, scale};
use stagediff::crosscoder::train::{TrainConfig, Trainee, Training, train};
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::files::Weights;
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use std::path::Path;
use std::time::Duration;
use tch::{Device, Kind, Tensor};

/// A folder's parts before they are written.
pub struct Written {
    pub description: Value,
    /// [token, hook, d_model], by shard.
    pub shards: Vec<Tensor>,
    pub tokens: Weights,
}

impl Written {
    /// Activations [token, hook, d_model] of sequences of `lengths`, in shards of at most `n_shard` tokens.
    pub fn new(acts: &Tensor, hooks: &[String], lengths: &[i64], n_shard: i64, kind: Kind) -> Written {
        let (n_tokens, _, d_model) = acts.size3().unwrap();
        let ends = lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        let offsets: Vec<i64> = std::iter::once(0).chain(ends).collect();
        let shards: Vec<Tensor> = acts.to_kind(kind).split(n_shard, 0);
        let entry = |(i, shard): (usize, &Tensor)| json!({"file": shard_file(i), "n_tokens": shard.size()[0]});
        let dtype = match kind {
            Kind::BFloat16 => "bfloat16",
            Kind::Half => "float16",
            _ => "float32",
        };
        let description = json!({
            "format": "stagediff activations 1", "model": "a model", "data": "texts", "hook_points": hooks,
            "d_model": d_model, "dtype": dtype, "centred": false, "n_tokens": n_tokens, "n_sequences": lengths.len(),
            "shards": shards.iter().enumerate().map(entry).collect::<Vec<Value>>(),
        });
        let mut tokens = Weights::new();
        tokens.insert("tokens", &Tensor::arange(n_tokens, (Kind::Int, Device::Cpu)));
        tokens.insert("offsets", &Tensor::from_slice(&offsets));
        Written { description, shards, tokens }
    }

    pub fn write(&self, folder: &Path) {
        for (i, shard) in self.shards.iter().enumerate() {
            Weights::from_iter([("acts".to_string(), shard.shallow_clone())])
                .write(folder.join(shard_file(i)))
                .unwrap();
        }
        self.tokens.write(folder.join("tokens.safetensors")).unwrap();
        std::fs::write(folder.join("activations.json"), self.description.to_string()).unwrap();
    }
}

fn shard_file(i: usize) -> String {
    format!("acts-{i:05}.safetensors")
}

const LENGTHS: [i64; 6] = [5, 1, 9, 3, 12, 7];

/// 37 tokens at two hook points of another model, eight wide, in shards of ten.
fn small(kind: Kind) -> (Written, Tensor) {
    let acts = normal(&[LENGTHS.iter().sum(), 2, 8], 1).to_kind(kind);
    (Written::new(&acts, &["embed".into(), "model.layers.0".into()], &LENGTHS, 10, kind), acts.to_kind(Kind::Float))
}

fn all(acts: &StoredActs) -> Vec<i64> {
    (0..acts.n_sequences()).collect()
}

fn stream_config(n_hooks: i64, batch: i64, buffer_acts: i64) -> StreamConfig {
    let scale = Tensor::arange_start(1, n_hooks + 1, (Kind::Float, Device::Cpu)) * 0.3;
    StreamConfig { scale, batch, buffer_acts, seed: 3 }
}

#[test]
fn a_folder_is_read_as_it_was_written_in_every_type() {
    for kind in [Kind::Float, Kind::BFloat16, Kind::Half] {
        let folder = Folder::new(&format!("stored-{kind:?}"));
        let (written, expected) = small(kind);
        written.write(folder.path());
        let acts = StoredActs::open(folder.path()).unwrap();
        assert_eq!((acts.n_sequences(), acts.n_tokens(), acts.d_model), (6, 37, 8));
        assert_eq!(acts.hooks, ["embed", "model.layers.0"].map(|name| name.parse::<HookPoint>().unwrap()));
        assert_eq!((acts.about.model.as_str(), acts.about.centred), ("a model", false));
        assert_eq!((acts.tokens_of(2), acts.labels_of(2)), ((6..15).collect(), None));
        let part = acts.part(vec![4, 0], false).unwrap();
        assert_eq!((part.n_sequences(), part.n_tokens(), part.tokens_of(1)), (2, 17, (0..5).collect()));
        assert_same(
            &part.acts(&[0, 1]).unwrap(),
            &Tensor::cat(&[expected.narrow(0, 18, 12), expected.narrow(0, 0, 5)], 0),
        );
        let whole: Vec<Tensor> = acts.part(all(&acts), false).unwrap().batches().map(Result::unwrap).collect();
        assert_same(&Tensor::cat(&whole, 0), &expected);
    }
}

/// What the fixture's GPT-Neo does, in a folder and not.
fn neo_folder(folder: &Path, cfg: &HookConfig) -> (stagediff::language_model::GptNeo, Tensor) {
    let (model, tokens) = (reference_model(), Tensor::arange(72, (Kind::Int64, Device::Cpu)).view([9, 8]));
    let acts = HookConfig { centred: false, ..cfg.clone() }.harvest(&model, &tokens);
    let names: Vec<String> = cfg.hooks.iter().map(HookPoint::to_string).collect();
    Written::new(&acts, &names, &[8; 9], 20, Kind::Float).write(folder);
    (model, tokens)
}

#[test]
fn a_stored_stream_is_the_models_own() {
    let folder = Folder::new("stored-stream");
    let cfg = HookConfig { hooks: HookPoint::residual_stream(4), centred: false };
    let (model, tokens) = neo_folder(folder.path(), &cfg);
    let acts = StoredActs::open(folder.path()).unwrap();
    let (plain, centred) = (acts.part(all(&acts), false).unwrap(), acts.part(all(&acts), true).unwrap());
    let centred_cfg = HookConfig { centred: true, ..cfg.clone() };
    let mut pairs = [(&plain, &cfg, 0.0), (&centred, &centred_cfg, 64.0)].map(|(part, cfg, n_roundings)| {
        let own = ActivationStream::new(&model, cfg, &tokens, stream_config(5, 4, 24));
        (ActivationStream::stored(part, stream_config(5, 4, 24)), own, n_roundings)
    });
    for (stored, own, n_roundings) in &mut pairs {
        for step in 0..40 {
            let (found, expected) = (stored.batch(step).unwrap(), own.batch(step).unwrap());
            let allowed = expected.abs().max() * (*n_roundings * f64::from(f32::EPSILON) / 2.0);
            assert_within(&found, &expected, &allowed.expand_as(&expected));
        }
    }
}

#[test]
fn a_stored_batch_is_a_function_of_seed_and_step() {
    let folder = Folder::new("stored-step");
    small(Kind::Half).0.write(folder.path());
    let acts = StoredActs::open(folder.path()).unwrap();
    let part = acts.part(all(&acts), true).unwrap();
    let mut from_start = ActivationStream::stored(&part, stream_config(2, 4, 15));
    let batches: Vec<Tensor> = (0..60).map(|step| from_start.batch(step).unwrap()).collect();
    for step in [59, 0, 7, 8, 31, 30] {
        assert_same(&from_start.batch(step).unwrap(), &batches[step as usize]);
        let mut resumed = ActivationStream::stored(&part, stream_config(2, 4, 15));
        assert_same(&resumed.batch(step).unwrap(), &batches[step as usize]);
        let other_seed = StreamConfig { seed: 4, ..stream_config(2, 4, 15) };
        assert!(!ActivationStream::stored(&part, other_seed).batch(step).unwrap().equal(&batches[step as usize]));
    }
}

/// Trains on the stream for `n_steps` and gives the crosscoder and its first and last loss.
fn trained(
    parent: &Crosscoder,
    stream: &mut ActivationStream,
    folder: &Path,
) -> stagediff::Result<(Crosscoder, f64, f64)> {
    let cfg = TrainConfig { batch: 32, n_steps: 60, lr: 3e-3, lambda_s: 0.05, ..TrainConfig::published_s() };
    let training = Training { checkpoint_every: Duration::from_secs(900), ..Training::new(cfg, folder, "stored") };
    let mut trainees = [Trainee::new("S", parent)];
    train(&mut trainees, stream, &training, &mut |_, _| {})?;
    let [Trainee { crosscoder, log, .. }] = trainees;
    Ok((crosscoder, log[0].loss, log[log.len() - 1].loss))
}

#[test]
fn training_and_measures_on_a_folder_are_those_on_the_model() {
    let folder = Folder::new("stored-train");
    let cfg = HookConfig { hooks: HookPoint::residual_stream(4), centred: false };
    let (model, tokens) = neo_folder(folder.path(), &cfg);
    let acts = StoredActs::open(folder.path()).unwrap();
    let part = acts.part(all(&acts), false).unwrap();
    let sample = part.sample(1000, 0).unwrap();
    assert_eq!(sample.size(), [72, 5, 32]);
    let scale = scale(&sample);
    let parent = {
        let _generator = seeded(1);
        init(48, part.hooks(), &(&sample * scale.view([1, -1, 1])), &scale, 0.5)
    };
    let stream_cfg = || StreamConfig { scale: scale.copy(), batch: 32, buffer_acts: 48, seed: 5 };
    let mut own = ActivationStream::new(&model, &cfg, &tokens, stream_cfg());
    let (expected, ..) = trained(&parent, &mut own, &folder.join("a")).unwrap();
    let mut stored = ActivationStream::stored(&part, stream_cfg());
    let (found, first, last) = trained(&parent, &mut stored, &folder.join("b")).unwrap();
    assert!(last < first, "{first} to {last}");
    for (param, expected) in found.params().iter().zip(expected.params()) {
        assert_same(param, &expected);
    }
    let ablations = Ablations::of(&model, &cfg, &for_losses(&tokens));
    let (own, stored) = (evaluate(&found, &model, &cfg, &tokens, &ablations), evaluate_stored(&found, &part).unwrap());
    assert_eq!((stored.fvu, &stored.firings.l0), (own.fvu, &own.firings.l0));
    let of_firings = firings_stored(&found, &part).unwrap();
    assert_eq!((&of_firings.top, &of_firings.density), (&own.firings.top, &own.firings.density));
    assert_eq!(of_firings.top, firings(&found, &model, &cfg, &tokens).top);
}

#[test]
fn firings_are_placed_in_sequences_of_any_length() {
    let mut sums = FiringSums::of_lengths([3, 1, 4].into_iter(), 8);
    sums.add(&Tensor::eye(8, (Kind::Float, Device::Cpu)));
    let top = sums.firings().top;
    let places: Vec<(i64, i64)> = top.iter().map(|top| (top[0].sequence, top[0].position)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]);
}

#[test]
fn a_crosscoder_of_other_activations_is_refused() {
    let folder = Folder::new("stored-fit");
    small(Kind::Float).0.write(folder.path());
    let acts = StoredActs::open(folder.path()).unwrap();
    let part = acts.part(all(&acts), false).unwrap();
    let of = |hooks: &[HookPoint], d_model: i64| {
        let (acts, scale) = (normal(&[20, 2, d_model], 0), Tensor::ones([2], (Kind::Float, Device::Cpu)));
        init(4, hooks, &acts, &scale, 0.5)
    };
    assert_says(evaluate_stored(&of(&acts.hooks, 4), &part), &["d_model 8", "the crosscoder has 4"]);
    let other = HookPoint::residual_stream(1);
    assert_says(firings_stored(&of(&other, 8), &part), &["[embed, model.layers.0]", "[blocks.0.hook_resid_pre"]);
    let fidelity = evaluate_stored(&of(&acts.hooks, 8), &part).unwrap();
    assert!(fidelity.fvu.fvu_per_position.iter().all(|fvu| fvu.is_nan()) && fidelity.fvu.fvu[0].is_finite());
}

#[test]
fn a_number_that_is_not_finite_is_found_where_it_is() {
    let folder = Folder::new("stored-nan");
    let (mut written, acts) = small(Kind::Float);
    let _ = acts.get(25).get(1).get(3).fill_(f64::NAN);
    written.shards = acts.split(10, 0);
    written.write(folder.path());
    let acts = StoredActs::open(folder.path()).unwrap();
    let place = ["acts-00002.safetensors", "NaN at token 5 ", "of the folder: 25", "model.layers.0", "coordinate 3"];
    let part = acts.part(all(&acts), true).unwrap();
    assert_says(part.sample(100, 0), &place);
    let mut stream = ActivationStream::stored(&part, stream_config(2, 4, 30));
    assert_says((0..20).try_for_each(|step| stream.batch(step).map(drop)), &place);
    assert_eq!(acts.part(vec![0, 1, 2, 3], true).unwrap().sample(100, 0).unwrap().size()[0], 18);
}

/// A folder with one thing changed is refused.
#[track_caller]
fn refused(test: &str, change: &Edit<Written>, says: &[&str]) {
    let folder = Folder::new(&format!("stored-{test}"));
    let mut written = small(Kind::Float).0;
    change(&mut written);
    written.write(folder.path());
    assert_says(StoredActs::open(folder.path()), says);
}

#[test]
fn what_a_description_may_not_say_is_named() {
    let set = |field: &str, value: Value, says: &[&str]| {
        refused("description", &|written| written.description[field] = value.clone(), says);
    };
    set("format", json!("stagediff activations 2"), &["activations.json", "activations 2", "activations 1"]);
    set("centered", json!(true), &["activations.json", "centered"]);
    set("dtype", json!("float64"), &["float64", "bfloat16"]);
    set("hook_points", json!([]), &["hook_points is empty"]);
    set("hook_points", json!(["a b", "c"]), &["a b", "spaces"]);
    set("hook_points", json!(["x", "x"]), &["x twice"]);
    set("d_model", json!(0), &["d_model is 0", "1 to"]);
    set("n_tokens", json!(36), &["n_tokens is 36", "37"]);
    set("n_sequences", json!(38), &["n_sequences is 38"]);
    set("shards", json!([]), &["n_tokens is 37", "0 together"]);
    set("shards", json!([{"file": "../a", "n_tokens": 37}]), &["../a", "beside"]);
    set("tokenizer", json!("/etc/passwd"), &["/etc/passwd"]);
    set("tokenizer", json!("tokenizer.json"), &["tokenizer.json"]);
}

#[test]
fn shards_and_tokens_that_disagree_are_named() {
    let acts = |n_tokens: i64, n_hooks: i64, d_model: i64| {
        Tensor::zeros([n_tokens, n_hooks, d_model], (Kind::Float, Device::Cpu))
    };
    let second = |shard: Tensor, says: &[&str]| {
        refused("shards", &|written| written.shards[1] = shard.shallow_clone(), &[says, &["acts-00001"]].concat());
    };
    second(acts(9, 2, 8), &["[9, 2, 8]", "[10, 2, 8]"]);
    second(acts(10, 3, 8), &["[10, 3, 8]", "[10, 2, 8]"]);
    second(acts(10, 2, 4), &["[10, 2, 4]", "[10, 2, 8]"]);
    second(acts(10, 2, 8).to_kind(Kind::Half), &["F16", "F32"]);
    let tokens = |name: &str, tensor: Tensor, says: &[&str]| {
        refused("tokens", &|written| written.tokens.insert(name, &tensor), &[says, &["tokens.safetensors"]].concat());
    };
    let ids = |n: i64| Tensor::arange(n, (Kind::Int64, Device::Cpu));
    tokens("tokens", ids(36), &["tokens", "[36]", "[37]"]);
    tokens("tokens", ids(37).to_kind(Kind::Float), &["F32", "I64"]);
    tokens("tokens", ids(37) - 1, &["below 0", "token 0"]);
    tokens("offsets", ids(7), &["ends with 6", "37"]);
    tokens("offsets", Tensor::from_slice(&[0i64, 5, 5, 15, 18, 30, 37]), &["5 after 5", "sequence 1"]);
    tokens("offsets", Tensor::from_slice(&[1i64, 5, 6, 15, 18, 30, 37]), &["begins with 1"]);
    tokens("offsets", ids(8), &["[8]", "[7]"]);
    tokens("labels", ids(37).to_kind(Kind::Uint8), &["2 at token 2", "0 or 1"]);
    refused("tensor", &|written| drop(written.tokens.tensors.remove("offsets")), &["offsets", "tokens"]);
}

#[test]
fn files_that_are_cut_off_missing_or_none_are_named() {
    let folder = Folder::new("stored-files");
    let (written, shard) = (small(Kind::Float).0, folder.join("acts-00003.safetensors"));
    let again = || written.write(folder.path());
    again();
    let whole = std::fs::read(&shard).unwrap();
    std::fs::write(&shard, &whole[..whole.len() - 1]).unwrap();
    let (held, short) = (whole.len().to_string(), (whole.len() - 1).to_string());
    assert_says(StoredActs::open(folder.path()), &["acts-00003", "not a whole", &short]);
    std::fs::write(&shard, [&whole[..], &[0]].concat()).unwrap();
    assert_says(StoredActs::open(folder.path()), &["acts-00003", "not a whole", &(whole.len() + 1).to_string()]);
    std::fs::write(&shard, b"abc").unwrap();
    assert_says(StoredActs::open(folder.path()), &["acts-00003", "3 bytes"]);
    std::fs::write(&shard, vec![0xff; 100]).unwrap();
    assert_says(StoredActs::open(folder.path()), &["acts-00003", "claims"]);
    std::fs::remove_file(&shard).unwrap();
    assert_says(StoredActs::open(folder.path()), &["acts-00003"]);
    again();
    let acts = StoredActs::open(folder.path()).unwrap();
    std::fs::OpenOptions::new().write(true).open(&shard).unwrap().set_len(held.parse::<u64>().unwrap() - 8).unwrap();
    assert_says(acts.part(all(&acts), false).unwrap().sample(100, 0), &["acts-00003", "cut off"]);
    std::fs::remove_file(folder.join("activations.json")).unwrap();
    assert_says(StoredActs::open(folder.path()), &["activations.json", "data/activations.py"]);
    assert_says(StoredActs::open(folder.join("nowhere")), &["nowhere"]);
}

#[test]
fn parts_spaces_and_centring_are_checked() {
    let (folder, other) = (Folder::new("stored-part"), Folder::new("stored-other"));
    let mut written = small(Kind::Float).0;
    written.tokens.insert("labels", &Tensor::from_slice(&[[1u8; 5].as_slice(), &[0; 32]].concat()));
    written.write(folder.path());
    let acts = StoredActs::open(folder.path()).unwrap();
    assert_eq!((acts.labels_of(0), acts.labels_of(1)), (Some(vec![1; 5]), Some(vec![0])));
    assert_says(acts.part(vec![6], false), &["sequence 6", "it has 6"]);
    assert_says(acts.part(vec![], false), &["no sequence"]);
    written.description["centred"] = json!(true);
    written.description["hook_points"] = json!(["embed", "model.layers.1"]);
    written.write(other.path());
    let centred = StoredActs::open(other.path()).unwrap();
    assert_says(centred.part(vec![0], false), &["centred", "activations.json"]);
    let as_stored = centred.part(vec![0], true).unwrap().acts(&[0]).unwrap();
    assert_same(&as_stored, &acts.part(vec![0], false).unwrap().acts(&[0]).unwrap());
    assert_says(acts.check_same_spaces(&centred), &["model.layers.0", "model.layers.1", "stored-other"]);
    acts.check_same_spaces(&acts.clone()).unwrap();
}

#[test]
fn tokens_have_texts_by_a_list_or_a_tokenizer() {
    let folder = Folder::new("stored-texts");
    let mut written = small(Kind::Float).0;
    written.write(folder.path());
    assert!(StoredActs::open(folder.path()).unwrap().texts().unwrap().is_none());
    written.description["tokenizer"] = json!("texts.json");
    written.write(folder.path());
    let texts = |n: usize| folder.file("texts.json", json!(vec![" dog"; n]).to_string());
    texts(37);
    let acts = StoredActs::open(folder.path()).unwrap();
    let known = acts.texts().unwrap().unwrap();
    assert_eq!((known.text(36), known.text(37)), (" dog".into(), "<37>".into()));
    texts(36);
    assert_says(acts.texts(), &["texts.json", "up to the token 35", "token 36"]);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/models/tiny/tokenizer.json");
    std::fs::copy(shipped, folder.join("texts.json")).unwrap();
    assert_eq!(acts.texts().unwrap().unwrap().text(36).len(), 1);
}
