//! One block: attention and MLP, each behind a layer norm and added to the residual stream.

use super::config::{GptNeoConfig, Reach};
use crate::language_model::gelu::gelu_of_sum;
use crate::language_model::linear::Linear;
use tch::{Kind, Tensor};

/// Normalises each vector to mean 0 and (biased) variance 1, then scales and shifts it.
#[derive(Debug)]
pub struct LayerNorm {
    /// Scale, [d_model].
    pub weight: Tensor,
    /// Shift, [d_model].
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// # Shapes
    /// `xs` […, d_model] → the same
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        xs.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}

/// Multi-head attention. GPT-Neo does not divide the scores by √d_head; queries, keys and values have no bias.
#[derive(Debug)]
pub struct Attention {
    /// Queries.
    pub q_proj: Linear,
    /// Keys.
    pub k_proj: Linear,
    /// Values.
    pub v_proj: Linear,
    /// Output, with bias.
    pub out_proj: Linear,
    /// Number of heads.
    pub n_heads: i64,
    /// Positions seen, the current one included; `None` for all earlier ones.
    pub window: Option<i64>,
}

/// Keys and values of the positions before, [batch, head, position, d_head] each.
pub type Past = Option<(Tensor, Tensor)>;

impl Attention {
    /// Attends from positions to themselves and to those of `past`, which takes up theirs; before the output projection.
    ///
    /// # Shapes
    /// `xs` [batch, seq, d_model] → the same
    fn mixture(&self, xs: &Tensor, past: &mut Past, train: bool) -> Tensor {
        let (batch, seq, d_model) = xs.size3().expect("[batch, seq, d_model]");
        let heads = |ys: Tensor| ys.view([batch, seq, self.n_heads, -1]).transpose(1, 2); // [batch, head, seq, d_head]
        let q = heads(self.q_proj.forward(xs, train));
        let (mut k, mut v) = (heads(self.k_proj.forward(xs, train)), heads(self.v_proj.forward(xs, train)));
        if let Some((keys, values)) = past.take() {
            (k, v) = (Tensor::cat(&[keys, k], 2), Tensor::cat(&[values, v], 2));
        }
        let n_seen = k.size()[2];
        let window = self.window.filter(|&window| window < n_seen);
        let is_causal = window.is_none() && seq == n_seen;
        let mask = (!is_causal).then(|| visible(seq, n_seen, window.unwrap_or(n_seen), xs.device()));
        let attended = Tensor::scaled_dot_product_attention(&q, &k, &v, mask, 0.0, is_causal, 1.0, false);
        *past = Some((k, v));
        attended.transpose(1, 2).reshape([batch, seq, d_model])
    }
}

/// The last `seq` of `n_seen` positions; i sees j where 0 ≤ i − j < window.
fn visible(seq: i64, n_seen: i64, window: i64, device: tch::Device) -> Tensor {
    let (all, n_past) = (Tensor::ones([seq, n_seen], (Kind::Bool, device)), n_seen - seq);
    all.tril(n_past).logical_and(&all.triu(n_past + 1 - window))
}

/// The two-layer MLP with the tanh form of GELU (`gelu_new`).
#[derive(Debug)]
pub struct Mlp {
    /// To the hidden layer.
    pub c_fc: Linear,
    /// Back to the residual stream.
    pub c_proj: Linear,
}

impl Mlp {
    /// # Shapes
    /// `xs` [batch, seq, d_model] → the same
    pub fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let hidden = match (&self.c_fc.lora, &self.c_fc.bias) {
            (None, Some(bias)) => gelu_of_sum(xs.linear(&self.c_fc.weight, None::<Tensor>), bias),
            _ => self.c_fc.forward(xs, train).gelu("tanh"),
        };
        self.c_proj.forward(&hidden, train)
    }
}

/// Attention and MLP.
#[derive(Debug)]
pub struct Block {
    /// Before the attention.
    pub ln_1: LayerNorm,
    /// The attention.
    pub attn: Attention,
    /// Before the MLP.
    pub ln_2: LayerNorm,
    /// The MLP.
    pub mlp: Mlp,
}

impl Block {
    /// # Shapes
    /// `resid` [batch, seq, d_model] → the same
    pub fn forward(&self, resid: &Tensor, past: &mut Past, train: bool) -> Tensor {
        self.after_mixture(resid, &self.attn.mixture(&self.ln_1.forward(resid), past, train), train)
    }

    /// The output at some positions only, counted through the batch: what comes after attention's mixture is done for
    /// no other.
    ///
    /// # Shapes
    /// `resid` [batch, seq, d_model], `positions` [position] → [position, d_model]
    pub fn forward_at(&self, resid: &Tensor, positions: &Tensor, train: bool) -> Tensor {
        let mixture = self.attn.mixture(&self.ln_1.forward(resid), &mut None, train);
        let at = |all: &Tensor| all.flatten(0, 1).index_select(0, positions);
        self.after_mixture(&at(resid), &at(&mixture), train)
    }

    /// # Shapes
    /// `resid`, `mixture` […, d_model] → the same
    fn after_mixture(&self, resid: &Tensor, mixture: &Tensor, train: bool) -> Tensor {
        let resid = resid + self.attn.out_proj.forward(mixture, train);
        let update = self.mlp.forward(&self.ln_2.forward(&resid), train);
        resid + update
    }

    /// Builds block `index` from tensors by name, spelt as in the checkpoint.
    pub(super) fn from_tensors<E>(
        cfg: &GptNeoConfig,
        index: usize,
        mut get: impl FnMut(&str) -> Result<Tensor, E>,
    ) -> Result<Block, E> {
        let mut get = |name: &str| get(&format!("transformer.h.{index}.{name}"));
        let window = (cfg.reach[index] == Reach::Local).then_some(cfg.window);
        let eps = cfg.layer_norm_eps;
        Ok(Block {
            ln_1: LayerNorm { weight: get("ln_1.weight")?, bias: get("ln_1.bias")?, eps },
            attn: Attention {
                q_proj: Linear::new(get("attn.attention.q_proj.weight")?, None),
                k_proj: Linear::new(get("attn.attention.k_proj.weight")?, None),
                v_proj: Linear::new(get("attn.attention.v_proj.weight")?, None),
                out_proj: Linear::new(
                    get("attn.attention.out_proj.weight")?,
                    Some(get("attn.attention.out_proj.bias")?),
                ),
                n_heads: cfg.n_heads,
                window,
            },
            ln_2: LayerNorm { weight: get("ln_2.weight")?, bias: get("ln_2.bias")?, eps },
            mlp: Mlp {
                c_fc: Linear::new(get("mlp.c_fc.weight")?, Some(get("mlp.c_fc.bias")?)),
                c_proj: Linear::new(get("mlp.c_proj.weight")?, Some(get("mlp.c_proj.bias")?)),
            },
        })
    }

    /// The six linear layers with their names inside the block.
    pub fn linears(&self) -> [(&'static str, &Linear); 6] {
        let (attn, mlp) = (&self.attn, &self.mlp);
        [
            ("attn.attention.q_proj", &attn.q_proj),
            ("attn.attention.k_proj", &attn.k_proj),
            ("attn.attention.v_proj", &attn.v_proj),
            ("attn.attention.out_proj", &attn.out_proj),
            ("mlp.c_fc", &mlp.c_fc),
            ("mlp.c_proj", &mlp.c_proj),
        ]
    }

    /// The same, to change them.
    pub fn linears_mut(&mut self) -> [(&'static str, &mut Linear); 6] {
        let (attn, mlp) = (&mut self.attn, &mut self.mlp);
        [
            ("attn.attention.q_proj", &mut attn.q_proj),
            ("attn.attention.k_proj", &mut attn.k_proj),
            ("attn.attention.v_proj", &mut attn.v_proj),
            ("attn.attention.out_proj", &mut attn.out_proj),
            ("mlp.c_fc", &mut mlp.c_fc),
            ("mlp.c_proj", &mut mlp.c_proj),
        ]
    }
}
