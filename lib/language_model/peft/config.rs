//! `adapter_config.json`: which layers have adapters, of which rank and strength.

use super::pattern::Pattern;
use super::targets::{OTHER_MODULES, Targets};
use crate::files::read_text;
use crate::language_model::lora::LoraConfig;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

/// What `adapter_config.json` asks for.
#[derive(Debug, Clone)]
pub struct AdapterConfig {
    /// Rank, strength and dropout where no pattern says otherwise, and the names of the targets.
    pub lora: LoraConfig,
    use_rslora: bool,
    rank_pattern: Pattern<i64>,
    alpha_pattern: Pattern<f64>,
    targets: Targets,
    path: PathBuf,
}

impl AdapterConfig {
    /// Reads the file as PEFT writes it.
    ///
    /// # Errors
    /// The file is missing, no JSON, or asks for something else than plain LoRA: the setting is named.
    pub fn read(path: &Path) -> Result<AdapterConfig> {
        let text = read_text(path)?;
        let file: ConfigFile = serde_json::from_str(&text).map_err(|e| Error::invalid(path, e.to_string()))?;
        file.check(path)?;
        let targets = file.targets.names();
        Ok(AdapterConfig {
            lora: LoraConfig { rank: file.r, alpha: file.lora_alpha, dropout: file.lora_dropout, targets },
            use_rslora: file.use_rslora,
            rank_pattern: file.rank_pattern.unwrap_or_default(),
            alpha_pattern: file.alpha_pattern.unwrap_or_default(),
            targets: file.targets,
            path: path.into(),
        })
    }

    /// Rank of the adapter of a layer.
    pub fn rank(&self, layer: &str) -> i64 {
        self.rank_pattern.of(layer).unwrap_or(self.lora.rank)
    }

    /// What the update of a layer is multiplied by: α / r, or α / √r with `use_rslora`.
    pub fn scale(&self, layer: &str) -> f64 {
        let (rank, alpha) = (self.rank(layer) as f64, self.alpha_pattern.of(layer).unwrap_or(self.lora.alpha));
        alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Those of `layers` that have an adapter.
    ///
    /// # Errors
    /// None has, something else of the model has, or a setting is no regular expression.
    pub(super) fn select<'a>(&self, layers: impl Iterator<Item = &'a str>) -> Result<Vec<&'a str>> {
        let invalid = |reason| Error::invalid(&self.path, reason);
        let is_selected = |module, is_linear| self.targets.select(module, is_linear).map_err(invalid);
        for module in OTHER_MODULES {
            if is_selected(module, false)? {
                let reason = format!("target_modules has {module}, only linear layers of the blocks are supported");
                return Err(invalid(reason));
            }
        }
        let mut selected = Vec::new();
        for layer in layers {
            if is_selected(layer, true)? {
                selected.push(layer);
            }
        }
        match selected.is_empty() {
            true => Err(invalid(format!("target_modules {:?} names no layer of this model", self.lora.targets))),
            false => Ok(selected),
        }
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    peft_type: String,
    r: i64,
    lora_alpha: f64,
    #[serde(default)]
    lora_dropout: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    rank_pattern: Option<Pattern<i64>>,
    #[serde(default)]
    alpha_pattern: Option<Pattern<f64>>,
    #[serde(flatten)]
    targets: Targets,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// Settings that make the update something else than a multiple of B A.
const VARIANTS: &str = "alora_invocation_tokens arrow_config bias fan_in_fan_out kasa_config \
    layer_replication lora_bias modules_to_save monteclora_config target_parameters trainable_token_indices use_bdlora \
    use_dora use_qalora";

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
        let is_rank = |rank: &i64| (1..=i64::from(u16::MAX)).contains(rank);
        if !is_rank(&self.r) {
            return Some(("r", self.r.to_string()));
        }
        if let Some(rank) = self.rank_pattern.iter().flat_map(Pattern::numbers).find(|rank| !is_rank(rank)) {
            return Some(("rank_pattern", rank.to_string()));
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return Some(("lora_dropout", self.lora_dropout.to_string()));
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
