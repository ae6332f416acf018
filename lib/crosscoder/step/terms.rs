//! The formula for one (token, latent) pair and for one latent, which dense and sparse steps share.
//!
//! With B activations in the batch, g = 2 (x̂ − x) / B, and z = pre or, as published, z = f:
//! ```text
//! f        = pre · 1[pre > θ]         gap    = θ − z                  below  = 1[gap > 0]
//! squashed = tanh(c f N)              slope  = 1 − squashed²          window = 1[|pre − θ| < ε/2]
//!
//! ∂L/∂gap = (λ_p/B) N below
//! ∂L/∂f   = ⟨g, W_dec⟩ + (λ_s/B) c N slope         (− ∂L/∂gap, where z = f)
//! ∂L/∂pre = ∂L/∂f · 1[pre > θ]                     (− ∂L/∂gap, where z = pre)
//! ∂L/∂N   = (λ_s/B) c Σ_b f slope + (λ_p/B) Σ_b relu(gap)
//! ∂L/∂t   = θ Σ_b ∂L/∂gap − (θ/ε) θ Σ_b window ∂L/∂f
//! ```
//! JumpReLU's jump has no gradient to θ; the window stands in for it. The last θ is the chain rule's.

use crate::crosscoder::loss::{LossConfig, PreActTarget};

/// f; 0 at or below the threshold, and no number where the pre-activation is none.
#[inline(always)]
pub(super) fn latent(pre: f32, threshold: f32) -> f32 {
    if pre > threshold { pre } else { pre * 0.0 }
}

/// The loss's constants for each of B activations.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// (λ_s/B) c
    pub sparsity: f32,
    /// λ_p/B
    pub gap: f32,
    /// c
    pub tanh_scale: f32,
    /// ε
    pub bandwidth: f32,
    /// Whether ∂L/∂t carries the last θ.
    pub chain_rule: bool,
    pub target: PreActTarget,
}

/// What the pairs of one latent share.
#[derive(Clone, Copy)]
pub(super) struct Latent {
    pub threshold: f32,
    pub dec_norm: f32,
    pub weights: Weights,
}

/// One latent on one token.
pub(super) struct Pair {
    pub latent: f32,
    pub fires: bool,
    pub is_below: bool,
    pub is_in_window: bool,
    /// What is no number stays none, and shows in the loss.
    pub relu_gap: f32,
    pub squashed: f32,
    pub slope: f32,
    d_gap: f32,
    target: PreActTarget,
}

impl Weights {
    pub fn of(cfg: &LossConfig, batch: usize) -> Weights {
        let (per_row, tanh_scale) = (1.0 / batch as f32, cfg.tanh_scale as f32);
        Weights {
            sparsity: cfg.lambda_s as f32 * per_row * tanh_scale,
            gap: cfg.lambda_p as f32 * per_row,
            tanh_scale,
            bandwidth: cfg.backward.bandwidth as f32,
            chain_rule: cfg.backward.chain_rule,
            target: cfg.pre_act_target,
        }
    }

    /// ∂L/∂N from (λ_s/B) c Σ_b f slope and Σ_b relu(gap).
    pub fn d_norm(&self, from_sparsity: f32, gap_sum: f32) -> f32 {
        from_sparsity + self.gap * gap_sum
    }
}

impl Latent {
    /// ∂L/∂gap of a pair below threshold.
    #[inline(always)]
    pub fn d_gap(&self) -> f32 {
        self.weights.gap * self.dec_norm
    }

    /// The hyperbolic tangent is the caller's: loops over all pairs take one that vectorises.
    #[inline(always)]
    pub fn pair(&self, pre: f32, tanh: impl Fn(f32) -> f32) -> Pair {
        let Latent { threshold, weights, .. } = *self;
        let latent = latent(pre, threshold);
        let gap = threshold - if weights.target == PreActTarget::Latents { latent } else { pre };
        let squashed = tanh(latent * (weights.tanh_scale * self.dec_norm));
        Pair {
            latent,
            fires: pre > threshold,
            is_below: gap > 0.0,
            is_in_window: (pre - threshold).abs() < weights.bandwidth / 2.0,
            relu_gap: if gap < 0.0 { 0.0 } else { gap },
            squashed,
            slope: 1.0 - squashed * squashed,
            d_gap: if gap > 0.0 { self.d_gap() } else { 0.0 },
            target: weights.target,
        }
    }

    /// ∂L/∂t from Σ_b below and Σ_b window ∂L/∂f.
    pub fn d_log_threshold(&self, n_below: f32, window_grad: f32) -> f32 {
        let chain = if self.weights.chain_rule { self.threshold } else { 1.0 };
        self.d_gap() * self.threshold * n_below - self.threshold / self.weights.bandwidth * chain * window_grad
    }
}

impl Pair {
    /// ∂L/∂f from what reconstruction and sparsity pass back.
    #[inline(always)]
    pub fn d_latent(&self, from_recon_and_sparsity: f32) -> f32 {
        from_recon_and_sparsity - if self.target == PreActTarget::Latents { self.d_gap } else { 0.0 }
    }

    /// ∂L/∂pre.
    #[inline(always)]
    pub fn d_pre_act(&self, d_latent: f32) -> f32 {
        let from_latent = if self.fires { d_latent } else { 0.0 };
        from_latent - if self.target == PreActTarget::PreActs { self.d_gap } else { 0.0 }
    }
}
