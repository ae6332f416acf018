//! The formula for one (token, latent) pair and for one latent, which dense and sparse steps share.
//!
//! With B activations in the batch, g = 2 (x̂ − x) / B, and z = pre or, as published, z = f:
//! ```text
//! f       = pre · 1[pre > θ]          gap = θ − z          below = 1[gap > 0]
//! squashed = tanh(c f N)              slope = 1 − squashed²
//!
//! ∂L/∂f   = ⟨g, W_dec⟩ + (λ_s/B) c N slope         (− (λ_p/B) N below, where z = f)
//! ∂L/∂pre = ∂L/∂f · 1[pre > θ]                      (− (λ_p/B) N below, where z = pre)
//! ∂L/∂N   = (λ_s/B) c Σ_b f slope + (λ_p/B) Σ_b relu(gap)
//! ∂L/∂t   = (λ_p/B) N θ Σ_b below − (θ/ε) θ Σ_{b in window} ∂L/∂f        window = 1[|pre − θ| < ε/2]
//! ```
//! JumpReLU's jump has no gradient to θ; the window stands in for it, and the second θ in ∂L/∂t is the chain rule's.

use crate::crosscoder::loss::{LossConfig, PreActTarget};

/// f; 0 at or below the threshold, and no number where the pre-activation is none.
#[inline(always)]
pub(super) fn latent(pre: f32, threshold: f32) -> f32 {
    if pre > threshold { pre } else { pre * 0.0 }
}

/// What the loss weighs each of B activations with.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// c
    pub tanh_scale: f32,
    /// (λ_s/B) c
    pub sparsity: f32,
    /// λ_p/B
    pub pre_act: f32,
    /// ε/2
    pub half_window: f32,
}

impl Weights {
    pub fn of(cfg: &LossConfig, batch: usize) -> Weights {
        let per_row = 1.0 / batch as f32;
        let tanh_scale = cfg.tanh_scale as f32;
        Weights {
            tanh_scale,
            sparsity: cfg.lambda_s as f32 * per_row * tanh_scale,
            pre_act: cfg.lambda_p as f32 * per_row,
            half_window: cfg.backward.bandwidth as f32 / 2.0,
        }
    }

    /// ∂L/∂N from (λ_s/B) c Σ_b f slope and Σ_b relu(gap).
    pub fn d_norm(&self, from_sparsity: f32, gap_sum: f32) -> f32 {
        from_sparsity + self.pre_act * gap_sum
    }
}

/// One latent on one token.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    target: PreActTarget,
    /// pre − θ
    margin: f32,
    pub fires: bool,
    pub latent: f32,
    pub gap: f32,
    pub squashed: f32,
    pub slope: f32,
}

impl Pair {
    /// `tanh_gain` is c N. The hyperbolic tangent is the caller's: loops over all pairs take one that vectorises.
    #[inline(always)]
    pub fn of(pre: f32, threshold: f32, tanh_gain: f32, target: PreActTarget, tanh: impl Fn(f32) -> f32) -> Pair {
        let latent = latent(pre, threshold);
        let gap = match target {
            PreActTarget::PreActs => threshold - pre,
            PreActTarget::Latents => threshold - latent,
        };
        let squashed = tanh(latent * tanh_gain);
        Pair {
            target,
            margin: pre - threshold,
            fires: pre > threshold,
            latent,
            gap,
            squashed,
            slope: 1.0 - squashed * squashed,
        }
    }

    #[inline(always)]
    pub fn is_below(&self) -> bool {
        self.gap > 0.0
    }

    #[inline(always)]
    pub fn is_in_window(&self, half_window: f32) -> bool {
        self.margin.abs() < half_window
    }

    /// relu(gap). What is no number stays none, and shows in the loss.
    #[inline(always)]
    pub fn relu_gap(&self) -> f32 {
        if self.gap < 0.0 { 0.0 } else { self.gap }
    }

    /// ∂L/∂f from what reconstruction and sparsity pass back, `pre_act_weight` being (λ_p/B) N.
    #[inline(always)]
    pub fn d_latent(&self, from_recon_and_sparsity: f32, pre_act_weight: f32) -> f32 {
        from_recon_and_sparsity - if self.target == PreActTarget::Latents { self.below(pre_act_weight) } else { 0.0 }
    }

    /// ∂L/∂pre.
    #[inline(always)]
    pub fn d_pre_act(&self, d_latent: f32, pre_act_weight: f32) -> f32 {
        let through_jumprelu = if self.fires { d_latent } else { 0.0 };
        through_jumprelu - if self.target == PreActTarget::PreActs { self.below(pre_act_weight) } else { 0.0 }
    }

    #[inline(always)]
    fn below(&self, pre_act_weight: f32) -> f32 {
        if self.is_below() { pre_act_weight } else { 0.0 }
    }
}

/// ∂L/∂t of a latent; `pre_act_weight` is (λ_p/B) N, `n_below` Σ_b below, `window_grad` Σ ∂L/∂f in the window.
pub(super) fn d_log_threshold(
    cfg: &LossConfig,
    threshold: f32,
    pre_act_weight: f32,
    n_below: f32,
    window_grad: f32,
) -> f32 {
    let chain = if cfg.backward.chain_rule { threshold } else { 1.0 };
    pre_act_weight * threshold * n_below - threshold / cfg.backward.bandwidth as f32 * chain * window_grad
}
