//! The weights of a published GPT-Neo: which file of a Hugging Face folder holds them, and which of its tensors belong to
//! the model.

use super::model::WTE;
use crate::files::weights::Weights;
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Kind};

/// The files that may hold the weights, in the order in which transformers looks for them.
const FILES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The head, which is the token embedding.
const HEAD: &str = "lm_head.weight";

/// Reads the weights of a folder, spelt as GPT-Neo's own with the prefix `transformer.`.
///
/// # Errors
/// The folder holds no weights, a file is damaged, or its head is not the token embedding.
pub(super) fn read(dir: &Path, device: Device) -> Result<Weights> {
    let found = FILES.iter().map(|name| dir.join(name)).find(|path| path.exists());
    let path =
        found.ok_or_else(|| Error::invalid(dir, format!("holds no weights: expected {}", FILES.join(" or "))))?;
    let mut weights = Weights::read(path, device)?;
    weights.unwrap_names();
    for (name, tensor) in std::mem::take(&mut weights.tensors) {
        let Some(spelt) = spelt(&name) else { continue };
        if weights.tensors.insert(spelt, tensor).is_some() {
            return Err(Error::invalid(weights.path(), format!("has {name:?} also without the prefix")));
        }
    }
    tie_head(&mut weights)?;
    Ok(weights)
}

/// A tensor's name with the prefix; nothing for the causal mask, which older versions of transformers stored.
fn spelt(name: &str) -> Option<String> {
    const WITHOUT_PREFIX: [&str; 4] = ["wte.", "wpe.", "h.", "ln_f."];
    if name.ends_with(".attn.attention.bias") || name.ends_with(".attn.attention.masked_bias") {
        return None;
    }
    let is_bare = WITHOUT_PREFIX.iter().any(|start| name.starts_with(start));
    Some(if is_bare { format!("transformer.{name}") } else { name.into() })
}

/// Takes the head for the token embedding where a file has it alone, and drops it where it has both and they are equal.
/// Transformers would leave two that differ apart, whatever the config says of tying.
fn tie_head(weights: &mut Weights) -> Result<()> {
    let Some(head) = weights.tensors.remove(HEAD) else { return Ok(()) };
    let Some(wte) = weights.tensors.get(WTE) else {
        weights.tensors.insert(WTE.into(), head);
        return Ok(());
    };
    let [in_file, embedding] = [&head, wte].map(|tensor| tensor.to_kind(Kind::Float));
    if in_file.equal(&embedding) {
        return Ok(());
    }
    let how = match head.size() == wte.size() {
        true => format!("they differ by up to {}", (in_file - embedding).abs().max().double_value(&[])),
        false => format!("shape {:?} and {:?}", head.size(), wte.size()),
    };
    let reason = format!("{HEAD} is not {WTE} ({how}): only a head that is tied to the token embedding is supported");
    Err(Error::invalid(weights.path(), reason))
}
