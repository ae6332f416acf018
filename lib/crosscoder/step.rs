//! A crosscoder's training steps: the backward pass by the way that is fastest for the batch at hand.

use super::pairs::Pairs;
use super::{Crosscoder, Encoding, LossConfig, Step, gradients, sparse};
use crate::jumprelu::jumprelu;
use crate::memory::floats;
use tch::{Device, Kind, Tensor};

/// Share of active pairs above which dense products are faster.
const DENSE_ACTIVE: f64 = 0.15;

/// Forward and backward passes of one crosscoder, with the memory that its gradients are written to.
///
/// In the beginning half of the latents fire, and the pass is five dense products; at the end of a training one in two
/// hundred does, and all but the encoder's product run over the few pairs that are active. Both give the same numbers
/// up to rounding. Steps overwrite the gradients of the step before.
#[derive(Default)]
pub struct Gradients {
    grads: Vec<Tensor>,
}

impl Gradients {
    /// Losses and gradients of a batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Step {
        let _no_grad = tch::no_grad_guard();
        let can_be_sparse = acts.kind() == Kind::Float && acts.device() == Device::Cpu && !cfg.backward.to_input;
        if !can_be_sparse {
            return gradients(crosscoder, acts, cfg);
        }
        let x = acts.flatten(1, 2).contiguous();
        let pre_acts = x.linear(&crosscoder.w_enc, Some(&crosscoder.b_enc));
        let thresholds = crosscoder.thresholds();
        let pairs = Pairs::of(floats(&pre_acts), floats(&thresholds), cfg.backward.bandwidth as f32 / 2.0);
        if pairs.active_of_token.len() as f64 > DENSE_ACTIVE * pre_acts.numel() as f64 {
            let latents = jumprelu(&pre_acts, &thresholds);
            return gradients::of_encoding(crosscoder, acts, &Encoding { pre_acts, latents }, cfg);
        }
        if self.grads.is_empty() {
            self.grads = crosscoder.params().iter().map(Tensor::empty_like).collect();
        }
        sparse::gradients(crosscoder, &x, &pairs, cfg, &mut self.grads)
    }
}

impl std::fmt::Debug for Gradients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gradients({} tensors)", self.grads.len())
    }
}
