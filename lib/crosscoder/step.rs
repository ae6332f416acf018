//! A crosscoder's training steps: the backward pass by the way that is fastest for the batch at hand.

use super::pairs::Pairs;
use super::{Crosscoder, LossConfig, Products, Step, dense, gradients, sparse};
use crate::memory::floats;
use crate::parallel;
use crate::simd::vectorised;
use std::sync::atomic::{AtomicUsize, Ordering};
use tch::{Device, Kind, Tensor};

/// Share of active pairs above which dense products are faster: 0.12 was measured at 3840 inputs, 0.2 at 640, batches of
/// 256.
const DENSE_ACTIVE: f64 = 0.15;

/// Forward and backward passes of one crosscoder, with the memory that its gradients are written to.
///
/// In the beginning half of the latents fire, and the pass is five dense products; at the end of a training one in two
/// hundred does, and all but the encoder's product run over the few pairs that are active. Both give the same numbers
/// up to rounding. Steps overwrite the gradients of the step before.
#[derive(Default)]
pub struct Gradients {
    grads: Vec<Tensor>,
    room: Option<Room>,
}

impl Gradients {
    /// Losses and gradients of a batch.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled
    pub fn step(&mut self, crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Step {
        let _no_grad = tch::no_grad_guard();
        let on_processor = acts.kind() == Kind::Float && acts.device() == Device::Cpu;
        let by_rows = on_processor && cfg.products == Products::Float32 && !cfg.backward.to_input;
        if !by_rows {
            return gradients(crosscoder, acts, cfg);
        }
        if self.grads.is_empty() {
            self.grads = crosscoder.params().iter().map(Tensor::empty_like).collect();
        }
        let x = acts.flatten(1, 2).contiguous();
        let room = match self.room.take() {
            Some(room) if room.g.size() == x.size() => self.room.insert(room),
            _ => self.room.insert(Room::new(crosscoder, &x)),
        };
        let _pre_acts = crosscoder.b_enc.addmm_out(&room.pre_acts, &x, &crosscoder.w_enc.tr());
        let thresholds = crosscoder.thresholds();
        let (pre_acts, thresholds) = (floats(&room.pre_acts), floats(&thresholds));
        if n_active(pre_acts, thresholds) as f64 > DENSE_ACTIVE * pre_acts.len() as f64 {
            return dense::gradients(crosscoder, &x, thresholds, cfg, room, &mut self.grads);
        }
        let pairs = Pairs::of(pre_acts, thresholds, cfg.backward.bandwidth as f32 / 2.0);
        sparse::gradients(crosscoder, &x, thresholds, &pairs, cfg, room, &mut self.grads)
    }
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
