//! Which pairs of token and latent stay active in training: those above thresholds that are learnt, or a set number.
//!
//! BatchTopK (Bussmann, Leask and Nanda 2024; for crosscoders Minder et al. 2025) keeps of a batch of B activations the k · B
//! pairs with the largest f · N, with N the decoder norm, and needs no sparsity loss. That is a JumpReLU with the
//! thresholds θ_i = τ / N_i, one τ for all latents, found anew for each batch; no gradient reaches τ. When the training is
//! over, τ is its mean over the last batches, so that a token's code no longer depends on its batch.
//!
//! With the final k from the first step on, the few latents that happen to be strong learn everything and nine in ten never
//! fire. So k falls from half of the latents, by a constant factor a step, over the first part of the training.

use super::together::{Batch, Together};
use crate::Result;
use crate::crosscoder::harvest::ActivationStream;
use crate::crosscoder::jumprelu::Backward;
use crate::crosscoder::{Crosscoder, LossConfig};
use tch::{Kind, Tensor};

/// Batches over which τ is averaged in the end.
const N_LAST: i64 = 50;

/// A rectangle so narrow that no pre-activation lies in it.
const NO_WINDOW: f64 = 1e-30;

/// Which pairs stay active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// Those above their latent's threshold, which is learnt.
    JumpRelu,
    /// The strongest, `k` an activation on average.
    BatchTopK {
        /// L0 in the end.
        k: i64,
        /// Steps after which it is reached.
        anneal_steps: i64,
    },
}

impl Activation {
    /// The loss, without the terms that this activation does not need.
    pub(super) fn loss(self, loss: LossConfig) -> LossConfig {
        match self {
            Activation::JumpRelu => loss,
            Activation::BatchTopK { .. } => {
                let backward = Backward { bandwidth: NO_WINDOW, ..loss.backward };
                LossConfig { lambda_s: 0.0, backward, ..loss }
            }
        }
    }

    /// Before a step: the thresholds of a batch.
    pub(super) fn set_thresholds(self, crosscoder: &mut Crosscoder, batch: &Batch, step: i64) -> Result<()> {
        if let Activation::BatchTopK { k, anneal_steps } = self {
            let _no_grad = tch::no_grad_guard();
            let left = 1.0 - (step as f64 / anneal_steps.max(1) as f64).min(1.0);
            let more = (batch.n_latents(crosscoder) as f64 / 2.0 / k as f64).max(1.0).powf(left);
            let tau = batch_threshold(crosscoder, batch, (k as f64 * more).round() as i64)?;
            set(crosscoder, &tau);
        }
        Ok(())
    }

    /// After the last step: the thresholds that stay.
    pub(super) fn settle(
        self,
        crosscoder: &mut Crosscoder,
        stream: &mut ActivationStream,
        n_steps: i64,
        together: Option<Together>,
    ) -> Result<()> {
        if let Activation::BatchTopK { k, .. } = self {
            let _no_grad = tch::no_grad_guard();
            let last = (n_steps - N_LAST).max(0)..n_steps;
            let tau = |step: i64| {
                let batch = Batch { acts: &stream.batch(step)?, n_acts: stream.batch_size(), together };
                batch_threshold(crosscoder, &batch, k)
            };
            let taus: Vec<Tensor> = last.map(tau).collect::<Result<_>>()?;
            if !taus.is_empty() {
                set(crosscoder, &Tensor::stack(&taus, 0).mean(Kind::Float));
            }
        }
        Ok(())
    }
}

/// τ: half-way between the last pair that is kept and the first that is not.
///
/// # Shapes
/// → scalar
fn batch_threshold(crosscoder: &Crosscoder, batch: &Batch, k: i64) -> Result<Tensor> {
    let weighted = (crosscoder.encode(batch.acts).pre_acts.relu() * crosscoder.dec_norms()).flatten(0, -1);
    let n_pairs = batch.n_acts * batch.n_latents(crosscoder);
    let n_kept = (k * batch.n_acts).clamp(1, n_pairs - 1);
    let strongest = strongest(&weighted, n_kept + 1, batch.together)?;
    Ok(strongest.narrow(0, n_kept - 1, 2).mean(Kind::Float))
}

/// The `n` largest values of all processes, falling. Each has its own, filled up to as many with what no pair is.
fn strongest(values: &Tensor, n: i64, together: Option<Together>) -> Result<Tensor> {
    let largest = |values: &Tensor| values.topk(n.min(values.size()[0]), 0, true, true).0;
    let own = largest(values);
    let Some(Together { group, .. }) = together else { return Ok(own) };
    let filled = Tensor::full([n], f64::NEG_INFINITY, (values.kind(), values.device()));
    filled.narrow(0, 0, own.size()[0]).copy_(&own);
    Ok(largest(&group.gather(&filled)?))
}

fn set(crosscoder: &mut Crosscoder, tau: &Tensor) {
    let thresholds = tau.clamp_min(f64::from(f32::MIN_POSITIVE)) / crosscoder.dec_norms().clamp_min(1e-12);
    crosscoder.log_threshold.copy_(&thresholds.log());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crosscoder::{Optimiser, tied};
    use crate::language_model::HookPoint;
    use crate::training::adam::AdamConfig;
    use tch::Device;

    fn acts(seed: i64) -> Tensor {
        let index = Tensor::arange(64 * 2 * 12, (Kind::Float, Device::Cpu)) + (seed * 7919) as f64;
        ((index * 12.9898).sin() * 43758.5453).frac().view([64, 2, 12])
    }

    #[test]
    fn as_many_pairs_fire_as_are_asked_for_and_training_lowers_the_loss() {
        let scale = Tensor::ones([2], (Kind::Float, Device::Cpu));
        let index = Tensor::arange(40 * 24, (Kind::Float, Device::Cpu));
        let w_dec = ((index * 78.233).sin() * 0.1).view([40, 24]);
        let hooks = HookPoint::residual_stream(1);
        let mut crosscoder = tied(&w_dec, &hooks, &acts(0), &scale, 0.5);
        let (top_k, mut optimiser) =
            (Activation::BatchTopK { k: 5, anneal_steps: 20 }, Optimiser::new(&crosscoder, AdamConfig::default()));
        let cfg = top_k.loss(LossConfig::default());
        let mut recon = Vec::new();
        for step in 0..60 {
            let batch = Batch { acts: &acts(step % 4), n_acts: 64, together: None };
            top_k.set_thresholds(&mut crosscoder, &batch, step).unwrap();
            let report = optimiser.step(&mut crosscoder, &acts(step % 4), &cfg, 1e-2);
            let l0 = report.n_fired.sum(Kind::Int64).int64_value(&[]) / 64;
            assert!(if step < 15 { l0 > 5 } else { l0 >= 5 } && (step < 20 || l0 == 5), "{l0} at step {step}");
            recon.push(report.losses.double_value(&[1]));
        }
        assert!(recon.iter().all(|loss| loss.is_finite()) && recon[59] < 0.7 * recon[0], "{recon:?}");
    }
}
