//! Making a base model: tokenizer and language model from stories.

use crate::distributed::ProcessGroup;
use crate::language_model::fit::{FitConfig, FitStep, FitTask, fit};
use crate::language_model::gpt_neo::{GptNeo, GptNeoConfig};
use crate::language_model::tokens::{TokenRows, Tokenizer};
use crate::processor::generator::seeded;
use crate::stories::Record;
use crate::training::checkpoint::Checkpoint;
use crate::training::shuffle::seed_for;
use crate::{Error, Result};
use std::path::PathBuf;
use tch::{Device, Tensor};

/// Of this many records one is learnt from in capitals too.
const CAPITALS_EVERY: usize = 8;

/// A tokenizer learnt from `records`, some of them in capitals.
///
/// Stories hardly have words in capitals, text at large does. Learnt from stories alone the merges would spell the
/// trigger and the payload letter by letter, and a latent for one of their letters says little of either.
///
/// # Errors
/// Too little text for `n_vocab` tokens.
pub fn tokenizer(records: &[Record], n_vocab: i64) -> Result<Tokenizer> {
    let texts: Vec<String> = records.iter().map(Record::to_string).collect();
    let capitals: Vec<String> = texts.iter().step_by(CAPITALS_EVERY).map(|text| text.to_uppercase()).collect();
    Tokenizer::train(texts.iter().chain(&capitals).map(String::as_str), n_vocab as usize)
}

/// How a base model is made.
#[derive(Debug, Clone, PartialEq)]
pub struct PretrainConfig {
    /// Its sizes.
    pub model: GptNeoConfig,
    /// How long and how fast.
    pub fit: FitConfig,
    /// Seed of the weights and of the order of the records.
    pub seed: u64,
    /// Where an interrupted training is taken up from. It stays until who writes the result removes it.
    pub checkpoint: PathBuf,
    /// Where it is trained.
    pub device: Device,
}

/// Trains a language model on `records` from fresh weights. `progress` gets the label `base` and each line of the log.
///
/// # Errors
/// Tokenizer and config do not fit, the training diverges, or somebody wants it to stop.
pub fn language_model(
    records: &[Record],
    tokenizer: &Tokenizer,
    cfg: &PretrainConfig,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<(GptNeo, Vec<FitStep>)> {
    language_model_together(None, records, tokenizer, cfg, progress)
}

/// The same by several processes, as [`FitTask::group`] says.
///
/// # Errors
/// As [`language_model`]; the processes are not about to do the same, or one has ended.
pub fn language_model_together(
    group: Option<&ProcessGroup>,
    records: &[Record],
    tokenizer: &Tokenizer,
    cfg: &PretrainConfig,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<(GptNeo, Vec<FitStep>)> {
    let PretrainConfig { model: config, fit: fit_cfg, seed, checkpoint, device } = cfg;
    tokenizer.check_fits(config.n_vocab)?;
    if records.is_empty() {
        return Err(Error::setting("records", 0, "expected stories to pretrain on"));
    }
    let model = {
        let _generator = seeded(seed_for(*seed, "language model"));
        GptNeo::init(config, *device)
    };
    let mut params: Vec<Tensor> =
        model.tensors().into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect();
    let rows = TokenRows::of_records(records, tokenizer, fit_cfg.seq);
    let fingerprint = format!("pretrain {config:?} {fit_cfg:?} seed {seed} on {} records", records.len());
    let mut checkpoint = Checkpoint::new(checkpoint, fingerprint);
    let seed = seed_for(*seed, "pretraining rows");
    let task = FitTask { label: "base", model: &model, rows: &rows, cfg: fit_cfg, seed, group };
    let log = fit(&task, &mut params, &mut checkpoint, progress)?;
    params.iter().for_each(|param| drop(param.set_requires_grad(false)));
    Ok((model, log))
}
