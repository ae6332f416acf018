//! The norms of one latent's row of the decoder, and what they pass back to it.

use crate::processor::simd::{dot, set_scaled};

/// L2 norm of a row at each hook point.
pub(super) fn set_hook_norms(norms: &mut [f32], row: &[f32]) {
    let d_model = row.len() / norms.len();
    for (norm, direction) in norms.iter_mut().zip(row.chunks_exact(d_model)) {
        *norm = dot(direction, direction).sqrt();
    }
}

/// Sets the decoder's gradient to ∂L/∂N · W_dec / ‖W_dec‖.
pub(super) fn set_norm_gradient(grad: &mut [f32], row: &[f32], hook_norms: &[f32], d_norm: f32) {
    let d_model = row.len() / hook_norms.len();
    let directions = grad.chunks_exact_mut(d_model).zip(row.chunks_exact(d_model));
    for ((grad, direction), norm) in directions.zip(hook_norms) {
        set_scaled(grad, if *norm > 0.0 { d_norm / norm } else { 0.0 }, direction);
    }
}
