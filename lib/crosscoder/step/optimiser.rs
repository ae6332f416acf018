//! A whole training step: backward pass, clipping and Adam.

use super::encode::{Encoded, encode};
use super::report::{BatchGradients, StepReport};
use super::workspace::Workspace;
use super::{dense, general, sparse};
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::LossConfig;
use crate::training::adam::{Adam, AdamConfig};
use tch::Tensor;

/// Takes steps, with the memory for what they compute on their way.
///
/// In the beginning half of the latents fire, and the backward pass is five dense products; at the end of a training one
/// in two hundred does, and all but the encoder's product run over the few pairs that are active. Both give the same
/// numbers up to rounding. In the second case the gradients of the weights are not even written to memory: at
/// 3840 → 3072 that takes longer than the arithmetic.
pub struct Optimiser {
    /// Moments and steps taken.
    pub adam: Adam,
    pub(super) workspace: Option<Workspace>,
    /// Memory of the dense way, and of steps that several processes take together.
    pub(super) grads: Option<[Tensor; 5]>,
    /// What `grads` are parts of, where several processes add them up.
    pub(super) flat: Option<Tensor>,
}

impl Optimiser {
    /// Before the first step.
    pub fn new(crosscoder: &Crosscoder, cfg: AdamConfig) -> Optimiser {
        Optimiser { adam: Adam::new(&crosscoder.params(), cfg), workspace: None, grads: None, flat: None }
    }

    /// Moves the parameters of `crosscoder` in place by one batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &mut Crosscoder, acts: &Tensor, cfg: &LossConfig, lr: f64) -> StepReport {
        let _no_grad = tch::no_grad_guard();
        let mut params = crosscoder.params();
        let BatchGradients { losses, grads, n_fired } =
            match encode(crosscoder, (acts, acts.size()[0]), cfg, &mut self.workspace) {
                Encoded::General => general::gradients(crosscoder, acts, cfg),
                Encoded::Dense(mut batch) => {
                    let memory = || params.each_ref().map(Tensor::empty_like);
                    let factors = dense::set_recon(&mut batch);
                    dense::gradients(batch, &factors, self.grads.get_or_insert_with(memory))
                }
                Encoded::Sparse(batch, pairs) => return sparse::update(batch, &pairs, &mut self.adam, lr),
            };
        let grad_norm = self.adam.step(&mut params, &grads, lr);
        StepReport { losses, n_fired, grad_norm }
    }
}

impl std::fmt::Debug for Optimiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Optimiser({:?})", self.adam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crosscoder::{PreActTarget, init};
    use crate::language_model::HookPoint;
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
            let fresh = init(77, &HookPoint::residual_stream(2), &acts, &scale, firing_frac);
            assert_same_bits_at_every_width(|| {
                let cfg = LossConfig { pre_act_target, ..LossConfig::default() };
                let (mut crosscoder, mut optimiser) = (fresh.copy(), Optimiser::new(&fresh, AdamConfig::default()));
                optimiser.step(&mut crosscoder, &acts, &cfg, 1e-2);
                crosscoder.params().iter().flat_map(floats).copied().collect()
            });
        }
    }
}
