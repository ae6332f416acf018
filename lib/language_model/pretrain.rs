//! Making a base model: tokenizer and language model from stories.

use crate::language_model::fit::{FitConfig, FitStep, fit};
use crate::language_model::gpt_neo::{GptNeo, GptNeoConfig};
use crate::language_model::tokens::{Rows, Tokenizer};
use crate::stories::Record;
use crate::training::checkpoint::Checkpoint;
use crate::training::shuffle::seed_for;
use crate::{Error, Result};
use std::path::Path;
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

/// Trains a language model of the sizes in `config` on `records` from fresh weights.
///
/// # Errors
/// Tokenizer and config do not fit, the training diverges, or the checkpoint cannot be written.
pub fn language_model(
    config: &GptNeoConfig,
    tokenizer: &Tokenizer,
    records: &[Record],
    cfg: &FitConfig,
    seed: u64,
    checkpoint_path: &Path,
    device: Device,
    progress: &mut dyn FnMut(&FitStep),
) -> Result<(GptNeo, Vec<FitStep>)> {
    tokenizer.check_fits(config.n_vocab)?;
    if records.is_empty() {
        return Err(Error::setting("records", 0, "expected stories to pretrain on"));
    }
    tch::manual_seed(seed_for(seed, "language model") as i64);
    let model = GptNeo::init(config, device);
    let mut params: Vec<Tensor> =
        model.tensors().into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect();
    let rows = Rows::of_records(records, tokenizer, cfg.seq);
    let mut checkpoint = Checkpoint::new(
        checkpoint_path,
        format!("pretrain {config:?} {cfg:?} seed {seed} on {} records", records.len()),
    );
    let log = fit(&model, &mut params, &rows, cfg, seed_for(seed, "pretraining rows"), &mut checkpoint, progress)?;
    params.iter().for_each(|param| drop(param.set_requires_grad(false)));
    checkpoint.clear();
    Ok((model, log))
}
