//! Crosscoders in the form of SAELens: a folder with `cfg.json` and `sae_weights.safetensors` that
//! `SAE.load_from_disk` opens as a JumpReLU SAE.
//!
//! To SAELens the activations of all hook points are one long vector, hook points one after the other. The weights are
//! folded, so it reads activations that are not scaled. What such an SAE does not say stands in the config's metadata:
//! hook points, d_model, scale, and the header of our own file.
//!
//! Folders of earlier versions are read too: with the hook point at the top of the config (before 6.0), or with no word
//! of the architecture, whose tensors then say what it is.

mod config;

use crate::crosscoder::Crosscoder;
use crate::crosscoder::formats::hooks;
use crate::crosscoder::formats::tensors::{Tensors, check_finite};
use crate::files::Weights;
use crate::files::write_whole;
use crate::language_model::HookPoint;
use crate::{Error, Result};
use config::Config;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

const CONFIG_FILE: &str = "cfg.json";
const WEIGHTS_FILE: &str = "sae_weights.safetensors";

/// The version of SAELens whose form this is. It takes a config that names none for one from before, and drops the
/// metadata.
const VERSION: &str = "6.0.0";

/// Writes a folder; `about` goes into the config's metadata.
///
/// # Errors
/// The folder cannot be written to, or the scale makes a parameter infinite.
pub fn save(crosscoder: &Crosscoder, dir: &Path, about: &BTreeMap<String, String>) -> Result<()> {
    let folded = crosscoder.fold();
    check_finite(&folded, dir)?;
    let mut weights = Weights::new();
    weights.insert("W_enc", &folded.w_enc.tr());
    weights.insert("b_enc", &folded.b_enc);
    weights.insert("W_dec", &folded.w_dec);
    weights.insert("b_dec", &folded.b_dec);
    weights.insert("threshold", &folded.thresholds());
    let config = json!({
        "architecture": "jumprelu",
        "d_in": folded.b_dec.size()[0],
        "d_sae": folded.n_latents(),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": false,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": VERSION,
            "hook_name": crosscoder.hooks[0],
            "crosscoder_hook_names": crosscoder.hooks,
            "crosscoder_d_model": crosscoder.d_model,
            "crosscoder_scale": Vec::<f64>::try_from(&crosscoder.scale)?,
            "stagediff": about,
        },
    });
    write_whole(&dir.join(CONFIG_FILE), format!("{config:#}\n").as_bytes())?;
    weights.write(dir.join(WEIGHTS_FILE))
}

/// Reads a folder, and what its metadata say of it: a JumpReLU SAE, or a ReLU SAE, which is one with thresholds of 0.
/// Without a scale in the metadata the scale is 1. An SAE of SAELens' own making has one hook point; where the folder
/// names none, `hooks` does.
///
/// # Errors
/// A file is missing or damaged, the config asks for something that a crosscoder does not do, a shape does not fit, a
/// tensor would be left over, or `hooks` are others than the folder's.
///
/// # Shapes
/// W_enc [hook · d_model, latent], W_dec [latent, hook · d_model]
pub fn load(dir: &Path, hooks: Option<&[HookPoint]>, device: Device) -> Result<(Crosscoder, BTreeMap<String, String>)> {
    let path = dir.join(CONFIG_FILE);
    let config = Config::read(&path)?;
    let hooks = hooks::resolve(config.hooks(), hooks, &path)?
        .ok_or_else(|| Error::invalid(&path, "names no hook point (hook_name): name it with --hooks"))?;
    let d_model = config.d_model(hooks.len(), &path)?;
    let scale = config.scale(hooks.len(), &path)?.to_device(device);
    let mut tensors = Tensors::read(&dir.join(WEIGHTS_FILE), device)?;
    let folded = folded(&config, &mut tensors, hooks, d_model)?;
    tensors.nothing_left()?;
    let unfolded = folded.unfold(&scale);
    check_finite(&unfolded, &path)?;
    Ok((unfolded, config.metadata.about))
}

/// The crosscoder of the folder's weights, for activations that are not scaled.
fn folded(config: &Config, tensors: &mut Tensors, hooks: Vec<HookPoint>, d_model: i64) -> Result<Crosscoder> {
    let (n_inputs, n_latents) = (config.d_in, config.d_sae);
    let w_enc = tensors.take("W_enc", &[n_inputs, n_latents])?.tr().contiguous();
    let b_dec = tensors.take("b_dec", &[n_inputs])?;
    let b_enc = tensors.take("b_enc", &[n_latents])?;
    pass_over_ones(tensors, n_latents)?;
    Ok(Crosscoder {
        // (x − b_dec) · W_enc + b_enc, with b_dec's part moved into the bias
        b_enc: if config.apply_b_dec_to_input { b_enc - w_enc.mv(&b_dec) } else { b_enc },
        w_dec: tensors.take("W_dec", &[n_latents, n_inputs])?,
        log_threshold: log_threshold(config, tensors, w_enc.device())?,
        scale: Tensor::ones([hooks.len() as i64], (Kind::Float, w_enc.device())),
        hooks,
        d_model,
        w_enc,
        b_dec,
    })
}

/// t = log θ. SAELens takes a threshold below 0 for 0, as a ReLU has it, and the least positive number lets the same
/// pass.
fn log_threshold(config: &Config, tensors: &mut Tensors, device: Device) -> Result<Tensor> {
    let thresholds = match config.jumps(tensors.has("threshold")) {
        true => tensors.take("threshold", &[config.d_sae])?,
        false => Tensor::zeros([config.d_sae], (Kind::Float, device)),
    };
    Ok(thresholds.clamp_min(f64::from(f32::MIN_POSITIVE)).log())
}

/// A factor of each latent, which SAELens leaves away where it is 1.
fn pass_over_ones(tensors: &mut Tensors, n_latents: i64) -> Result<()> {
    for name in ["scaling_factor", "finetuning_scaling_factor"] {
        if tensors.has(name) {
            let factors = tensors.take(name, &[n_latents])?;
            let is_one = (&factors - 1.0).abs().le(1e-5);
            tensors.require(
                name,
                &factors,
                &is_one,
                "1 (multiply the rows of W_dec by the factors, and remove them)",
            )?;
        }
    }
    Ok(())
}
