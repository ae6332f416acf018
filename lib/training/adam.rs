//! Adam with gradient clipping (Kingma & Ba 2015), in one pass over parameter, gradient and both moments.

use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::vectorised;
use tch::{Device, Kind, Tensor};

/// Values that one piece of work goes through.
const CHUNK: usize = 1 << 15;

/// Constants of the optimiser.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Largest norm of all gradients together; longer ones are scaled down to it.
    pub clip_norm: f64,
}

impl Default for AdamConfig {
    /// β 0.9 and 0.999, ε 1e-8, clip 1: the published constants for language model and crosscoder alike.
    fn default() -> AdamConfig {
        AdamConfig { beta1: 0.9, beta2: 0.999, eps: 1e-8, clip_norm: 1.0 }
    }
}

/// Adam's state for a list of parameters.
pub struct Adam {
    cfg: AdamConfig,
    /// Steps taken.
    pub n_steps: i64,
    /// First moments, one a parameter.
    pub exp_avg: Vec<Tensor>,
    /// Second moments, one a parameter.
    pub exp_avg_sq: Vec<Tensor>,
}

impl Adam {
    /// State for `params` before the first step.
    pub fn new(params: &[Tensor], cfg: AdamConfig) -> Adam {
        let zeros = || params.iter().map(Tensor::zeros_like).map(|moment| moment.detach()).collect();
        Adam { cfg, n_steps: 0, exp_avg: zeros(), exp_avg_sq: zeros() }
    }

    /// Clips the gradients together and moves each parameter (contiguous, float32) in place. Returns the norm of the
    /// gradients before clipping, a scalar on their device.
    pub fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], lr: f64) -> Tensor {
        self.step_of_norm(params, grads, global_norm(grads), lr)
    }

    /// The same, where `grads` are some of the gradients whose norm all together is `norm`.
    pub(crate) fn step_of_norm(&mut self, params: &mut [Tensor], grads: &[Tensor], norm: Tensor, lr: f64) -> Tensor {
        assert_eq!(params.len(), self.exp_avg.len(), "the parameters that the state was made for");
        let _no_grad = tch::no_grad_guard();
        let update = self.next(lr);
        let clip = match norm.device() {
            Device::Cpu => Clip::Here(self.clip(norm.double_value(&[]))),
            _ => Clip::There(((&norm + 1e-6).reciprocal() * self.cfg.clip_norm).clamp_max(1.0)),
        };
        let moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        for ((param, grad), (m, v)) in params.iter_mut().zip(grads).zip(moments) {
            match &clip {
                Clip::Here(clip) => update.fused(*clip, param, &grad.contiguous(), m, v),
                Clip::There(clip) => update.by_tensors(clip, param, grad, m, v),
            }
        }
        norm
    }

    /// Each of `params`, for which the state was made, with its moments.
    pub(crate) fn slots<'a, const N: usize>(&'a mut self, params: &'a mut [Tensor; N]) -> [Slot<'a>; N] {
        let mut moments = self.exp_avg.iter_mut().zip(&mut self.exp_avg_sq);
        params.each_mut().map(|param| {
            let (exp_avg, exp_avg_sq) = moments.next().expect("the parameters that the state was made for");
            Slot { param: floats_mut(param), exp_avg: floats_mut(exp_avg), exp_avg_sq: floats_mut(exp_avg_sq) }
        })
    }

    /// What gradients of this norm are multiplied by.
    pub(crate) fn clip(&self, norm: f64) -> f64 {
        (self.cfg.clip_norm / (norm + 1e-6)).min(1.0)
    }

    /// Counts a step; its numbers, for who goes through parameters and gradients by himself.
    pub(crate) fn next(&mut self, lr: f64) -> Update {
        self.n_steps += 1;
        let AdamConfig { beta1, beta2, eps, .. } = self.cfg;
        let correction1 = 1.0 - beta1.powi(self.n_steps as i32);
        let correction2 = 1.0 - beta2.powi(self.n_steps as i32);
        Update { beta1, beta2, eps, step_size: lr / correction1, root_correction2: correction2.sqrt() }
    }
}

/// Root of the sum of squares of all gradients, a scalar on their device.
///
/// Row by row: libtorch adds up a tensor's squares in its own precision, and over twelve million of them in float32 the
/// sum comes out a thousandth too small.
pub fn global_norm(grads: &[Tensor]) -> Tensor {
    let by_row = |grad: &Tensor| grad.norm_scalaropt_dim(2.0, [-1i64].as_slice(), false).to_kind(Kind::Double).norm();
    let norms: Vec<Tensor> = grads.iter().map(by_row).collect();
    Tensor::stack(&norms, 0).norm()
}

/// What gradients are multiplied by: a number, or a scalar on a GPU, which nothing then waits for.
enum Clip {
    Here(f64),
    There(Tensor),
}

/// A stretch of one parameter with its moments.
pub(crate) struct Slot<'a> {
    pub param: &'a mut [f32],
    exp_avg: &'a mut [f32],
    exp_avg_sq: &'a mut [f32],
}

impl<'a> Slot<'a> {
    /// Stretches of `n` values each, one after the other.
    pub fn chunks(self, n: usize) -> impl Iterator<Item = Slot<'a>> {
        let moments = self.exp_avg.chunks_mut(n).zip(self.exp_avg_sq.chunks_mut(n));
        let slot = |(param, (exp_avg, exp_avg_sq))| Slot { param, exp_avg, exp_avg_sq };
        self.param.chunks_mut(n).zip(moments).map(slot)
    }

    /// Moves the parameter along gradients that are multiplied by `clip`.
    pub fn apply(self, update: Update, clip: f32, grads: &[f32]) {
        over(update, clip, self.param, grads, self.exp_avg, self.exp_avg_sq);
    }
}

/// The numbers of one step.
#[derive(Clone, Copy)]
pub(crate) struct Update {
    beta1: f64,
    beta2: f64,
    eps: f64,
    step_size: f64,
    root_correction2: f64,
}

impl Update {
    fn fused(self, clip: f64, param: &mut Tensor, grad: &Tensor, exp_avg: &mut Tensor, exp_avg_sq: &mut Tensor) {
        let slot = Slot { param: floats_mut(param), exp_avg: floats_mut(exp_avg), exp_avg_sq: floats_mut(exp_avg_sq) };
        let chunks = slot.chunks(CHUNK).zip(floats(grad).chunks(CHUNK));
        parallel::for_each(chunks, |(slot, grads)| slot.apply(self, clip as f32, grads));
    }

    fn by_tensors(
        self,
        clip: &Tensor,
        param: &mut Tensor,
        grad: &Tensor,
        exp_avg: &mut Tensor,
        exp_avg_sq: &mut Tensor,
    ) {
        let grad = grad * clip;
        let _ = exp_avg.lerp_(&grad, 1.0 - self.beta1);
        let _ = exp_avg_sq.lerp_(&grad.square(), 1.0 - self.beta2);
        let denominator = exp_avg_sq.sqrt() + self.eps * self.root_correction2; // both sides times the correction
        let _ = param.addcdiv_(&(&*exp_avg * (-self.step_size * self.root_correction2)), &denominator);
    }
}

vectorised! {
    fn over(update: Update, clip: f32, params: &mut [f32], grads: &[f32], ms: &mut [f32], vs: &mut [f32]) {
        let (beta1, beta2) = (update.beta1 as f32, update.beta2 as f32);
        let (rest1, rest2) = ((1.0 - update.beta1) as f32, (1.0 - update.beta2) as f32);
        let (eps, step_size, scale) = (update.eps as f32, update.step_size as f32, 1.0 / update.root_correction2 as f32);
        for (((p, g), m), v) in params.iter_mut().zip(grads).zip(ms).zip(vs) {
            let g = clip * g;
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p -= step_size * *m / (v.sqrt() * scale + eps);
        }
    }
}

impl std::fmt::Debug for Adam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adam({} parameters, {} steps)", self.exp_avg.len(), self.n_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::generator::seeded;
    use crate::processor::simd::tests::{assert_same_bits_at_every_width, uneven};

    /// Each of 3072 rows is off by some share of its 3840 squares, up or down, and so is their sum by less.
    #[test]
    fn the_norm_of_many_gradients_is_right_to_six_digits() {
        let _generator = seeded(0);
        let grad = Tensor::randn([3072, 3840], (Kind::Float, Device::Cpu));
        let exact = grad.to_kind(Kind::Double).norm().double_value(&[]);
        let found = global_norm(&[grad, Tensor::zeros([7], (Kind::Float, Device::Cpu))]).double_value(&[]);
        assert!((found / exact - 1.0).abs() < 1e-6, "{found} {exact}");
    }

    /// The sixth step, in place: parameter and both moments.
    fn sixth() -> Update {
        Adam { n_steps: 5, ..Adam::new(&[], AdamConfig::default()) }.next(1e-2)
    }

    #[test]
    fn one_pass_and_several_come_to_what_float64_does() {
        let _generator = seeded(0);
        let clip = 0.25;
        let draw = || Tensor::randn([300, 500], (Kind::Float, Device::Cpu));
        let (grad, start) = (draw(), [draw(), draw(), draw().square()]);
        let copies = |kind: Kind| start.each_ref().map(|tensor| tensor.to_dtype(kind, false, true));
        let several = |kind: Kind| {
            let [mut p, mut m, mut v] = copies(kind);
            sixth().by_tensors(&Tensor::from(clip).to_kind(kind), &mut p, &grad.to_kind(kind), &mut m, &mut v);
            [p, m, v]
        };
        let [mut p, mut m, mut v] = copies(Kind::Float);
        sixth().fused(clip, &mut p, &grad, &mut m, &mut v);

        let (exact, few) = (several(Kind::Double), 6.0 * f64::from(f32::EPSILON) / 2.0);
        let [p_before, m_before, _] = copies(Kind::Double).map(|before| before.abs());
        let off_m = (m_before + grad.abs() * clip) * few; // what is added up may cancel
        let off_v = &exact[2] * few;
        let step = (&exact[0] - &start[0]).abs();
        let off_p = p_before * few + &step * (2.0 * few) + &step / exact[1].abs() * &off_m;
        for found in [[p, m, v], several(Kind::Float)] {
            for ((found, exact), bound) in found.iter().zip(&exact).zip([&off_p, &off_m, &off_v]) {
                let excess = ((found - exact).abs() - bound).max().double_value(&[]);
                assert!(excess <= 0.0, "beyond the bound by {excess:e}");
            }
        }
    }

    #[test]
    fn every_width_takes_the_same_step() {
        let n = 1001;
        let (grads, squares) = (uneven(n), uneven(n).iter().map(|value| value * value).collect::<Vec<f32>>());
        assert_same_bits_at_every_width(|| {
            let (mut params, mut ms, mut vs) = (uneven(n), uneven(n), squares.clone());
            let slot = Slot { param: &mut params, exp_avg: &mut ms, exp_avg_sq: &mut vs };
            slot.apply(sixth(), 0.25, &grads);
            [params, ms, vs].concat()
        });
    }
}
