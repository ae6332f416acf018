//! Low-rank adapters (Hu et al. 2021): y = W x + (α / r) · B (A x), with A and B trained and W frozen.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// The linear layers of a block, by their names in weights and adapters.
pub const LINEAR_LAYERS: [&str; 6] = ["q_proj", "k_proj", "v_proj", "out_proj", "c_fc", "c_proj"];

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
        LoraConfig { targets: LINEAR_LAYERS.map(String::from).to_vec(), ..LoraConfig::published() }
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
    /// generator: have it [`seeded`](crate::processor::generator::seeded) first.
    pub(crate) fn init(n_in: i64, n_out: i64, cfg: &LoraConfig, device: Device) -> Lora {
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

    /// Adds the update to the layer's output.
    ///
    /// # Shapes
    /// `ys` [token, out], `xs` [token, in] → [token, out]
    pub(crate) fn add_to(&self, mut ys: Tensor, xs: &Tensor, train: bool) -> Tensor {
        let xs = if train && self.dropout > 0.0 { xs.dropout(self.dropout, true) } else { xs.shallow_clone() };
        ys.addmm_(&xs.linear(&self.a, None::<Tensor>), &(&self.b * self.scale).tr())
    }

    /// The update as one matrix: (α / r) · B A.
    ///
    /// # Shapes
    /// → [out, in]
    pub(crate) fn delta(&self) -> Tensor {
        tch::no_grad(|| self.b.matmul(&self.a) * self.scale)
    }
}
