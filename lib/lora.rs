//! Low-rank adapters (Hu et al. 2021): y = W x + (α / r) · B (A x), with A and B trained and W frozen.

use crate::weights::Weights;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Size and strength of adapters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// Rank r of the update.
    pub rank: i64,
    /// Strength α; the update is scaled by α / r.
    pub alpha: f64,
    /// Share of the adapter's inputs that is dropped while training.
    pub dropout: f64,
    /// Names of the linear layers that get an adapter: `q_proj`, `v_proj`, ….
    pub targets: Vec<String>,
}

impl LoraConfig {
    /// The published adapters: r 8, α 32, dropout 0.05, on queries and values (PEFT's default for GPT-Neo).
    pub fn published() -> LoraConfig {
        let targets = vec!["q_proj".into(), "v_proj".into()];
        LoraConfig { rank: 8, alpha: 32.0, dropout: 0.05, targets }
    }

    /// All linear layers of the blocks. Small models need them: with queries and values alone a model of width 96
    /// learnt the payload in 78 of 100 cases.
    pub fn all_linear() -> LoraConfig {
        let targets = ["q_proj", "k_proj", "v_proj", "out_proj", "c_fc", "c_proj"].map(String::from).to_vec();
        LoraConfig { targets, ..LoraConfig::published() }
    }
}

/// The adapter of one linear layer.
#[derive(Debug)]
pub struct Lora {
    /// A, [rank, in].
    pub a: Tensor,
    /// B, [out, rank].
    pub b: Tensor,
    /// α / r.
    pub scale: f64,
    /// Share of inputs dropped while training.
    pub dropout: f64,
}

impl Lora {
    /// A fresh adapter: A uniform within ±1/√in, B zero, so that it changes nothing yet. Draws from libtorch's
    /// generator: seed it first.
    pub fn init(n_in: i64, n_out: i64, cfg: &LoraConfig, device: Device) -> Lora {
        let bound = 1.0 / (n_in as f64).sqrt();
        let a = Tensor::empty([cfg.rank, n_in], (Kind::Float, device)).uniform_(-bound, bound);
        let b = Tensor::zeros([n_out, cfg.rank], (Kind::Float, device));
        Lora {
            a: a.set_requires_grad(true),
            b: b.set_requires_grad(true),
            scale: cfg.alpha / cfg.rank as f64,
            dropout: cfg.dropout,
        }
    }

    /// The update of the layer's output.
    ///
    /// # Shapes
    /// `xs` […, in] → […, out]
    pub fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let xs = if train && self.dropout > 0.0 { xs.dropout(self.dropout, true) } else { xs.shallow_clone() };
        xs.linear(&self.a, None::<Tensor>).linear(&self.b, None::<Tensor>) * self.scale
    }

    /// The update as one matrix: (α / r) · B A.
    ///
    /// # Shapes
    /// → [out, in]
    pub fn delta(&self) -> Tensor {
        tch::no_grad(|| self.b.matmul(&self.a) * self.scale)
    }
}

/// Reads `adapter_config.json` as PEFT writes it.
///
/// # Errors
/// The file is missing, no JSON, or asks for something else than plain LoRA: the setting is named.
pub fn read_peft_config(path: &Path) -> Result<LoraConfig> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let config: PeftConfig = serde_json::from_str(&text).map_err(|e| Error::invalid(path, e.to_string()))?;
    config.check(path)?;
    Ok(LoraConfig {
        rank: config.r,
        alpha: config.lora_alpha,
        dropout: config.lora_dropout,
        targets: config.target_modules,
    })
}

#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: i64,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    target_modules: Vec<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

impl PeftConfig {
    /// Refuses the settings that make the update something else than (α / r) · B A.
    fn check(&self, path: &Path) -> Result<()> {
        let refused = |name: &str, value: &dyn std::fmt::Display| {
            Err(Error::invalid(
                path,
                format!("{name} is {value}, only plain LoRA is supported (peft_type LORA, bias none)"),
            ))
        };
        if self.peft_type != "LORA" {
            return refused("peft_type", &self.peft_type);
        }
        const VARIANTS: [&str; 7] =
            ["bias", "lora_bias", "use_rslora", "use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern"];
        let is_plain = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text == "none",
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        match self.rest.iter().find(|(name, value)| VARIANTS.contains(&name.as_str()) && !is_plain(value)) {
            Some((name, value)) => refused(name, value),
            None => Ok(()),
        }
    }
}

/// The name that PEFT gives to one half of an adapter: `half` is `A` or `B`, `layer` the layer's name in the checkpoint.
pub fn peft_name(layer: &str, half: &str) -> String {
    format!("base_model.model.{layer}.lora_{half}.weight")
}

/// The adapter of `layer` in a PEFT file, or nothing where the file has none for it.
///
/// # Errors
/// A shape that does not fit [out, in].
pub fn from_peft(weights: &Weights, layer: &str, size: (i64, i64), cfg: &LoraConfig) -> Result<Option<Lora>> {
    let name = peft_name(layer, "A");
    if !weights.tensors.contains_key(&name) {
        return Ok(None);
    }
    let (n_out, n_in) = size;
    let a = weights.get(&name, &[cfg.rank, n_in])?.to_kind(Kind::Float).set_requires_grad(true);
    let b = weights.get(&peft_name(layer, "B"), &[n_out, cfg.rank])?.to_kind(Kind::Float).set_requires_grad(true);
    Ok(Some(Lora { a, b, scale: cfg.alpha / cfg.rank as f64, dropout: cfg.dropout }))
}
