//! Crosscoders in the form of SAELens: a folder with `cfg.json` and `sae_weights.safetensors` that
//! `SAE.load_from_disk` opens as a JumpReLU SAE.
//!
//! To SAELens the activations of all hook points are one long vector, hook points one after the other. The weights are
//! folded, so it reads activations that are not scaled. What such an SAE does not say stands in the config's metadata:
//! hook points, d_model, scale, and the header of our own file.

use crate::crosscoder::Crosscoder;
use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::language_model::hook::HookPoint;
use crate::{Error, Result};
use serde::Deserialize;
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
/// The folder cannot be written to.
pub fn save(crosscoder: &Crosscoder, dir: &Path, about: &BTreeMap<String, String>) -> Result<()> {
    let folded = crosscoder.fold();
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

/// Reads a folder, and what its metadata say of it. Without a scale in the metadata the scale is 1; an SAE of SAELens'
/// own making has one hook point.
///
/// # Errors
/// A file is missing or damaged, the config asks for something that a crosscoder does not do, or a shape does not fit.
///
/// # Shapes
/// W_enc [hook · d_model, latent], W_dec [latent, hook · d_model]
pub fn load(dir: &Path, device: Device) -> Result<(Crosscoder, BTreeMap<String, String>)> {
    let path = dir.join(CONFIG_FILE);
    let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
    let config: Config = serde_json::from_str(&text).map_err(|e| Error::invalid(&path, e.to_string()))?;
    config.check(&path)?;
    let Metadata { hook_name, hooks, d_model, scale, about } = &config.metadata;
    let hooks = match (hooks, hook_name) {
        (Some(hooks), _) => hooks.clone(),
        (None, Some(hook)) => vec![*hook],
        (None, None) => return Err(Error::invalid(&path, "its metadata name no hook point (hook_name)")),
    };
    let n_hooks = hooks.len() as i64;
    let d_model = d_model.unwrap_or(config.d_in / n_hooks.max(1));
    if n_hooks * d_model != config.d_in {
        let reason = format!("d_in is {}, its metadata name {n_hooks} hook points of width {d_model}", config.d_in);
        return Err(Error::invalid(&path, reason));
    }
    let scale = scale.clone().unwrap_or(vec![1.0; hooks.len()]);
    if scale.len() != hooks.len() || scale.iter().any(|&factor| !(factor > 0.0 && factor.is_finite())) {
        let reason = format!("crosscoder_scale is {scale:?}, expected {n_hooks} positive numbers");
        return Err(Error::invalid(&path, reason));
    }
    let weights = Weights::read(dir.join(WEIGHTS_FILE), device)?;
    let folded = config.folded(&weights, hooks)?;
    let scale = Tensor::from_slice(&scale).to_kind(Kind::Float).to_device(device);
    Ok((folded.unfold(&scale), about.clone()))
}

#[derive(Deserialize)]
struct Config {
    architecture: String,
    d_in: i64,
    d_sae: i64,
    #[serde(default = "yes")]
    apply_b_dec_to_input: bool,
    normalize_activations: Option<String>,
    reshape_activations: Option<String>,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    hook_name: Option<HookPoint>,
    #[serde(rename = "crosscoder_hook_names")]
    hooks: Option<Vec<HookPoint>>,
    #[serde(rename = "crosscoder_d_model")]
    d_model: Option<i64>,
    #[serde(rename = "crosscoder_scale")]
    scale: Option<Vec<f64>>,
    #[serde(rename = "stagediff", default)]
    about: BTreeMap<String, String>,
}

/// SAELens takes `apply_b_dec_to_input` for true where it is left out.
fn yes() -> bool {
    true
}

impl Config {
    fn check(&self, path: &Path) -> Result<()> {
        let none = Some("none".to_string());
        let fields = [
            ("architecture", Some(&self.architecture), "jumprelu"),
            ("normalize_activations", self.normalize_activations.as_ref().or(none.as_ref()), "none"),
            ("reshape_activations", self.reshape_activations.as_ref().or(none.as_ref()), "none"),
        ];
        match fields.into_iter().find(|(_, value, known)| *value != Some(&known.to_string())) {
            Some((field, Some(value), known)) => {
                Err(Error::invalid(path, format!("{field} is {value:?}, only {known:?} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// The crosscoder of the file's weights, for activations that are not scaled.
    fn folded(&self, weights: &Weights, hooks: Vec<HookPoint>) -> Result<Crosscoder> {
        let (n_inputs, n_latents) = (self.d_in, self.d_sae);
        let get = |name: &str, shape: &[i64]| Ok::<_, Error>(weights.get(name, shape)?.to_kind(Kind::Float));
        let w_enc = get("W_enc", &[n_inputs, n_latents])?.tr().contiguous();
        let (b_enc, b_dec) = (get("b_enc", &[n_latents])?, get("b_dec", &[n_inputs])?);
        let threshold = get("threshold", &[n_latents])?;
        if bool::try_from(threshold.lt(0.0).any())? {
            return Err(Error::invalid(weights.path(), "has a negative threshold, expected θ = exp(t)"));
        }
        // (x − b_dec) · W_enc + b_enc, with b_dec's part moved into the bias
        let b_enc = if self.apply_b_dec_to_input { b_enc - w_enc.mv(&b_dec) } else { b_enc };
        let scale = Tensor::ones([hooks.len() as i64], (Kind::Float, w_enc.device()));
        Ok(Crosscoder {
            d_model: n_inputs / hooks.len() as i64,
            hooks,
            w_dec: get("W_dec", &[n_latents, n_inputs])?,
            log_threshold: threshold.log(),
            w_enc,
            b_enc,
            b_dec,
            scale,
        })
    }
}
