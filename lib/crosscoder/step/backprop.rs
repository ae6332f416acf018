//! Losses and gradients of a batch, by the way that is fastest for it.

use super::encode::{Encoded, encode};
use super::report::BatchGradients;
use super::workspace::Workspace;
use super::{dense, general, sparse};
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::LossConfig;
use tch::Tensor;

/// Forward and backward passes of one crosscoder, with the memory that its gradients are written to.
///
/// In the beginning half of the latents fire, and the pass is five dense products; at the end of a training one in two
/// hundred does, and all but the encoder's product run over the few pairs that are active. Both give the same numbers
/// up to rounding. Steps overwrite the gradients of the step before.
#[derive(Default)]
pub struct Backprop {
    pub(super) workspace: Option<Workspace>,
    /// In the order of [`Crosscoder::params`]; none before they are first needed.
    pub(super) grads: Option<[Tensor; 5]>,
}

impl Backprop {
    /// Losses and gradients of a batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn gradients(&mut self, crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> BatchGradients {
        let _no_grad = tch::no_grad_guard();
        backward(encode(crosscoder, acts, cfg, &mut self.workspace), &mut self.grads)
    }
}

/// The backward pass of an encoded batch, into the memory of `grads`.
pub(super) fn backward(encoded: Encoded, grads: &mut Option<[Tensor; 5]>) -> BatchGradients {
    match encoded {
        Encoded::General { crosscoder, acts, cfg } => general::gradients(crosscoder, acts, cfg),
        Encoded::Dense(batch) => {
            let grads = memory(grads, batch.crosscoder);
            dense::gradients(batch, grads)
        }
        Encoded::Sparse(batch, pairs) => {
            let grads = memory(grads, batch.crosscoder);
            sparse::gradients(batch, &pairs, grads)
        }
    }
}

fn memory<'a>(grads: &'a mut Option<[Tensor; 5]>, crosscoder: &Crosscoder) -> &'a mut [Tensor; 5] {
    grads.get_or_insert_with(|| crosscoder.params().map(|param| param.empty_like()))
}

impl std::fmt::Debug for Backprop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Backprop({})", if self.workspace.is_some() { "used" } else { "unused" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crosscoder::{PreActTarget, init};
    use crate::language_model::hook::HookPoint;
    use crate::processor::memory::floats;
    use crate::processor::simd::tests::{assert_same_bits_at_every_width, uneven};
    use tch::{Device, Kind};

    /// Dense and over active pairs, with either target of the pre-activation loss.
    #[test]
    fn every_width_takes_the_same_step() {
        let acts = Tensor::from_slice(&uneven(50 * 3 * 20)).view([50, 3, 20]).tanh();
        let scale = Tensor::ones([3], (Kind::Float, Device::Cpu));
        for (firing_frac, pre_act_target) in
            [0.05, 0.5].into_iter().flat_map(|frac| [(frac, PreActTarget::PreActs), (frac, PreActTarget::Latents)])
        {
            let crosscoder = init(77, &HookPoint::residual_stream(2), &acts, &scale, firing_frac);
            assert_same_bits_at_every_width(|| {
                let cfg = LossConfig { pre_act_target, ..LossConfig::default() };
                let step = Backprop::default().gradients(&crosscoder, &acts, &cfg);
                step.grads.iter().flat_map(floats).copied().collect()
            });
        }
    }
}
