//! A model's sizes as Hugging Face's `config.json` has them.

use super::config::{GptNeoConfig, Reach};
use crate::files::read_text;
use crate::files::weights::dtype_name;
use crate::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use tch::Kind;

/// A size beyond this is none of a model's, and what is computed from sizes stays within 64 bits.
const MAX_SIZE: i64 = i32::MAX as i64;

/// More blocks than any model has.
const MAX_LAYERS: usize = 1024;

impl GptNeoConfig {
    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file is missing or no JSON, or asks for something that is not implemented: the field is named.
    pub fn read(path: &Path) -> Result<GptNeoConfig> {
        let text = read_text(path)?;
        let file: ConfigFile = serde_json::from_str(&text).map_err(|e| Error::invalid(path, e.to_string()))?;
        file.check(path)?;
        let reach = file.reach(path)?;
        Ok(GptNeoConfig {
            n_vocab: file.vocab_size,
            n_positions: file.max_position_embeddings,
            d_model: file.hidden_size,
            n_heads: file.num_heads,
            d_mlp: file.intermediate_size.unwrap_or(4 * file.hidden_size),
            window: file.window_size,
            reach,
            layer_norm_eps: file.layer_norm_epsilon,
        })
    }

    /// `config.json` as transformers reads it, for weights of `kind`.
    ///
    /// The ids of special tokens are null: they are the tokenizer's and stand in `generation_config.json`. Left out they
    /// would default to those of GPT-2.
    pub(super) fn to_json(&self, kind: Kind) -> String {
        let types: Vec<Value> = self.reach.iter().map(|reach| json!([[reach], 1])).collect();
        let config = json!({
            "architectures": ["GPTNeoForCausalLM"],
            "model_type": "gpt_neo",
            "activation_function": "gelu_new",
            "attention_layers": self.reach,
            "attention_types": types,
            "vocab_size": self.n_vocab,
            "max_position_embeddings": self.n_positions,
            "hidden_size": self.d_model,
            "num_heads": self.n_heads,
            "num_layers": self.n_layers(),
            "intermediate_size": self.d_mlp,
            "window_size": self.window,
            "layer_norm_epsilon": self.layer_norm_eps,
            "attention_dropout": 0.0,
            "embed_dropout": 0.0,
            "resid_dropout": 0.0,
            "tie_word_embeddings": true,
            "torch_dtype": dtype_name(kind),
            "bos_token_id": null,
            "eos_token_id": null,
        });
        format!("{config:#}\n")
    }
}

#[derive(Deserialize)]
struct ConfigFile {
    model_type: String,
    activation_function: String,
    vocab_size: i64,
    max_position_embeddings: i64,
    hidden_size: i64,
    num_heads: i64,
    num_layers: usize,
    intermediate_size: Option<i64>,
    window_size: i64,
    layer_norm_epsilon: f64,
    attention_layers: Option<Vec<String>>,
    attention_types: Option<Vec<(Vec<String>, usize)>>,
    tie_word_embeddings: Option<bool>,
}

impl ConfigFile {
    fn check(&self, path: &Path) -> Result<()> {
        let unsupported = |field: &str, value: &str, known: &str| {
            Err(Error::invalid(path, format!("{field} is {value:?}, only {known:?} is supported")))
        };
        if self.model_type != "gpt_neo" {
            return unsupported("model_type", &self.model_type, "gpt_neo");
        }
        if self.activation_function != "gelu_new" {
            return unsupported("activation_function", &self.activation_function, "gelu_new");
        }
        if self.tie_word_embeddings == Some(false) {
            return Err(Error::invalid(path, "tie_word_embeddings is false, only a tied head is supported"));
        }
        self.check_sizes(path)
    }

    fn check_sizes(&self, path: &Path) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("hidden_size", self.hidden_size),
            ("num_heads", self.num_heads),
            ("intermediate_size", self.intermediate_size.unwrap_or(1)),
            ("window_size", self.window_size),
        ];
        if let Some((field, size)) = sizes.into_iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
            return Err(Error::invalid(path, format!("{field} is {size}, expected 1 to {MAX_SIZE}")));
        }
        if self.num_layers > MAX_LAYERS {
            let reason = format!("num_layers is {}, expected at most {MAX_LAYERS}", self.num_layers);
            return Err(Error::invalid(path, reason));
        }
        let eps = self.layer_norm_epsilon;
        if !(eps > 0.0 && eps <= 1.0) {
            return Err(Error::invalid(path, format!("layer_norm_epsilon is {eps}, expected above 0 and at most 1")));
        }
        if self.hidden_size % self.num_heads != 0 {
            let reason = format!("hidden_size {} is no multiple of num_heads {}", self.hidden_size, self.num_heads);
            return Err(Error::invalid(path, reason));
        }
        Ok(())
    }

    /// Checks that attention_types names as many blocks as there are, before its repetitions are written out.
    fn check_types(&self, path: &Path) -> Result<()> {
        let Some(types) = &self.attention_types else { return Ok(()) };
        let n_named =
            types.iter().try_fold(0usize, |sum, (names, times)| sum.checked_add(names.len().checked_mul(*times)?));
        if n_named == Some(self.num_layers) {
            return Ok(());
        }
        let n_named = n_named.map_or("too many".into(), |n| n.to_string());
        let reason = format!("attention_types names {n_named} attention layers, num_layers is {}", self.num_layers);
        Err(Error::invalid(path, reason))
    }

    fn reach(&self, path: &Path) -> Result<Vec<Reach>> {
        self.check_types(path)?;
        let layers = self.attention_layers.as_ref().map(|names| reach_of(names.iter(), path)).transpose()?;
        let repeated = |types: &Vec<(Vec<String>, usize)>| {
            let names = types.iter().flat_map(|(names, times)| std::iter::repeat_n(names, *times)).flatten();
            reach_of(names, path)
        };
        let reach = match (layers, self.attention_types.as_ref().map(repeated).transpose()?) {
            (Some(layers), Some(types)) if layers != types => {
                let reason = format!("attention_layers says {layers:?}, attention_types {types:?}");
                return Err(Error::invalid(path, reason));
            }
            (Some(reach), _) | (None, Some(reach)) => reach,
            (None, None) => return Err(Error::invalid(path, "has neither attention_layers nor attention_types")),
        };
        if reach.len() != self.num_layers {
            let reason = format!("names {} attention layers, num_layers is {}", reach.len(), self.num_layers);
            return Err(Error::invalid(path, reason));
        }
        Ok(reach)
    }
}

fn reach_of<'a>(names: impl Iterator<Item = &'a String>, path: &Path) -> Result<Vec<Reach>> {
    let reach = |name: &String| match name.as_str() {
        "global" => Ok(Reach::Global),
        "local" => Ok(Reach::Local),
        other => {
            let reason = format!("attention type {other:?}, only \"global\" and \"local\" are supported");
            Err(Error::invalid(path, reason))
        }
    };
    names.map(reach).collect()
}
