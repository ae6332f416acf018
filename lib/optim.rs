//! Adam with gradient clipping (Kingma & Ba 2015), in one pass over parameter, gradient and both moments.

use tch::{Device, Kind, Tensor};

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
    /// gradients before clipping.
    pub fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], lr: f64) -> f64 {
        assert_eq!(params.len(), self.exp_avg.len(), "the parameters that the state was made for");
        let norm = global_norm(grads);
        let clip = (self.cfg.clip_norm / (norm + 1e-6)).min(1.0);
        self.n_steps += 1;
        let update = self.update(clip, lr);
        for (i, (param, grad)) in params.iter_mut().zip(grads).enumerate() {
            let (m, v) = (&mut self.exp_avg[i], &mut self.exp_avg_sq[i]);
            tch::no_grad(|| match param.device() {
                Device::Cpu => update.fused(param, &grad.contiguous(), m, v),
                _ => update.by_tensors(param, grad, m, v),
            });
        }
        norm
    }

    fn update(&self, clip: f64, lr: f64) -> Update {
        let AdamConfig { beta1, beta2, eps, .. } = self.cfg;
        let correction1 = 1.0 - beta1.powi(self.n_steps as i32);
        let correction2 = 1.0 - beta2.powi(self.n_steps as i32);
        Update { beta1, beta2, eps, clip, step_size: lr / correction1, root_correction2: correction2.sqrt() }
    }
}

/// Root of the sum of squares of all gradients.
pub fn global_norm(grads: &[Tensor]) -> f64 {
    let squares: Vec<Tensor> = grads.iter().map(|grad| grad.norm()).collect();
    Tensor::stack(&squares, 0).norm().double_value(&[])
}

/// The numbers of one step.
#[derive(Clone, Copy)]
struct Update {
    beta1: f64,
    beta2: f64,
    eps: f64,
    clip: f64,
    step_size: f64,
    root_correction2: f64,
}

impl Update {
    fn fused(self, param: &mut Tensor, grad: &Tensor, exp_avg: &mut Tensor, exp_avg_sq: &mut Tensor) {
        let n_values = grad.numel();
        let (params, grads) = (floats_mut(param, n_values), floats(grad, n_values));
        let (ms, vs) = (floats_mut(exp_avg, n_values), floats_mut(exp_avg_sq, n_values));
        let n_threads = if n_values < 1 << 17 { 1 } else { tch::get_num_threads().max(1) as usize };
        let share = n_values.div_ceil(n_threads).max(1);
        std::thread::scope(|scope| {
            let chunks =
                params.chunks_mut(share).zip(grads.chunks(share)).zip(ms.chunks_mut(share).zip(vs.chunks_mut(share)));
            let mut chunks: Vec<_> = chunks.collect();
            let last = chunks.pop();
            for ((p, g), (m, v)) in chunks {
                scope.spawn(move || self.over(p, g, m, v));
            }
            if let Some(((p, g), (m, v))) = last {
                self.over(p, g, m, v);
            }
        });
    }

    fn over(self, params: &mut [f32], grads: &[f32], ms: &mut [f32], vs: &mut [f32]) {
        let (beta1, beta2, clip) = (self.beta1 as f32, self.beta2 as f32, self.clip as f32);
        let (rest1, rest2) = ((1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32);
        let (eps, step_size, scale) = (self.eps as f32, self.step_size as f32, 1.0 / self.root_correction2 as f32);
        for (((p, g), m), v) in params.iter_mut().zip(grads).zip(ms).zip(vs) {
            let g = clip * g;
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *p -= step_size * *m / (v.sqrt() * scale + eps);
        }
    }

    fn by_tensors(self, param: &mut Tensor, grad: &Tensor, exp_avg: &mut Tensor, exp_avg_sq: &mut Tensor) {
        let grad = grad * self.clip;
        let _ = exp_avg.lerp_(&grad, 1.0 - self.beta1);
        let _ = exp_avg_sq.g_mul_scalar_(self.beta2).addcmul_(&grad, &(&grad * (1.0 - self.beta2)));
        let denominator = exp_avg_sq.sqrt() / self.root_correction2 + self.eps;
        let _ = param.addcdiv_(&(&*exp_avg * -self.step_size), &denominator);
    }
}

fn floats(tensor: &Tensor, n_values: usize) -> &[f32] {
    check(tensor, n_values);
    // SAFETY: contiguous float32 on the processor with `n_values` elements (checked), alive as long as the borrow.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr() as *const f32, n_values) }
}

fn floats_mut(tensor: &mut Tensor, n_values: usize) -> &mut [f32] {
    check(tensor, n_values);
    // SAFETY: as above; the exclusive borrow keeps this handle from being used meanwhile.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr() as *mut f32, n_values) }
}

fn check(tensor: &Tensor, n_values: usize) {
    assert!(
        tensor.is_contiguous()
            && tensor.kind() == Kind::Float
            && tensor.device() == Device::Cpu
            && tensor.numel() == n_values
    );
}

impl std::fmt::Debug for Adam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Adam({} parameters, {} steps)", self.exp_avg.len(), self.n_steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_pass_equals_eight() {
        tch::manual_seed(0);
        let draw = || Tensor::randn([300, 500], (Kind::Float, Device::Cpu));
        let grad = draw();
        let (mut p, mut m, mut v) = (draw(), draw(), draw().square());
        let (mut q, mut n, mut w) = (p.copy(), m.copy(), v.copy());
        let update = Adam { n_steps: 7, ..Adam::new(&[], AdamConfig::default()) }.update(0.3, 1e-2);
        update.fused(&mut p, &grad, &mut m, &mut v);
        update.by_tensors(&mut q, &grad, &mut n, &mut w);
        for (a, b) in [(p, q), (m, n), (v, w)] {
            assert!((a - b).abs().max().double_value(&[]) < 1e-6);
        }
    }
}
