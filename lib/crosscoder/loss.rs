//! A crosscoder's loss: three terms, each a mean over the batch (Anthropic, Circuits Update January 2025).
//!
//! L = reconstruction + λ_s · sparsity + λ_p · pre-activation
//!
//! Beside each term stand its derivatives, from which [`crate::crosscoder::gradients`] is put together.

use crate::crosscoder::Encoding;
use crate::crosscoder::jumprelu::Backward;
use crate::crosscoder::precision::Precision;
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

impl PreActTarget {
    pub(super) fn of(self, encoding: &Encoding) -> &Tensor {
        match self {
            PreActTarget::PreActs => &encoding.pre_acts,
            PreActTarget::Latents => &encoding.latents,
        }
    }
}

/// Weights and constants of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossConfig {
    /// Weight of the sparsity term.
    pub lambda_s: f64,
    /// Weight of the pre-activation term.
    pub lambda_p: f64,
    /// c in tanh(c f N).
    pub tanh_scale: f64,
    /// What the pre-activation term reads.
    pub pre_act_target: PreActTarget,
    /// JumpReLU's backward pass.
    pub backward: Backward,
    /// The precision of matrix products.
    pub products: Precision,
}

impl Default for LossConfig {
    /// The published constants, λ_s = 0.5, λ_p = 3e-6, c = 4, with a pre-activation term on the pre-activations.
    fn default() -> LossConfig {
        LossConfig {
            lambda_s: 0.5,
            lambda_p: 3e-6,
            tanh_scale: 4.0,
            pre_act_target: PreActTarget::PreActs,
            backward: Backward::default(),
            products: Precision::Float32,
        }
    }
}

/// The loss of one batch and its terms, unweighted.
#[derive(Debug, Clone, Copy)]
pub struct Losses {
    /// All together, weighted.
    pub total: f64,
    /// Reconstruction.
    pub recon: f64,
    /// Sparsity.
    pub sparsity: f64,
    /// Pre-activation.
    pub pre_act: f64,
}

impl Losses {
    /// The terms with their weighted sum.
    pub(super) fn weighted(recon: f64, sparsity: f64, pre_act: f64, cfg: &LossConfig) -> Losses {
        Losses { total: recon + cfg.lambda_s * sparsity + cfg.lambda_p * pre_act, recon, sparsity, pre_act }
    }

    /// What [`BatchGradients::losses`](crate::crosscoder::BatchGradients::losses) holds, or a sum of such tensors over
    /// steps.
    pub fn read(losses: &Tensor) -> Losses {
        let values = Vec::<f64>::try_from(losses).expect("four numbers");
        Losses { total: values[0], recon: values[1], sparsity: values[2], pre_act: values[3] }
    }

    /// The reverse of [`Losses::read`].
    pub(super) fn tensor(self) -> Tensor {
        Tensor::from_slice(&[self.total, self.recon, self.sparsity, self.pre_act])
    }
}

/// mean_b Σ (x − x̂)².
///
/// # Shapes
/// `acts`, `recon` [batch, …] → scalar
pub fn reconstruction(acts: &Tensor, recon: &Tensor) -> Tensor {
    batch_mean(&(acts - recon).square())
}

/// ∂ reconstruction / ∂x̂ = 2 (x̂ − x) / B.
pub(super) fn d_reconstruction(acts: &Tensor, recon: &Tensor) -> Tensor {
    (recon - acts) * (2.0 / acts.size()[0] as f64)
}

/// mean_b Σ_i tanh(c f_i N_i), with N the decoder norms.
///
/// # Shapes
/// `latents` [batch, latent], `dec_norms` `[latent]` → scalar
pub fn sparsity(latents: &Tensor, dec_norms: &Tensor, tanh_scale: f64) -> Tensor {
    batch_mean(&(latents * dec_norms * tanh_scale).tanh())
}

/// ∂ sparsity / ∂f = (c/B) N (1 − tanh²) and ∂ sparsity / ∂N = Σ_b (c/B) f (1 − tanh²).
///
/// # Shapes
/// → [batch, latent], [latent]
pub(super) fn d_sparsity(latents: &Tensor, dec_norms: &Tensor, tanh_scale: f64) -> (Tensor, Tensor) {
    let slope = 1.0 - (latents * dec_norms * tanh_scale).tanh().square();
    let slope = slope * (tanh_scale / latents.size()[0] as f64);
    (&slope * dec_norms, batch_sum(&(latents * slope)))
}

/// mean_b Σ_i relu(θ_i − z_i) N_i, with z the pre-activations (or, in the published code, the latents).
///
/// # Shapes
/// `target` [batch, latent], `thresholds`, `dec_norms` `[latent]` → scalar
pub fn pre_activation(target: &Tensor, thresholds: &Tensor, dec_norms: &Tensor) -> Tensor {
    batch_mean(&((thresholds - target).relu() * dec_norms))
}

/// The derivatives of [`pre_activation`], with below = 1[z < θ].
pub(super) struct PreActivationGradient {
    /// ∂/∂z = −(1/B) N below, [batch, latent].
    pub target: Tensor,
    /// ∂/∂θ = (1/B) N Σ_b below, [latent].
    pub thresholds: Tensor,
    /// ∂/∂N = (1/B) Σ_b relu(θ − z), [latent].
    pub dec_norms: Tensor,
}

pub(super) fn d_pre_activation(target: &Tensor, thresholds: &Tensor, dec_norms: &Tensor) -> PreActivationGradient {
    let per_row = 1.0 / target.size()[0] as f64;
    let of_target = -(target.lt_tensor(thresholds) * dec_norms) * per_row;
    PreActivationGradient {
        thresholds: -batch_sum(&of_target),
        target: of_target,
        dec_norms: batch_sum(&(thresholds - target).relu()) * per_row,
    }
}

fn batch_mean(terms: &Tensor) -> Tensor {
    terms.sum(terms.kind()) / terms.size()[0] as f64
}

fn batch_sum(terms: &Tensor) -> Tensor {
    terms.sum_dim_intlist(0, false, terms.kind())
}
