//! Every reader of the library, with small files that it reads.

use super::mutate::{Random, mutated};
use crate::fixture;
use crate::model_cases::case;
use crate::series;
use serde_json::{Value, json};
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::formats::{model_diffing, sae_lens};
use stagediff::experiment::{Overrides, Part, Run, Settings, Step};
use stagediff::files::{Weights, write_whole};
use stagediff::language_model::peft::{self, AdapterConfig};
use stagediff::language_model::{GptNeo, GptNeoConfig, HookPoint, Tokenizer};
use stagediff::training::adam::Adam;
use stagediff::training::checkpoint::{Checkpoint, State};
use stagediff::{Error, stories, table};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// One reader.
pub struct Reader {
    pub name: &'static str,
    /// Files that it reads.
    pub corpus: Vec<Vec<u8>>,
    /// Where it looks for one.
    pub path: PathBuf,
    /// Makes an input of a file of the corpus.
    pub alter: fn(&[u8], &mut Random) -> Vec<u8>,
    /// Whether it takes what lies there.
    pub read: Box<dyn Fn(&Path) -> bool>,
}

fn reader(name: &'static str, path: PathBuf, files: &[PathBuf], read: impl Fn(&Path) -> bool + 'static) -> Reader {
    let corpus = files.iter().map(|file| std::fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display())));
    Reader { name, corpus: corpus.collect(), path, alter: mutated, read: Box::new(read) }
}

/// All of them, with room for their inputs in a folder.
pub fn all(dir: &Path) -> Vec<Reader> {
    [weights(dir), crosscoders(dir), language_models(dir), texts(dir), of_a_run(dir)].into_iter().flatten().collect()
}

fn is_weights(path: &Path) -> bool {
    Weights::read(path, Device::Cpu).is_ok()
}

fn interop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/pytorch").join(name)
}

fn weights(dir: &Path) -> Vec<Reader> {
    let safetensors = [interop("kinds.safetensors"), case("crosscoders/cc_zero.safetensors")];
    let zips = ["state_dict.pt", "mixed.pt", "protocol_4.pt", "kinds.pt", "module.pt", "sparse.pt", "os_system.pt"]
        .map(interop);
    let shard = Weights::read(&safetensors[0], Device::Cpu).unwrap();
    let places: BTreeMap<&str, &str> = shard.tensors.keys().map(|name| (name.as_str(), "shard.safetensors")).collect();
    let index = json!({ "metadata": {}, "weight_map": places });
    std::fs::copy(&safetensors[0], dir.join("shard.safetensors")).unwrap();
    write_whole(&dir.join("sound_index"), index.to_string().as_bytes()).unwrap();
    vec![
        reader("safetensors", dir.join("a.safetensors"), &safetensors, is_weights),
        reader("PyTorch", dir.join("c.pt"), &zips, is_weights),
        Reader { alter: repacked, ..reader("PyTorch, within the zip", dir.join("d.pt"), &zips, is_weights) },
        reader("index of shards", dir.join("e.json"), &[dir.join("sound_index")], is_weights),
    ]
}

/// A zip file with one of its entries altered, half of the time the pickle, and its checksums right.
fn repacked(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut made = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let (n, chosen) = (archive.len(), random.below(2 * archive.len()));
    for i in 0..n {
        let mut entry = archive.by_index(i).unwrap();
        let (name, mut content) = (entry.name().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        if i == chosen || chosen >= n && name.ends_with("data.pkl") {
            content = mutated(&content, random);
        }
        let stored = zip::write::FileOptions::default().compression_method(zip::CompressionMethod::Stored);
        made.start_file(name, stored).unwrap();
        made.write_all(&content).unwrap();
    }
    made.finish().unwrap().into_inner()
}

fn crosscoders(dir: &Path) -> Vec<Reader> {
    let hooks = HookPoint::residual_stream(1);
    let (d_model, n_latents) = (3, 4);
    let draw = |size: &[i64]| fixture::normal(size, 1);
    let crosscoder = Crosscoder {
        d_model,
        w_enc: draw(&[n_latents, d_model * 2]),
        b_enc: draw(&[n_latents]),
        w_dec: draw(&[n_latents, d_model * 2]),
        b_dec: draw(&[d_model * 2]),
        log_threshold: draw(&[n_latents]),
        scale: draw(&[2]).abs() + 0.1,
        hooks,
    };
    let about = Default::default();
    crosscoder.save(&dir.join("ours"), &[("stage", "D".into())]).unwrap();
    model_diffing::save(&crosscoder, &dir.join("theirs"), &about).unwrap();
    for place in ["sae_config", "sae_tensors"] {
        sae_lens::save(&crosscoder, &dir.join(place), &about).unwrap();
    }
    let ours = |path: &Path| Crosscoder::load(path, &[], Device::Cpu).is_ok();
    let theirs = |path: &Path| model_diffing::load(path, None, Device::Cpu).is_ok();
    let sae = |path: &Path| sae_lens::load(path.parent().unwrap(), None, Device::Cpu).is_ok();
    let published = ["folded.pt", "not_folded.pt"].map(|name| case(&format!("crosscoders/{name}")));
    let (config, tensors) = (dir.join("sae_config/cfg.json"), dir.join("sae_tensors/sae_weights.safetensors"));
    let configs = [config.clone(), case("crosscoders/sae_lens/v3_jumprelu.json")];
    vec![
        reader("crosscoder", dir.join("f.safetensors"), &[dir.join("ours")], ours),
        reader("model-diffing", dir.join("g.safetensors"), &[dir.join("theirs")], theirs),
        Reader { alter: repacked, ..reader("model-diffing, .pt", dir.join("h.pt"), &published, theirs) },
        reader("SAELens, cfg.json", config, &configs, sae),
        reader("SAELens, tensors", tensors.clone(), &[tensors], sae),
    ]
}

fn language_models(dir: &Path) -> Vec<Reader> {
    let model = GptNeo::load(&case("models/base"), Device::Cpu).unwrap();
    let adapter = move |path: &Path| peft::load(model.copy().linears_mut(), path.parent().unwrap()).is_ok();
    let (tensors, tokenizer) = (dir.join("adapter/adapter_model.safetensors"), case("models/base/tokenizer.json"));
    std::fs::create_dir_all(dir.join("adapter")).unwrap();
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(case("adapters/rank_pattern").join(file), dir.join("adapter").join(file)).unwrap();
    }
    let held: Value = serde_json::from_slice(&std::fs::read(&tokenizer).unwrap()).unwrap();
    let merges: Vec<String> = held["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
    for place in ["vocab", "merges"] {
        write_whole(&dir.join(place).join("vocab.json"), held["model"]["vocab"].to_string().as_bytes()).unwrap();
        let text = format!("#version: 0.2\n{}\n", merges.join("\n"));
        write_whole(&dir.join(place).join("merges.txt"), text.as_bytes()).unwrap();
    }
    let (vocab, merges) = (dir.join("vocab/vocab.json"), dir.join("merges/merges.txt"));
    let of_folder = |path: &Path| Tokenizer::load(path.parent().unwrap()).is_ok();
    let configs = [case("models/base/config.json"), case("models/tied_head_only/config.json")];
    let adapters = ["rslora", "rank_pattern"].map(|name| case(&format!("adapters/{name}/adapter_config.json")));
    vec![
        reader("config.json", dir.join("config.json"), &configs, |path| GptNeoConfig::read(path).is_ok()),
        reader("tokenizer.json", dir.join("tokenizer.json"), &[tokenizer], |path| Tokenizer::read(path).is_ok()),
        reader("vocab.json", vocab.clone(), &[vocab], of_folder),
        reader("merges.txt", merges.clone(), &[merges], of_folder),
        reader("PEFT, config", dir.join("i.json"), &adapters, |path| AdapterConfig::read(path).is_ok()),
        reader("PEFT, tensors", tensors.clone(), &[tensors], adapter),
    ]
}

fn merge(pair: &Value) -> String {
    match pair.as_array() {
        Some(pair) => pair.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        None => pair.as_str().unwrap().into(),
    }
}

fn texts(dir: &Path) -> Vec<Reader> {
    let sample = |path: &Path| stories::sample(&[path.to_path_buf()], None, 50, 0).is_ok();
    let of = |name: &str| case(&format!("stories/{name}"));
    let parquet = ["column_story.parquet", "dictionary.parquet"].map(of);
    vec![
        reader("stories, text", dir.join("j.txt"), &[of("one_line.txt"), of("cr_only.txt")], sample),
        reader("stories, JSON", dir.join("k.json"), &[of("all_data.json"), of("lines.jsonl")], sample),
        reader("stories, Parquet", dir.join("l.parquet"), &parquet, sample),
    ]
}

/// What a run writes and reads again.
fn of_a_run(dir: &Path) -> Vec<Reader> {
    let data = dir.join("data");
    let run = series::opened(&data, &[]).unwrap();
    run.save_stories(&stories::split(run.read_stories().unwrap(), 0.25, 0)).unwrap();
    let step = |run: &Run| {
        let refuse = || Err(Error::setting("input", "altered", "expected the record"));
        Step::new(run, "fuzz", json!([1]), &[])?.once::<f64>(vec!["out".into()], refuse)
    };
    write_whole(&run.path("out"), b"made").unwrap();
    let made = Step::new(&run, "fuzz", json!([1]), &[]).unwrap();
    made.once::<f64>(vec!["out".into()], || Ok(vec![0.5, f64::MAX])).unwrap();
    let [manifest, record, stored, sources] =
        ["run.json", "steps/fuzz.json", "stories/train.jsonl", "tables/sources.parquet"].map(|name| run.path(name));
    let settings = json!({ "preset": "smoke", "run": "other", "seed": 3, "set": { "n_latents": "64", "stage_s.lr": "1e-3", "base": "train" } });
    write_whole(&dir.join("sound_settings"), settings.to_string().as_bytes()).unwrap();
    let checkpoint = checkpoint(&dir.join("sound_checkpoint"));
    vec![
        reader("run.json", manifest.clone(), &[manifest], {
            let data = data.clone();
            move |_| series::opened(&data, &[]).is_ok()
        }),
        reader("settings", dir.join("m.json"), &[dir.join("sound_settings")], move |path| open(path, &data)),
        reader("checkpoint", dir.join("n.safetensors"), &[checkpoint], |path| taken_up(path) > 0),
        reader("table", dir.join("o.parquet"), &[sources], |path| table::read(path).is_ok()),
        reader("steps/*.json", record.clone(), &[record], {
            let run = series::opened(run.path("../..").as_path(), &[]).unwrap();
            move |_| step(&run).is_ok()
        }),
        reader("stored stories", stored.clone(), &[stored], move |_| {
            run.record("stories/train.jsonl").unwrap();
            run.records(Part::Train).is_ok()
        }),
    ]
}

/// Opens the run that settings ask for.
fn open(path: &Path, data: &Path) -> bool {
    let overrides: Option<Overrides> = std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok());
    overrides.is_some_and(|overrides| Run::open_in(data, overrides.onto(&Settings::default())).is_ok())
}

fn numbers() -> [Tensor; 2] {
    [3, 5].map(|n| Tensor::ones([n], (Kind::Float, Device::Cpu)))
}

fn checkpoint(path: &Path) -> PathBuf {
    let (mut params, mut since_line, mut log) = (numbers(), numbers(), vec![(1i64, 0.5f64)]);
    let adam = Adam::new(&params, Default::default());
    let state = State { params: &mut params, since_line: &mut since_line, log: &mut log };
    Checkpoint::new(path, "fuzz".into()).save(&state, &adam).unwrap();
    path.into()
}

/// Lines of the log that are taken up.
fn taken_up(path: &Path) -> usize {
    let (mut params, mut since_line, mut log) = (numbers(), numbers(), Vec::<(i64, f64)>::new());
    let mut adam = Adam::new(&params, Default::default());
    let state = State { params: &mut params, since_line: &mut since_line, log: &mut log };
    Checkpoint::new(path, "fuzz".into()).resume(state, &mut adam, 10);
    log.len()
}
