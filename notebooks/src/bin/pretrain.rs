//! Makes a base model of a preset from the built-in stories: `cargo run -p notebooks --bin pretrain -- tiny`.
//! Writes `data/models/PRESET/{config.json, model.safetensors, tokenizer.json, …, pretraining.json}`.

use stagediff::experiment::Preset;
use stagediff::files::write_whole;
use stagediff::language_model::pretrain::{self, PretrainConfig};
use stagediff::language_model::{FitStep, TokenRows, mean_loss, pretrained};
use stagediff::processor::device;
use stagediff::stories;
use stagediff::tch::Kind;
use stagediff::training::shuffle::seed_for;
use std::io::ErrorKind::NotFound;
use std::path::PathBuf;
use std::time::Instant;

/// The seed of the models that come with the project.
const SEED: u64 = 0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name =
        std::env::args().nth(1).ok_or("which preset? for example: cargo run -p notebooks --bin pretrain -- tiny")?;
    let preset = Preset::named(&name)?;
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/models").join(&name);
    let records = stories::built_in(preset.n_records, seed_for(SEED, "stories"));
    let split = stories::split(records, preset.heldout_frac, seed_for(SEED, "split"));
    let tokenizer = pretrain::tokenizer(&split.train, preset.model.n_vocab)?;
    let started = Instant::now();
    let n_steps = preset.pretrain.n_steps;
    let mut progress = |_: &str, line: &FitStep| {
        let wall_s = started.elapsed().as_secs_f64();
        println!("step {} of {n_steps}, loss {:.4} nats, {wall_s:.0} s", line.step, line.loss_nats);
    };
    let cfg = PretrainConfig {
        model: preset.model,
        fit: preset.pretrain.clone(),
        seed: SEED,
        checkpoint: dir.join("checkpoint.safetensors"),
        device: device::best(),
    };
    let (model, log) = pretrain::language_model(&split.train, &tokenizer, &cfg, &mut progress)?;
    let heldout = TokenRows::of_records(&split.heldout, &tokenizer, preset.pretrain.seq);
    println!("held-out loss {:.4} nats a token", mean_loss(&model, &heldout, 16));
    let made_by = format!("cargo run -p notebooks --bin pretrain -- {name}");
    pretrained::save(&dir, &model, &tokenizer, Kind::Half, &[("made_by", &made_by)])?;
    write_whole(&dir.join("pretraining.json"), serde_json::to_string_pretty(&log)?.as_bytes())?;
    std::fs::remove_file(&cfg.checkpoint).or_else(|e| if e.kind() == NotFound { Ok(()) } else { Err(e) })?;
    Ok(())
}
