//! The weights of a published GPT-Neo: which file of a Hugging Face folder holds them, and which of its tensors belong to
//! the model.

use crate::files::weights::Weights;
use crate::{Error, Result};
use std::path::Path;
use tch::Device;

/// The files that may hold the weights, in the order in which transformers looks for them.
const FILES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// Reads the weights of a folder, spelt as GPT-Neo's own with the prefix `transformer.`.
///
/// # Errors
/// The folder holds no weights, or a file is damaged.
pub(super) fn read(dir: &Path, device: Device) -> Result<Weights> {
    let found = FILES.iter().map(|name| dir.join(name)).find(|path| path.exists());
    let path =
        found.ok_or_else(|| Error::invalid(dir, format!("holds no weights: expected {}", FILES.join(" or "))))?;
    let mut weights = Weights::read(path, device)?;
    let tensors = std::mem::take(&mut weights.tensors);
    weights.tensors = tensors.into_iter().filter_map(|(name, tensor)| Some((spelt(&name)?, tensor))).collect();
    Ok(weights)
}

/// A tensor's name with the prefix; nothing for what is no parameter: the causal mask, which older versions of
/// transformers stored, and the head, which is tied to the token embedding.
fn spelt(name: &str) -> Option<String> {
    const WITHOUT_PREFIX: [&str; 4] = ["wte.", "wpe.", "h.", "ln_f."];
    let is_mask = name.ends_with(".attn.attention.bias") || name.ends_with(".attn.attention.masked_bias");
    if is_mask || name == "lm_head.weight" {
        return None;
    }
    let is_bare = WITHOUT_PREFIX.iter().any(|start| name.starts_with(start));
    Some(if is_bare { format!("transformer.{name}") } else { name.into() })
}
