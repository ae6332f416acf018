//! Sizes of a GPT-Neo, in the form of Hugging Face's `config.json`.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::Kind;

/// How far back a block's attention sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// All earlier positions.
    Global,
    /// The last `window` positions, the current one included.
    Local,
}

/// Sizes of the model. Field names in brackets are those of `config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GptNeoConfig {
    /// Number of tokens in the vocabulary (`vocab_size`).
    pub n_vocab: i64,
    /// Longest sequence (`max_position_embeddings`).
    pub n_positions: i64,
    /// Width of the residual stream (`hidden_size`).
    pub d_model: i64,
    /// Attention heads a block (`num_heads`).
    pub n_heads: i64,
    /// Width of the MLP (`intermediate_size`, 4 × d_model if null).
    pub d_mlp: i64,
    /// Positions that a local block sees (`window_size`).
    pub window: i64,
    /// Reach of each block (`attention_layers`).
    pub reach: Vec<Reach>,
    /// ε of the layer norms (`layer_norm_epsilon`).
    pub layer_norm_eps: f64,
}

impl GptNeoConfig {
    /// The published model's: TinyStories-Instruct-33M.
    pub fn tinystories_33m() -> GptNeoConfig {
        GptNeoConfig { n_vocab: 50257, n_positions: 2048, ..GptNeoConfig::alternating(768, 16, 50257) }
    }

    /// Four blocks, global and local in turn, with 256 positions and a window of 256 as in the published model.
    pub fn alternating(d_model: i64, n_heads: i64, n_vocab: i64) -> GptNeoConfig {
        GptNeoConfig {
            n_vocab,
            n_positions: 256,
            d_model,
            n_heads,
            d_mlp: 4 * d_model,
            window: 256,
            reach: vec![Reach::Global, Reach::Local, Reach::Global, Reach::Local],
            layer_norm_eps: 1e-5,
        }
    }

    /// Standard deviation of fresh weights.
    pub(super) const INIT_STD: f64 = 0.02;

    /// Standard deviation of fresh weights that write to the residual stream: what many blocks add up stays as large.
    pub(super) fn residual_init_std(&self) -> f64 {
        GptNeoConfig::INIT_STD / (2.0 * self.n_layers() as f64).sqrt()
    }

    /// Number of blocks.
    pub fn n_layers(&self) -> usize {
        self.reach.len()
    }

    /// Reads `config.json`.
    ///
    /// # Errors
    /// The file is missing or no JSON, or asks for something that is not implemented: the field is named.
    pub fn read(path: &Path) -> Result<GptNeoConfig> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
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
    pub fn to_json(&self, kind: Kind) -> String {
        let names: Vec<&str> =
            self.reach.iter().map(|reach| if *reach == Reach::Global { "global" } else { "local" }).collect();
        let types: Vec<_> = names.iter().map(|name| serde_json::json!([[name], 1])).collect();
        let config = serde_json::json!({
            "architectures": ["GPTNeoForCausalLM"],
            "model_type": "gpt_neo",
            "activation_function": "gelu_new",
            "attention_layers": names,
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

/// PyTorch's name of a type of floats.
fn dtype_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Double => "float64",
        _ => "float32",
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
        if let Some((field, size)) = sizes.into_iter().find(|(_, size)| *size < 1) {
            return Err(Error::invalid(path, format!("{field} is {size}, expected at least 1")));
        }
        if self.hidden_size % self.num_heads != 0 {
            let reason = format!("hidden_size {} is no multiple of num_heads {}", self.hidden_size, self.num_heads);
            return Err(Error::invalid(path, reason));
        }
        Ok(())
    }

    fn reach(&self, path: &Path) -> Result<Vec<Reach>> {
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
