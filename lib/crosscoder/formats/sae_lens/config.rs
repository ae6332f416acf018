//! The config of a SAELens folder, in its present form and those of before 6.0.

use crate::language_model::HookPoint;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Kind, Tensor};

#[derive(Deserialize)]
pub(super) struct Config {
    architecture: Option<String>,
    pub d_in: i64,
    pub d_sae: i64,
    /// SAELens takes it for true where it is left out.
    #[serde(default = "yes")]
    pub apply_b_dec_to_input: bool,
    normalize_activations: Option<Normalization>,
    reshape_activations: Option<String>,
    /// Before 6.0, as are the names below.
    activation_fn: Option<String>,
    activation_fn_str: Option<String>,
    hook_name: Option<HookPoint>,
    hook_point: Option<HookPoint>,
    #[serde(default)]
    pub metadata: Metadata,
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    hook_name: Option<HookPoint>,
    #[serde(rename = "crosscoder_hook_names")]
    hooks: Option<Vec<HookPoint>>,
    #[serde(rename = "crosscoder_d_model")]
    d_model: Option<i64>,
    #[serde(rename = "crosscoder_scale")]
    scale: Option<Vec<f64>>,
    #[serde(rename = "stagediff", default)]
    pub about: BTreeMap<String, String>,
}

/// A name, or at first whether there is any.
#[derive(Deserialize)]
#[serde(untagged)]
enum Normalization {
    Named(String),
    Flag(bool),
}

fn yes() -> bool {
    true
}

impl Config {
    /// Reads and checks a config.
    ///
    /// # Errors
    /// It is missing or damaged, or asks for something that a crosscoder does not do.
    pub fn read(path: &Path) -> Result<Config> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let config: Config = serde_json::from_str(&text)
            .map_err(|e| Error::invalid(path, format!("no config of a SAELens SAE: {e}")))?;
        config.check(path)?;
        Ok(config)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let normalization = match &self.normalize_activations {
            Some(Normalization::Named(name)) => name,
            Some(Normalization::Flag(true)) => "expected_average_only_in",
            Some(Normalization::Flag(false)) | None => "none",
        };
        let fields: [(&str, &str, &[&str]); 5] = [
            ("architecture", self.architecture.as_deref().unwrap_or("standard"), &["jumprelu", "standard"]),
            ("activation_fn", self.activation_fn.as_deref().unwrap_or("relu"), &["relu"]),
            ("activation_fn_str", self.activation_fn_str.as_deref().unwrap_or("relu"), &["relu"]),
            ("normalize_activations", normalization, &["none"]),
            ("reshape_activations", self.reshape_activations.as_deref().unwrap_or("none"), &["none"]),
        ];
        if let Some((field, value, known)) = fields.into_iter().find(|(_, value, known)| !known.contains(value)) {
            let reason = format!("{field} is {value:?}, only {} is supported", known.join(" or "));
            return Err(Error::invalid(path, reason));
        }
        for (field, length) in [("d_in", self.d_in), ("d_sae", self.d_sae)] {
            if length < 1 {
                return Err(Error::invalid(path, format!("{field} is {length}, expected at least 1")));
            }
        }
        Ok(())
    }

    /// Whether latents have thresholds. A config of before the field `architecture` leaves it to the tensors.
    pub fn jumps(&self, has_threshold: bool) -> bool {
        self.architecture.as_ref().map_or(has_threshold, |name| name == "jumprelu")
    }

    /// The hook points that it names.
    pub fn hooks(&self) -> Option<Vec<HookPoint>> {
        let one = self.metadata.hook_name.or(self.hook_name).or(self.hook_point);
        self.metadata.hooks.clone().or_else(|| Some(vec![one?]))
    }

    /// Width of one hook point.
    ///
    /// # Errors
    /// So many hook points of that width are not d_in.
    pub fn d_model(&self, n_hooks: usize, path: &Path) -> Result<i64> {
        let d_model = self.metadata.d_model.unwrap_or(self.d_in / n_hooks as i64);
        if d_model > 0 && d_model.checked_mul(n_hooks as i64) == Some(self.d_in) {
            return Ok(d_model);
        }
        let reason = format!("d_in is {}, its metadata name {n_hooks} hook points of width {d_model}", self.d_in);
        Err(Error::invalid(path, reason))
    }

    /// The scale that was folded into the weights, 1 if it names none.
    ///
    /// # Errors
    /// It is not one positive float32 a hook point.
    pub fn scale(&self, n_hooks: usize, path: &Path) -> Result<Tensor> {
        let Some(scale) = &self.metadata.scale else {
            return Ok(Tensor::ones([n_hooks as i64], (Kind::Float, tch::Device::Cpu)));
        };
        let is_scale = |&factor: &f64| factor as f32 > 0.0 && (factor as f32).is_finite();
        if scale.len() != n_hooks || !scale.iter().all(is_scale) {
            let reason = format!("crosscoder_scale is {scale:?}, expected {n_hooks} positive numbers");
            return Err(Error::invalid(path, reason));
        }
        Ok(Tensor::from_slice(scale).to_kind(Kind::Float))
    }
}
