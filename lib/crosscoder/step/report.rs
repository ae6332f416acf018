//! What a step leaves behind. All of it stays on the device, so that a training there need not wait for one step before
//! it asks for the next.

use tch::Tensor;

/// Losses and gradients of one batch.
pub struct BatchGradients {
    /// Whole loss, reconstruction, sparsity and pre-activation term, `[4]`:
    /// [`Losses::read`](crate::crosscoder::Losses::read) takes them from the device.
    pub losses: Tensor,
    /// ∂L/∂ each of W_enc, b_enc, W_dec, b_dec, t, in the order of
    /// [`Crosscoder::params`](crate::crosscoder::Crosscoder::params).
    pub grads: [Tensor; 5],
    /// Activations of the batch on which each latent fired, `[latent]`.
    pub n_fired: Tensor,
}

/// Losses of one batch, and the norm of the gradients along which the parameters were moved.
pub struct StepReport {
    /// As [`BatchGradients::losses`], before the step.
    pub losses: Tensor,
    /// Activations of the batch on which each latent fired, `[latent]`.
    pub n_fired: Tensor,
    /// Norm of the gradients before clipping, a scalar on their device.
    pub grad_norm: Tensor,
}

/// What a step adds up over latents: of a part of them, or of all.
#[derive(Clone, Copy)]
pub(super) struct PartSums {
    /// The sparsity term.
    pub sparsity: f64,
    /// The pre-activation term.
    pub pre_act: f64,
    /// Squares of all gradients but the decoder's bias', which is no latent's.
    pub squares: f64,
}
