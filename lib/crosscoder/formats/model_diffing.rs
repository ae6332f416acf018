//! Crosscoders in the layout of the published code's library, model-diffing (Clive-Griffin et al. 2025).
//!
//! Its state dict has a dimension for the models that one crosscoder reads at once, 1 here:
//! ```text
//! W_enc_XDH  [1, hook, d_model, latent]     b_enc_H                          [latent]
//! W_dec_HXD  [latent, 1, hook, d_model]     b_dec_XD                         [1, hook, d_model]
//! hidden_activation.log_threshold_H  [latent]
//! is_folded  []                             folded_scaling_factors_X         [1, hook]
//! ```
//! Letters behind the last underscore changed between versions, so they are not looked at. A saved crosscoder is folded,
//! and the scale lies beside it. The library's file says nothing of hook points, ours names them in its header.

use crate::crosscoder::Crosscoder;
use crate::files::weights::Weights;
use crate::language_model::hook::HookPoint;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes a state dict, folded as the library saves it, as safetensors; `about` goes into its header.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(crosscoder: &Crosscoder, path: &Path, about: &BTreeMap<String, String>) -> Result<()> {
    let folded = crosscoder.fold();
    let (n_latents, n_hooks, d_model) = (folded.n_latents(), folded.hooks.len() as i64, folded.d_model);
    let mut weights = Weights::new();
    weights.insert("W_enc_XDH", &folded.w_enc.tr().reshape([1, n_hooks, d_model, n_latents]));
    weights.insert("W_dec_HXD", &folded.w_dec.reshape([n_latents, 1, n_hooks, d_model]));
    weights.insert("b_enc_H", &folded.b_enc);
    weights.insert("b_dec_XD", &folded.b_dec.reshape([1, n_hooks, d_model]));
    weights.insert("hidden_activation.log_threshold_H", &folded.log_threshold);
    weights.insert("is_folded", &Tensor::from(true));
    weights.insert("folded_scaling_factors_X", &crosscoder.scale.reshape([1, n_hooks]));
    weights.describe("format", "pt");
    weights.describe("hooks", crosscoder.hooks.iter().map(HookPoint::to_string).collect::<Vec<_>>().join(" "));
    about.iter().for_each(|(key, value)| weights.describe(key, value));
    weights.write(path)
}

/// Reads a state dict, turned into safetensors or as PyTorch wrote it (`.pt`). Without `hooks` they are those of the
/// file's header, and if there are none the embedding and each block. A crosscoder that is not folded comes without its
/// scale: 1 is put in its place.
///
/// # Errors
/// The file is damaged, no JumpReLU crosscoder of one model, or has another number of hook points than `hooks`.
pub fn load(path: &Path, hooks: Option<Vec<HookPoint>>, device: Device) -> Result<Crosscoder> {
    let file = Weights::read(path, device)?;
    let stems = BTreeMap::from_iter(file.tensors.keys().map(|name| (stem(name), name.as_str())));
    let name = |stem: &str| stems.get(stem).copied().unwrap_or(stem).to_string();
    if stems.contains_key("W_skip") {
        return Err(Error::invalid(path, "has a linear path beside the latents (W_skip), which is not supported"));
    }
    let shape = file.tensors.get(&name("W_enc")).map(Tensor::size).unwrap_or_default();
    let &[1, n_hooks, d_model, n_latents] = shape.as_slice() else {
        let reason = format!("W_enc has shape {shape:?}, expected [1, hook, d_model, latent]");
        return Err(Error::invalid(path, reason));
    };
    let hooks = match (hooks, file.metadata.get("hooks")) {
        (Some(hooks), _) => hooks,
        (None, Some(names)) => names.split(' ').map(str::parse).collect::<Result<_>>()?,
        (None, None) => HookPoint::residual_stream((n_hooks as usize).saturating_sub(1)),
    };
    if n_hooks != hooks.len() as i64 {
        let reason = format!("has {n_hooks} hook points, {} were named", hooks.len());
        return Err(Error::invalid(path, reason));
    }
    let get = |stem: &str, shape: &[i64]| Ok::<_, Error>(file.get(&name(stem), shape)?.to_kind(Kind::Float));
    let n_inputs = n_hooks * d_model;
    let held = Crosscoder {
        hooks,
        d_model,
        w_enc: get("W_enc", &shape)?.reshape([n_inputs, n_latents]).tr().contiguous(),
        b_enc: get("b_enc", &[n_latents])?,
        w_dec: get("W_dec", &[n_latents, 1, n_hooks, d_model])?.reshape([n_latents, n_inputs]),
        b_dec: get("b_dec", &[1, n_hooks, d_model])?.reshape([n_inputs]),
        log_threshold: get("log_threshold", &[n_latents])?,
        scale: Tensor::ones([n_hooks], (Kind::Float, device)),
    };
    let is_folded = file.tensors.contains_key("is_folded") && bool::try_from(file.get("is_folded", &[])?)?;
    if !is_folded {
        return Ok(held);
    }
    let scale = get("folded_scaling_factors", &[1, n_hooks])?.reshape([n_hooks]);
    if !bool::try_from(scale.gt(0.0).logical_and(&scale.isfinite()).all())? {
        return Err(Error::invalid(path, "folded_scaling_factors are not all positive"));
    }
    Ok(held.unfold(&scale))
}

/// A tensor's name without the module that it lies in and the letters of its dimensions.
fn stem(name: &str) -> String {
    let own = name.rsplit('.').next().unwrap_or(name).trim_start_matches('_');
    match own.rsplit_once('_') {
        Some((stem, dims)) if dims.starts_with(|c: char| c.is_ascii_uppercase()) => stem.into(),
        _ => own.into(),
    }
}
