//! `adapter_config.json`: which layers have adapters, of which rank and strength.

use crate::language_model::lora::LoraConfig;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The file as PEFT reads it. `base` is the name or folder of the model that the adapters belong to.
pub(super) fn to_json(cfg: &LoraConfig, base: &str) -> String {
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
    format!("{config:#}\n")
}

/// Reads `adapter_config.json` as PEFT writes it.
///
/// # Errors
/// The file is missing, no JSON, or asks for something else than plain LoRA: the setting is named.
pub fn read_config(path: &Path) -> Result<LoraConfig> {
    let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
    let config: ConfigFile = serde_json::from_str(&text).map_err(|e| Error::invalid(path, e.to_string()))?;
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
struct ConfigFile {
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

/// Settings that make the update something else than (α / r) · B A.
const VARIANTS: &str = "alora_invocation_tokens alpha_pattern arrow_config bias fan_in_fan_out kasa_config \
    layer_replication lora_bias modules_to_save monteclora_config rank_pattern target_parameters use_bdlora use_dora \
    use_qalora use_rslora";

/// Initial adapters that leave the base weights alone. PiSSA, OLoRA, CorDA, LoftQ and LoRA-GA take the first update out
/// of them.
const HARMLESS_INIT: [&str; 3] = ["gaussian", "orthogonal", "eva"];

impl ConfigFile {
    fn check(&self, path: &Path) -> Result<()> {
        let Some((name, value)) = self.unsupported() else { return Ok(()) };
        let reason = format!("{name} is {value}, only plain LoRA is supported (peft_type LORA, bias none)");
        Err(Error::invalid(path, reason))
    }

    /// A setting that is more than plain LoRA, and its value.
    fn unsupported(&self) -> Option<(&str, String)> {
        if self.peft_type != "LORA" {
            return Some(("peft_type", self.peft_type.clone()));
        }
        if !(1..=i64::from(u16::MAX)).contains(&self.r) {
            return Some(("r", self.r.to_string()));
        }
        if let Some(Value::String(init)) = self.rest.get("init_lora_weights")
            && !HARMLESS_INIT.contains(&init.as_str())
        {
            return Some(("init_lora_weights", init.clone()));
        }
        let is_variant = |name: &str| VARIANTS.split(' ').any(|variant| variant == name);
        let set = self.rest.iter().find(|(name, value)| is_variant(name) && !is_off(value));
        set.map(|(name, value)| (name.as_str(), value.to_string()))
    }
}

/// Whether a setting's value asks for nothing.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text == "none",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
