//! Crosscoders in the layout of the published code's library, model-diffing (Clive-Griffin et al. 2025).
//!
//! Its state dict has a dimension for the models that one crosscoder reads at once, 1 here:
//! ```text
//! W_enc_XDH  [1, hook, d_model, latent]     b_enc_H   [latent]               absent: 0
//! W_dec_HXD  [latent, 1, hook, d_model]     b_dec_XD  [1, hook, d_model]     absent: 0
//! hidden_activation.log_threshold_H  [latent]
//! is_folded  []                             folded_scaling_factors_X         [1, hook]
//! ```
//! Letters behind the last underscore changed between versions, so they are not looked at. The present version, crosscode,
//! has two scales, `folded_scaling_factors_in_Xi` and `folded_scaling_factors_out_Xo`, which must be the same: one
//! crosscoder reads what it writes. A saved crosscoder is folded, and the scale lies beside it. Where it is not folded,
//! the scale is a placeholder that says nothing. The library's file says nothing of hook points, ours names them in its
//! header.

mod state_dict;

use crate::crosscoder::Crosscoder;
use crate::crosscoder::formats::hooks;
use crate::crosscoder::formats::tensors::check_finite;
use crate::files::Weights;
use crate::language_model::HookPoint;
use crate::{Error, Result};
use state_dict::StateDict;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes a state dict, folded as the library saves it, as safetensors; `about` goes into its header.
///
/// # Errors
/// The folder cannot be written to, or the scale makes a parameter infinite.
pub fn save(crosscoder: &Crosscoder, path: &Path, about: &BTreeMap<String, String>) -> Result<()> {
    let folded = crosscoder.fold();
    check_finite(&folded, path)?;
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
    weights.describe("hooks", hooks::to_line(&crosscoder.hooks));
    about.iter().for_each(|(key, value)| weights.describe(key, value));
    weights.write(path)
}

/// Reads a state dict, turned into safetensors or as PyTorch wrote it (`.pt`). Without `hooks` they are those of the
/// file's header, and if there are none the embedding and each block. A crosscoder that is not folded comes without its
/// scale: 1 is put in its place.
///
/// # Errors
/// The file is damaged, no JumpReLU crosscoder of one model, holds more than one, or has other hook points than `hooks`.
pub fn load(path: &Path, hooks: Option<&[HookPoint]>, device: Device) -> Result<Crosscoder> {
    let mut file = StateDict::read(path, device)?;
    let name = file.name("W_enc");
    let expected = "[1, hook, d_model, latent] of one model";
    let lengths = file.tensors.lengths(&name, expected)?;
    let [1, n_hooks, d_model, n_latents] = lengths else {
        return Err(Error::invalid(path, format!("{name} has shape {lengths:?}, expected {expected}")));
    };
    let own = file.tensors.file.metadata.get("hooks").map(|line| hooks::from_line(line, path)).transpose()?;
    let hooks = hooks::resolve(own, hooks, path)?
        .unwrap_or_else(|| HookPoint::residual_stream((n_hooks as usize).saturating_sub(1)));
    if n_hooks != hooks.len() as i64 {
        let reason = format!("has {n_hooks} hook points, {} were named", hooks.len());
        return Err(Error::invalid(path, reason));
    }
    let (n_inputs, scale) = (n_hooks * d_model, file.scale(n_hooks)?);
    let held = Crosscoder {
        hooks,
        d_model,
        w_enc: file.take("W_enc", &[1, n_hooks, d_model, n_latents])?.reshape([n_inputs, n_latents]).tr().contiguous(),
        b_enc: file.take_or_zero("b_enc", &[n_latents])?,
        w_dec: file.take("W_dec", &[n_latents, 1, n_hooks, d_model])?.reshape([n_latents, n_inputs]),
        b_dec: file.take_or_zero("b_dec", &[1, n_hooks, d_model])?.reshape([n_inputs]),
        log_threshold: file.tensors.take_log_threshold(&file.name("log_threshold"), n_latents)?,
        scale: Tensor::ones([n_hooks], (Kind::Float, device)),
    };
    file.tensors.nothing_left()?;
    match scale {
        Some(scale) => {
            let unfolded = held.unfold(&scale);
            check_finite(&unfolded, path)?;
            Ok(unfolded)
        }
        None => Ok(held),
    }
}
