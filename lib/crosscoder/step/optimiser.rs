//! A whole training step: backward pass, clipping and Adam.

use super::backprop::{Backprop, backward};
use super::encode::{Encoded, encode};
use super::report::{BatchGradients, StepReport};
use super::sparse;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::LossConfig;
use crate::training::adam::{Adam, AdamConfig};
use tch::Tensor;

/// Takes steps. Where few pairs are active the gradients of the weights are not written to memory: at 3840 → 3072 that
/// takes longer than the arithmetic.
pub struct Optimiser {
    backprop: Backprop,
    /// Moments and steps taken.
    pub adam: Adam,
}

impl Optimiser {
    /// Before the first step.
    pub fn new(crosscoder: &Crosscoder, cfg: AdamConfig) -> Optimiser {
        Optimiser { backprop: Backprop::default(), adam: Adam::new(&crosscoder.params(), cfg) }
    }

    /// Moves the parameters of `crosscoder` in place by one batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &mut Crosscoder, acts: &Tensor, cfg: &LossConfig, lr: f64) -> StepReport {
        let _no_grad = tch::no_grad_guard();
        let encoded = match encode(crosscoder, acts, cfg, &mut self.backprop.workspace) {
            Encoded::Sparse(batch, pairs) => return sparse::update(batch, &pairs, &mut self.adam, lr),
            other => other,
        };
        let BatchGradients { losses, grads, n_fired } = backward(encoded, &mut self.backprop.grads);
        let grad_norm = self.adam.step(&mut crosscoder.params(), &grads, lr);
        StepReport { losses, n_fired, grad_norm }
    }
}

impl std::fmt::Debug for Optimiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Optimiser({:?})", self.adam)
    }
}
