//! A crosscoder's way downhill: backward pass, clipping and Adam.

use super::step::{Encoded, Gradients};
use super::{Crosscoder, LossConfig, Step, gradients, sparse};
use crate::processor::memory::floats;
use crate::training::adam::{Adam, AdamConfig};
use tch::Tensor;

/// Takes steps. Where few pairs are active the gradients of the weights are not written to memory: at 3840 → 3072 that
/// takes longer than the arithmetic.
pub struct Optimiser {
    gradients: Gradients,
    /// Moments and steps taken.
    pub adam: Adam,
}

/// What a step came to.
pub struct Descent {
    /// As [`Step::losses`], before the step.
    pub losses: Tensor,
    /// Activations of the batch on which each latent fired, [latent].
    pub n_fired: Tensor,
    /// Norm of the gradients before clipping, a scalar on their device.
    pub grad_norm: Tensor,
}

impl Optimiser {
    /// Before the first step.
    pub fn new(crosscoder: &Crosscoder, cfg: AdamConfig) -> Optimiser {
        Optimiser { gradients: Gradients::default(), adam: Adam::new(&crosscoder.params(), cfg) }
    }

    /// Moves the parameters of `crosscoder` in place by one batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &mut Crosscoder, acts: &Tensor, cfg: &LossConfig, lr: f64) -> Descent {
        let _no_grad = tch::no_grad_guard();
        let Step { losses, grads, n_fired } = match self.gradients.encode(crosscoder, acts, cfg) {
            Some(Encoded { x, thresholds, pairs: Some(pairs), .. }) => {
                let room = self.gradients.room.as_mut().expect("encoded");
                return sparse::update(crosscoder, &x, floats(&thresholds), &pairs, cfg, room, &mut self.adam, lr);
            }
            Some(encoded) => self.gradients.backward(crosscoder, &encoded, cfg),
            None => gradients(crosscoder, acts, cfg),
        };
        let grad_norm = self.adam.step(&mut crosscoder.params(), &grads, lr);
        Descent { losses, n_fired, grad_norm }
    }
}

impl std::fmt::Debug for Optimiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Optimiser({:?})", self.adam)
    }
}
