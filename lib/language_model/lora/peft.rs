//! Adapters in the form of PEFT: a folder with `adapter_config.json` and `adapter_model.safetensors`.

use super::{Lora, LoraConfig};
use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind};

/// The files of a PEFT folder: config and tensors.
pub const PEFT_FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// What older versions of PEFT wrote.
const PICKLED_FILE: &str = "adapter_model.bin";

/// Writes a PEFT folder of adapters under PEFT's names ([`crate::language_model::gpt_neo::GptNeo::adapters`],
/// [`crate::language_model::finetune::Finetuned`]). `base` is the name or folder of the model that they belong to.
///
/// # Errors
/// The folder cannot be written to.
pub fn save_peft(dir: &Path, adapters: &Weights, cfg: &LoraConfig, base: &str) -> Result<()> {
    let alpha = if cfg.alpha.fract() == 0.0 { json!(cfg.alpha as i64) } else { json!(cfg.alpha) };
    let config = json!({
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": cfg.rank,
        "lora_alpha": alpha,
        "lora_dropout": cfg.dropout,
        "target_modules": cfg.targets,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
        "inference_mode": true,
    });
    write_whole(&dir.join(PEFT_FILES[0]), format!("{config:#}\n").as_bytes())?;
    let mut weights = Weights::new();
    weights.describe("format", "pt");
    adapters.tensors.iter().for_each(|(name, tensor)| weights.insert(name, tensor));
    weights.write(dir.join(PEFT_FILES[1]))
}

/// Config and tensors of a PEFT folder.
pub(crate) fn read_peft(dir: &Path, device: Device) -> Result<(LoraConfig, Weights)> {
    let cfg = read_peft_config(&dir.join(PEFT_FILES[0]))?;
    let (path, pickled) = (dir.join(PEFT_FILES[1]), dir.join(PICKLED_FILE));
    let held = if !path.exists() && pickled.exists() { pickled } else { path };
    Ok((cfg, Weights::read(held, device)?))
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
        targets: match config.target_modules {
            Targets::Listed(names) => names,
            Targets::Pattern(pattern) => vec![pattern],
        },
    })
}

#[derive(Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: i64,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    target_modules: Targets,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Targets {
    Listed(Vec<String>),
    Pattern(String),
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
        if !(1..=i64::from(u16::MAX)).contains(&self.r) {
            return refused("r", &self.r);
        }
        const VARIANTS: [&str; 16] = [
            "alora_invocation_tokens",
            "alpha_pattern",
            "arrow_config",
            "bias",
            "fan_in_fan_out",
            "kasa_config",
            "layer_replication",
            "lora_bias",
            "modules_to_save",
            "monteclora_config",
            "rank_pattern",
            "target_parameters",
            "use_bdlora",
            "use_dora",
            "use_qalora",
            "use_rslora",
        ];
        let is_plain = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::String(text) => text == "none",
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        // PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA take the first update out of the base weights.
        const HARMLESS_INIT: [&str; 3] = ["gaussian", "orthogonal", "eva"];
        if let Some(Value::String(init)) = self.rest.get("init_lora_weights")
            && !HARMLESS_INIT.contains(&init.as_str())
        {
            return refused("init_lora_weights", init);
        }
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
