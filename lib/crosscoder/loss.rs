//! The three terms of a crosscoder's loss, each a mean over the batch.
//!
//! L = reconstruction + λ_s · sparsity + λ_p · pre-activation (Anthropic, Circuits Update January 2025).

use serde::{Deserialize, Serialize};
use tch::Tensor;

/// What the pre-activation loss reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreActTarget {
    /// The pre-activations, so that a silent latent is pulled towards firing.
    PreActs,
    /// The latents, as the published code does: no gradient reaches a silent latent's encoder.
    Latents,
}

/// mean_b Σ (x − x̂)².
///
/// # Shapes
/// `acts`, `recon` [batch, …] → scalar
pub fn reconstruction(acts: &Tensor, recon: &Tensor) -> Tensor {
    (acts - recon).square().sum(acts.kind()) / acts.size()[0] as f64
}

/// mean_b Σ_i tanh(c f_i N_i), with N the decoder norms.
///
/// # Shapes
/// `latents` [batch, latent], `dec_norms` [latent] → scalar
pub fn sparsity(latents: &Tensor, dec_norms: &Tensor, tanh_scale: f64) -> Tensor {
    (latents * dec_norms * tanh_scale).tanh().sum(latents.kind()) / latents.size()[0] as f64
}

/// mean_b Σ_i relu(θ_i − z_i) N_i, with z the pre-activations (or, in the published code, the latents).
///
/// # Shapes
/// `target` [batch, latent], `thresholds`, `dec_norms` [latent] → scalar
pub fn pre_activation(target: &Tensor, thresholds: &Tensor, dec_norms: &Tensor) -> Tensor {
    ((thresholds - target).relu() * dec_norms).sum(target.kind()) / target.size()[0] as f64
}
