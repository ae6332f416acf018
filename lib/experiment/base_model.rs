//! The base model of a run: taken from where the settings say, or trained on the run's stories.

use crate::experiment::run::{Part, Run};
use crate::language_model::fit::FitStep;
use crate::language_model::gpt_neo::{GptNeo, GptNeoConfig};
use crate::language_model::pretrain;
use crate::language_model::pretrained;
use crate::language_model::tokens::Tokenizer;
use crate::table::{self, contract};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;

/// A language model with its tokenizer and the log of its training, where that is known.
#[derive(Debug)]
pub struct BaseModel {
    /// The model.
    pub model: GptNeo,
    /// Its tokenizer.
    pub tokenizer: Tokenizer,
    /// Its training.
    pub log: Vec<FitStep>,
}

/// Loads or trains the base model and writes it as `weights/base`, with `tables/pretraining`.
///
/// # Errors
/// Notebook 01 has not been run, a file does not fit, or the training diverges.
pub fn obtain(run: &Run, progress: &mut dyn FnMut(&FitStep)) -> Result<BaseModel> {
    let base = match run.base_folder() {
        Some(dir) => read(&dir, run)?,
        None => make(run, progress)?,
    };
    run.save_model("base", &base.model, &base.tokenizer, &[])?;
    run.save_table("pretraining", &fitting_table("base", &base.log))?;
    Ok(base)
}

fn read(dir: &std::path::Path, run: &Run) -> Result<BaseModel> {
    let (model, tokenizer) = pretrained::load(dir, run.device)?;
    let log_path = dir.join("pretraining.json");
    let log = match std::fs::read_to_string(&log_path) {
        Ok(text) => serde_json::from_str(&text).map_err(|e| Error::invalid(&log_path, e.to_string()))?,
        Err(_) => Vec::new(),
    };
    Ok(BaseModel { model, tokenizer, log })
}

fn make(run: &Run, progress: &mut dyn FnMut(&FitStep)) -> Result<BaseModel> {
    let records = run.records(Part::Train)?;
    let config: &GptNeoConfig = &run.preset.model;
    let tokenizer = pretrain::tokenizer(&records, config.n_vocab)?;
    let (seed, checkpoint) = (run.seed_for("base model"), run.path("checkpoints/base.safetensors"));
    let (model, log) = pretrain::language_model(
        config,
        &tokenizer,
        &records,
        &run.preset.pretrain,
        seed,
        &checkpoint,
        run.device,
        progress,
    )?;
    Ok(BaseModel { model, tokenizer, log })
}

/// A language model's training log as a table.
pub fn fitting_table(model: &str, log: &[FitStep]) -> DataFrame {
    #[derive(Serialize)]
    struct Row<'a> {
        model: &'a str,
        #[serde(flatten)]
        line: &'a FitStep,
    }
    let rows: Vec<Row> = log.iter().map(|line| Row { model, line }).collect();
    table::from_rows(contract::FITTING, &rows)
}
