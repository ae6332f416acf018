//! The base model of a run: taken from where the settings say, or trained on the run's stories.

use crate::experiment::run::{Part, Run};
use crate::experiment::step::Step;
use crate::experiment::tables::FittingRow;
use crate::files::hash::sha256;
use crate::language_model::fit::FitStep;
use crate::language_model::pretrain::{self, PretrainConfig};
use crate::language_model::pretrained;
use crate::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Loads or trains the base model and writes it as `weights/base`, with `tables/pretraining`. A base model that was
/// written from the same is left as it is. Returns the lines of its training, none where they are not known. Where activations
/// are given there is no model to take.
///
/// # Errors
/// Notebook 01 has not been run, a file does not fit, or the training diverges.
pub fn base_model(run: &Run, progress: &mut dyn FnMut(&str, &FitStep)) -> Result<Vec<FittingRow>> {
    if run.has_stored_acts() {
        return Ok(Vec::new());
    }
    let log = match run.base_folder() {
        Some(dir) => {
            let step = Step::new(run, "base", json!({ "from": run.base_identity(), "files": hashes(dir)? }), &[])?;
            step.once_together(run.model_files("base"), || take(run, dir))?
        }
        None => {
            let preset = &run.preset;
            let settings = json!([preset.model, preset.pretrain, run.settings.seed]);
            let step = Step::new(run, "base", settings, &[Part::Train.file().into()])?;
            step.once_together(run.model_files("base"), || train(run, &step, progress))?
        }
    };
    let rows = fitting_rows("base", &log);
    run.by_first(|| run.save("pretraining", &rows))?;
    Ok(rows)
}

/// SHA-256 of a file, or of every file of a folder.
pub(super) fn hashes_at(path: &Path) -> Result<BTreeMap<String, String>> {
    match path.is_dir() {
        true => hashes(path),
        false => Ok(BTreeMap::from([(String::new(), sha256(path)?)])),
    }
}

/// SHA-256 of every file of a folder.
pub(super) fn hashes(dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut hashes = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.is_file() {
            hashes.insert(path.file_name().unwrap_or_default().to_string_lossy().into(), sha256(&path)?);
        }
    }
    Ok(hashes)
}

/// Copies a model from elsewhere; returns the log of its training where it comes with one.
fn take(run: &Run, dir: &Path) -> Result<Vec<FitStep>> {
    if run.is_first() {
        let (model, tokenizer) = pretrained::load(dir, run.device)?;
        run.save_model("base", &model, &tokenizer, &[])?;
    }
    let log_path = dir.join("pretraining.json");
    match std::fs::read_to_string(&log_path) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| Error::invalid(&log_path, e.to_string())),
        Err(_) => Ok(Vec::new()),
    }
}

fn train(run: &Run, step: &Step, progress: &mut dyn FnMut(&str, &FitStep)) -> Result<Vec<FitStep>> {
    let records = run.records(Part::Train)?;
    let tokenizer = pretrain::tokenizer(&records, run.preset.model.n_vocab)?;
    let cfg = PretrainConfig {
        model: run.preset.model.clone(),
        fit: run.preset.pretrain.clone(),
        seed: run.seed_for("base model"),
        checkpoint: step.checkpoint(),
        device: run.device,
    };
    let (model, log) = pretrain::language_model_together(run.group(), &records, &tokenizer, &cfg, progress)?;
    if run.is_first() {
        run.save_model("base", &model, &tokenizer, &[])?;
    }
    Ok(log)
}

/// A language model's training log as rows.
pub(super) fn fitting_rows(model: &str, log: &[FitStep]) -> Vec<FittingRow> {
    let row = |line: &FitStep| {
        let FitStep { step, n_tokens, loss_nats, lr, .. } = *line;
        FittingRow { model: model.into(), step, n_tokens, loss_nats, lr }
    };
    log.iter().map(row).collect()
}
