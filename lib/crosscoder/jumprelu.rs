//! JumpReLU (Rajamanoharan et al. 2024): a latent keeps its pre-activation where that is above a threshold of its own.
//!
//! `f = pre · 1[pre > θ]` with θ = exp(t). The jump has no gradient to θ; the straight-through estimate puts a rectangle
//! of width ε (the bandwidth) around it: ∂f/∂θ = −(θ/ε) · 1[|pre − θ| < ε/2]. The parameter is t, so the chain rule
//! multiplies by θ once more; the published code leaves that factor out.

use tch::Tensor;

/// Values after the activation, zero at or below the threshold.
///
/// # Shapes
/// `pre_acts` [batch, latent], `thresholds` `[latent]` → [batch, latent]
pub fn jumprelu(pre_acts: &Tensor, thresholds: &Tensor) -> Tensor {
    pre_acts * pre_acts.gt_tensor(thresholds)
}

/// What the backward pass is to do where the formula leaves a choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backward {
    /// Width ε of the rectangle.
    pub bandwidth: f64,
    /// Whether ∂f/∂t carries the factor θ = ∂θ/∂t.
    pub chain_rule: bool,
    /// Whether the rectangle also passes (θ/ε) · 1[…] on to the pre-activation, a reading of Anthropic's text.
    pub to_input: bool,
}

impl Default for Backward {
    /// The published width, ε = 2, with the chain rule.
    fn default() -> Backward {
        Backward { bandwidth: 2.0, chain_rule: true, to_input: false }
    }
}

/// Gradients with respect to the pre-activations and to t = log θ (summed over the batch), from `upstream` = ∂L/∂f.
///
/// # Shapes
/// `pre_acts`, `upstream` [batch, latent], `thresholds` `[latent]` → [batch, latent], `[latent]`
pub fn backward(pre_acts: &Tensor, thresholds: &Tensor, upstream: &Tensor, cfg: Backward) -> (Tensor, Tensor) {
    let rect = (pre_acts - thresholds).abs().lt(cfg.bandwidth / 2.0);
    let window_grad = (upstream * &rect).sum_dim_intlist(0, false, upstream.kind());
    let slope = thresholds / cfg.bandwidth;
    let d_log_threshold = if cfg.chain_rule { -&slope * thresholds * window_grad } else { -&slope * window_grad };
    let passed = upstream * pre_acts.gt_tensor(thresholds);
    let d_pre_acts = if cfg.to_input { passed + upstream * rect * slope } else { passed };
    (d_pre_acts, d_log_threshold)
}
