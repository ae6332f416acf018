//! A language model with its tokenizer, as a folder that transformers reads and writes.
//!
//! ```no_run
//! # fn main() -> stagediff::Result<()> {
//! use stagediff::language_model::pretrained;
//! use tch::{Device, Kind};
//!
//! let (model, tokenizer) = pretrained::load("TinyStories-Instruct-33M".as_ref(), Device::Cpu)?;
//! pretrained::save("copy".as_ref(), &model, &tokenizer, Kind::Half, &[])?;
//! # Ok(()) }
//! ```

use crate::Result;
use crate::files::write_whole;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::tokens::{CONFIG_FILE, TOKENIZER_FILE, Tokenizer};
use crate::stories::END_OF_TEXT;
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Kind};

/// The files of a folder that [`save`] writes.
pub const FILES: [&str; 5] =
    ["config.json", "generation_config.json", "model.safetensors", TOKENIZER_FILE, CONFIG_FILE];

/// Loads model and tokenizer of a Hugging Face folder ([`GptNeo::load`], [`Tokenizer::load`]).
///
/// # Errors
/// One of them cannot be read, or the tokenizer has an id that the model has no embedding for: both are named.
pub fn load(dir: &Path, device: Device) -> Result<(GptNeo, Tokenizer)> {
    let (model, tokenizer) = (GptNeo::load(dir, device)?, Tokenizer::load(dir)?);
    tokenizer.check_fits(model.config.n_vocab)?;
    Ok((model, tokenizer))
}

/// Writes model and tokenizer, with tensors of `kind`; `about` goes into the header of the weights.
///
/// # Errors
/// The folder cannot be written to, or a weight is not finite in `kind`.
pub fn save(dir: &Path, model: &GptNeo, tokenizer: &Tokenizer, kind: Kind, about: &[(&str, &str)]) -> Result<()> {
    model.save(dir, kind, about)?;
    tokenizer.write(&dir.join(TOKENIZER_FILE))?;
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": model.config.n_positions,
    });
    write_json(dir, CONFIG_FILE, &tokenizer_config)?;
    let end_of_text = tokenizer.end_of_text();
    let generation = json!({ "bos_token_id": end_of_text, "eos_token_id": end_of_text, "pad_token_id": end_of_text });
    write_json(dir, "generation_config.json", &generation)
}

fn write_json(dir: &Path, name: &str, value: &Value) -> Result<()> {
    write_whole(&dir.join(name), format!("{value:#}\n").as_bytes())
}
