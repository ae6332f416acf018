//! Sizes of a GPT-Neo.

use serde::{Deserialize, Serialize};

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
}
