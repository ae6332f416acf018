//! A crosscoder's training steps, by the way that is fastest for the batch at hand.

use super::pairs::Pairs;
use super::{Crosscoder, LossConfig, Products, Step, dense, gradients, sparse};
use crate::processor::memory::floats;
use crate::processor::parallel;
use crate::processor::simd::vectorised;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// Share of active pairs above which dense products are faster. In float32 both ways cost by the activation: 0.12 was
/// measured at 3840 inputs, 0.2 at 640. In bfloat16 dense ones cost by the step, where a processor has units for them.
fn dense_share(products: Products, batch: i64) -> f64 {
    match products {
        Products::Float32 => 0.15,
        Products::Bf16 => 8.0 / batch as f64,
    }
}

/// Forward and backward passes of one crosscoder, with the memory that its gradients are written to.
///
/// In the beginning half of the latents fire, and the pass is five dense products; at the end of a training one in two
/// hundred does, and all but the encoder's product run over the few pairs that are active. Both give the same numbers
/// up to rounding. Steps overwrite the gradients of the step before.
#[derive(Default)]
pub struct Gradients {
    grads: Vec<Tensor>,
    pub(super) room: Option<Room>,
}

impl Gradients {
    /// Losses and gradients of a batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Step {
        let _no_grad = tch::no_grad_guard();
        match self.encode(crosscoder, acts, cfg) {
            Some(encoded) => self.backward(crosscoder, &encoded, cfg),
            None => gradients(crosscoder, acts, cfg),
        }
    }

    /// The backward pass of a batch that was just encoded.
    pub(super) fn backward(&mut self, crosscoder: &Crosscoder, encoded: &Encoded, cfg: &LossConfig) -> Step {
        let Encoded { x, x_factor, thresholds, pairs } = encoded;
        if self.grads.is_empty() {
            self.grads = crosscoder.params().iter().map(Tensor::empty_like).collect();
        }
        let (room, thresholds) = (self.room.as_mut().expect("encoded"), floats(thresholds));
        match pairs {
            None => dense::gradients(crosscoder, x, x_factor, thresholds, cfg, room, &mut self.grads),
            Some(pairs) => sparse::gradients(crosscoder, x, thresholds, pairs, cfg, room, &mut self.grads),
        }
    }

    /// Computes the room's pre-activations; nothing where only the general way will do.
    pub(super) fn encode(&mut self, crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Option<Encoded> {
        let on_processor = acts.kind() == Kind::Float && acts.device() == Device::Cpu;
        if !on_processor || cfg.backward.to_input {
            return None;
        }
        let x = acts.flatten(1, 2).contiguous();
        let room = match self.room.take() {
            Some(room) if room.g.size() == x.size() => self.room.insert(room),
            _ => self.room.insert(Room::new(crosscoder, &x)),
        };
        room.pre_acts.copy_(&crosscoder.b_enc);
        let (x_factor, w_enc) = (cfg.products.factor(&x), cfg.products.factor(&crosscoder.w_enc));
        cfg.products.add_product(&mut room.pre_acts, &x_factor, &w_enc.tr());
        let thresholds = crosscoder.thresholds();
        let (pre_acts, of_latents) = (floats(&room.pre_acts), floats(&thresholds));
        let is_dense =
            n_active(pre_acts, of_latents) as f64 > dense_share(cfg.products, x.size()[0]) * pre_acts.len() as f64;
        let pairs = (!is_dense).then(|| Pairs::of(pre_acts, of_latents, cfg.backward.bandwidth as f32 / 2.0));
        Some(Encoded { x, x_factor, thresholds, pairs })
    }
}

/// A batch whose pre-activations are in the room.
pub(super) struct Encoded {
    /// [batch, hook · d_model]
    pub x: Tensor,
    /// The same as a factor of products.
    pub x_factor: Tensor,
    /// [latent]
    pub thresholds: Tensor,
    /// The active ones, where they are few.
    pub pairs: Option<Pairs>,
}

/// Memory for what a step computes on its way, kept for the next step.
pub(super) struct Room {
    /// [batch, latent]
    pub pre_acts: Tensor,
    /// [batch, latent]
    pub latents: Tensor,
    /// ⟨g, W_dec⟩ [batch, latent]
    pub upstream: Tensor,
    /// x̂, then g = 2 (x̂ − x) / B, [batch, hook · d_model]
    pub g: Tensor,
}

impl Room {
    fn new(crosscoder: &Crosscoder, x: &Tensor) -> Room {
        let pairs = || Tensor::empty([x.size()[0], crosscoder.n_latents()], (Kind::Float, Device::Cpu));
        Room { pre_acts: pairs(), latents: pairs(), upstream: pairs(), g: x.empty_like() }
    }
}

/// How many pre-activations are at or above threshold.
fn n_active(pre_acts: &[f32], thresholds: &[f32]) -> usize {
    let sum = AtomicUsize::new(0);
    parallel::for_each(pre_acts.chunks_exact(thresholds.len()), |row| {
        sum.fetch_add(n_active_of_row(row, thresholds) as usize, Ordering::Relaxed);
    });
    sum.into_inner()
}

vectorised! {
    fn n_active_of_row(pre_acts: &[f32], thresholds: &[f32]) -> u32 {
        pre_acts.iter().zip(thresholds).map(|(pre, threshold)| u32::from(threshold - pre <= 0.0)).sum()
    }
}

impl std::fmt::Debug for Gradients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Gradients({} tensors)", self.grads.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crosscoder::init;
    use crate::crosscoder::loss::PreActTarget;
    use crate::experiment::recipe::Recipe;
    use crate::language_model::hook::HookPoint;
    use crate::processor::simd::tests::{assert_same_bits_at_every_width, uneven};

    /// Dense and over active pairs, with either target of the pre-activation loss.
    #[test]
    fn every_width_takes_the_same_step() {
        let acts = Tensor::from_slice(&uneven(50 * 3 * 20)).view([50, 3, 20]).tanh();
        let scale = Tensor::ones([3], (Kind::Float, Device::Cpu));
        let cfg = LossConfig::new(0.5, &Recipe::corrected());
        for (firing_frac, pre_act_target) in
            [0.05, 0.5].into_iter().flat_map(|frac| [(frac, PreActTarget::PreActs), (frac, PreActTarget::Latents)])
        {
            let crosscoder = init(77, &HookPoint::residual_stream(2), &acts, &scale, firing_frac);
            assert_same_bits_at_every_width(|| {
                let cfg = LossConfig { pre_act_target, ..cfg };
                let step = Gradients::default().step(&crosscoder, &acts, &cfg);
                step.grads.iter().flat_map(floats).copied().collect()
            });
        }
    }
}
