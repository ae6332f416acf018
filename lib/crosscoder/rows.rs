//! What one latent's row of the decoder gives and takes in a backward pass, dense or sparse.

use super::LossConfig;
use crate::processor::simd::{dot, set_scaled};

/// L2 norm of a row at each hook point.
pub(super) fn set_hook_norms(norms: &mut [f32], row: &[f32], d_model: usize) {
    for (norm, direction) in norms.iter_mut().zip(row.chunks_exact(d_model)) {
        *norm = dot(direction, direction).sqrt();
    }
}

/// Sets the decoder's gradient to ∂L/∂N · W_dec / ‖W_dec‖.
pub(super) fn set_norm_gradient(grad: &mut [f32], row: &[f32], hook_norms: &[f32], d_norm: f32, d_model: usize) {
    let directions = grad.chunks_exact_mut(d_model).zip(row.chunks_exact(d_model));
    for ((grad, direction), norm) in directions.zip(hook_norms) {
        set_scaled(grad, if *norm > 0.0 { d_norm / norm } else { 0.0 }, direction);
    }
}

/// ∂L/∂t of a latent: `pull` (λ_p/B) N on the tokens below threshold, `through` Σ ∂L/∂f in the window.
pub(super) fn d_log_threshold(cfg: &LossConfig, threshold: f32, pull: f32, n_below: f32, through: f32) -> f32 {
    let chain = if cfg.backward.chain_rule { threshold } else { 1.0 };
    pull * threshold * n_below - threshold / cfg.backward.bandwidth as f32 * chain * through
}
