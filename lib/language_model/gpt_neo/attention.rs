//! Multi-head attention. GPT-Neo does not divide the scores by √d_head; queries, keys and values have no bias.

use super::config::{GptNeoConfig, Reach};
use crate::language_model::linear::Linear;
use crate::language_model::parameters::Source;
use tch::{Kind, Tensor};

/// Attention from each position to those before it, or to the last few of them.
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
pub(super) type Past = Option<(Tensor, Tensor)>;

impl Attention {
    pub(super) fn new<E>(
        source: &mut Source<E>,
        name: String,
        cfg: &GptNeoConfig,
        reach: Reach,
    ) -> Result<Attention, E> {
        let (size, name) = ([cfg.d_model, cfg.d_model], |part: &str| format!("{name}.{part}"));
        let (std, residual_std) = (GptNeoConfig::INIT_STD, cfg.residual_init_std());
        Ok(Attention {
            q_proj: Linear::new(source, name("q_proj"), size, std)?,
            k_proj: Linear::new(source, name("k_proj"), size, std)?,
            v_proj: Linear::new(source, name("v_proj"), size, std)?,
            out_proj: Linear::new(source, name("out_proj"), size, residual_std)?.with_bias(source)?,
            n_heads: cfg.n_heads,
            window: (reach == Reach::Local).then_some(cfg.window),
        })
    }

    /// Attends from positions to themselves and to those of `past`, which takes up theirs; before the output projection.
    ///
    /// # Shapes
    /// `xs` [batch, seq, d_model] → the same
    pub(super) fn mixture(&self, xs: &Tensor, past: &mut Past, train: bool) -> Tensor {
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
