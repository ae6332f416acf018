//! The backward pass of [`super::gradients`] at a cost that goes with the pairs that are active, not with all of them.
//!
//! Dense are the encoder's product and, where many pairs lie in JumpReLU's window, ⟨g, W_dec⟩. The rest runs over rows:
//! ```text
//! x̂_b       = b_dec + Σ_{i active} f W_dec,i
//! ∂L/∂W_dec,i = Σ_{b active} f g_b + ∂L/∂N · W_dec,i / ‖W_dec,i‖
//! ∂L/∂W_enc,i = Σ_{b active} (∂L/∂pre + p) x_b − p Σ_b x_b            p = (λ_p/B) N
//! ∂L/∂t_i     : Σ_{b in window} ⟨g_b, W_dec,i⟩ = ⟨Σ_{b in window} g_b, W_dec,i⟩
//! ```
//! The pre-activation term pulls on every pair below threshold alike, hence the sum over all tokens less the active ones.

use super::pairs::Pairs;
use super::rows::{d_log_threshold, set_hook_norms, set_norm_gradient};
use super::step::Room;
use super::{Crosscoder, LossConfig, Losses, Step};
use crate::memory::{floats, floats_mut};
use crate::parallel;
use crate::recipe::PreActTarget;
use crate::simd::{add_scaled, dot, scaled_error, set_scaled};
use tch::{Kind, Tensor};

/// Latents that one piece of work goes through.
const CHUNK: usize = 16;

/// Share of pairs in the window above which one dense product beats a sum for each pair.
const DENSE_WINDOW: f64 = 0.2;

/// Losses and gradients of a batch whose `pairs` are known; writes into `grads`, the tensors of an earlier step.
///
/// # Shapes
/// `x` [batch, hook · d_model], scaled, contiguous
pub(super) fn gradients(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    cfg: &LossConfig,
    room: &mut Room,
    grads: &mut [Tensor],
) -> Step {
    let (batch, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let recon_sum = reconstruction_gradient(crosscoder, x, thresholds, pairs, &mut room.g);
    let g = &room.g;
    let share = pairs.window_of_latent.len() as f64 / (batch * crosscoder.n_latents()) as f64;
    let upstream = (share > DENSE_WINDOW).then(|| crosscoder.w_dec.matmul(&g.tr())); // [latent, batch]
    let x_sum = x.sum_dim_intlist(0, false, Kind::Float);
    let batch_values = Batch {
        n_inputs: n_inputs as usize,
        d_model: crosscoder.d_model as usize,
        size: batch as usize,
        x: floats(x),
        x_sum: floats(&x_sum),
        g: floats(g),
        upstream: upstream.as_ref().map(floats),
        w_dec: floats(&crosscoder.w_dec),
        thresholds,
        pairs,
        cfg,
    };
    let sums = batch_values.all_latents(grads);
    grads[3].copy_(&g.sum_dim_intlist(0, false, Kind::Float));
    let per_row = 1.0 / batch as f64;
    let total = |of: fn(&LatentSums) -> f64| sums.iter().map(of).sum::<f64>() * per_row;
    let (recon, sparsity, pre_act) = (recon_sum * per_row, total(|s| s.sparsity), total(|s| s.pre_act));
    let losses = Losses::weighted(recon, sparsity, pre_act, cfg).tensor();
    let n_fired: Vec<i64> = sums.iter().map(|sums| sums.n_fired).collect();
    Step { losses, grads: grads.iter().map(Tensor::shallow_clone).collect(), n_fired: Tensor::from_slice(&n_fired) }
}

/// Sets g = 2 (x̂ − x) / B; returns Σ (x̂ − x)².
fn reconstruction_gradient(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    g: &mut Tensor,
) -> f64 {
    let (batch, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let (w_dec, b_dec) = (floats(&crosscoder.w_dec), floats(&crosscoder.b_dec));
    let mut squares = vec![0.0; batch as usize];
    let n = n_inputs as usize;
    let rows = floats_mut(g).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares).enumerate();
    parallel::for_each(rows, |(b, ((g, x), square))| {
        g.copy_from_slice(b_dec);
        for &(i, pre) in pairs.active_of_token.of(b) {
            let i = i as usize;
            add_scaled(g, latent(pre, thresholds[i]), &w_dec[i * n..][..n]);
        }
        *square = f64::from(scaled_error(g, x, 2.0 / batch as f32));
    });
    squares.iter().sum()
}

/// f, and 0 where the pre-activation lies on the threshold.
fn latent(pre: f32, threshold: f32) -> f32 {
    if pre > threshold { pre } else { pre * 0.0 }
}

/// A batch as a latent's row sees it.
struct Batch<'a> {
    n_inputs: usize,
    d_model: usize,
    size: usize,
    x: &'a [f32],
    x_sum: &'a [f32],
    g: &'a [f32],
    /// ⟨g, W_dec⟩ [latent, batch], where it was worth a dense product.
    upstream: Option<&'a [f32]>,
    w_dec: &'a [f32],
    thresholds: &'a [f32],
    pairs: &'a Pairs,
    cfg: &'a LossConfig,
}

/// A latent's share of losses and counts.
#[derive(Clone, Copy, Default)]
struct LatentSums {
    sparsity: f64,
    pre_act: f64,
    n_fired: i64,
}

/// Where the gradients of one latent go.
struct Grads<'a> {
    w_enc: &'a mut [f32],
    b_enc: &'a mut f32,
    w_dec: &'a mut [f32],
    log_threshold: &'a mut f32,
}

/// Room for one latent's intermediate values.
struct Scratch {
    hook_norms: Vec<f32>,
    g_sum: Vec<f32>,
    d_pre_acts: Vec<f32>,
}

impl Batch<'_> {
    fn all_latents(&self, grads: &mut [Tensor]) -> Vec<LatentSums> {
        let n = self.n_inputs;
        let mut sums = vec![LatentSums::default(); self.thresholds.len()];
        let [w_enc, b_enc, w_dec, _, log_threshold] = grads else { panic!("five parameters") };
        let weights = floats_mut(w_enc).chunks_mut(n * CHUNK).zip(floats_mut(w_dec).chunks_mut(n * CHUNK));
        let numbers = floats_mut(b_enc).chunks_mut(CHUNK).zip(floats_mut(log_threshold).chunks_mut(CHUNK));
        let chunks = weights.zip(numbers).zip(sums.chunks_mut(CHUNK)).enumerate();
        parallel::for_each(chunks, |(chunk, (((w_enc, w_dec), (b_enc, log_threshold)), sums))| {
            let mut scratch =
                Scratch { hook_norms: vec![0.0; n / self.d_model], g_sum: vec![0.0; n], d_pre_acts: Vec::new() };
            let weights = w_enc.chunks_exact_mut(n).zip(w_dec.chunks_exact_mut(n));
            let rows = weights.zip(b_enc.iter_mut().zip(log_threshold)).zip(sums).enumerate();
            for (row, (((w_enc, w_dec), (b_enc, log_threshold)), sums)) in rows {
                let grads = Grads { w_enc, b_enc, w_dec, log_threshold };
                *sums = self.one_latent(chunk * CHUNK + row, grads, &mut scratch);
            }
        });
        sums
    }

    fn one_latent(&self, i: usize, grads: Grads, scratch: &mut Scratch) -> LatentSums {
        let (n, threshold, cfg) = (self.n_inputs, self.thresholds[i], self.cfg);
        let w_dec = &self.w_dec[i * n..][..n];
        set_hook_norms(&mut scratch.hook_norms, w_dec, self.d_model);
        let dec_norm: f32 = scratch.hook_norms.iter().sum();
        let per_row = 1.0 / self.size as f32;
        let (tanh_scale, half_width) = (cfg.tanh_scale as f32, cfg.backward.bandwidth as f32 / 2.0);
        let pull = cfg.lambda_p as f32 * per_row * dec_norm;
        let steepest = cfg.lambda_s as f32 * per_row * tanh_scale;
        let on_latents = cfg.pre_act_target == PreActTarget::Latents;
        let active = self.pairs.active_of_latent.of(i);

        let n_in_window = self.pairs.window_of_latent.of(i).len() as f32;
        let pull_on_silent = if on_latents { pull } else { 0.0 };
        let mut through =
            self.window_upstream(i, w_dec, scratch) + n_in_window * (steepest * dec_norm - pull_on_silent);
        let mut sums = LatentSums::default();
        let (mut d_norm, mut d_b_enc, mut n_touching) = (0.0, 0.0, 0.0);
        scratch.d_pre_acts.clear();
        for &(b, pre) in active {
            let f = latent(pre, threshold);
            let squashed = (f * dec_norm * tanh_scale).tanh();
            let slope = (1.0 - squashed * squashed) * steepest;
            let fires = pre > threshold;
            let upstream =
                self.upstream(i, b as usize, w_dec) + slope * dec_norm - if fires { 0.0 } else { pull_on_silent };
            if pre - threshold < half_width {
                through += upstream;
            }
            let d_pre_act = if fires { upstream } else { 0.0 };
            scratch.d_pre_acts.push(d_pre_act);
            d_norm += f * slope;
            d_b_enc += d_pre_act;
            sums.sparsity += f64::from(squashed);
            sums.n_fired += i64::from(fires);
            n_touching += if fires { 0.0 } else { 1.0 };
        }

        let (n_below, gap_sum) = if on_latents {
            let n_silent = self.pairs.n_below[i] + n_touching;
            (n_silent, n_silent * threshold)
        } else {
            (self.pairs.n_below[i], self.pairs.gap_sums[i])
        };
        sums.pre_act = f64::from(gap_sum * dec_norm);
        d_norm += gap_sum * cfg.lambda_p as f32 * per_row;
        *grads.log_threshold = d_log_threshold(cfg, threshold, pull, n_below, through);
        let pull_on_pre = if on_latents { 0.0 } else { pull };
        *grads.b_enc = d_b_enc - pull_on_pre * n_below;

        set_norm_gradient(grads.w_dec, w_dec, &scratch.hook_norms, d_norm, self.d_model);
        set_scaled(grads.w_enc, -pull_on_pre, self.x_sum);
        for (&(b, pre), d_pre_act) in active.iter().zip(&scratch.d_pre_acts) {
            let b = b as usize;
            add_scaled(grads.w_dec, latent(pre, threshold), &self.g[b * n..][..n]);
            add_scaled(grads.w_enc, d_pre_act + pull_on_pre, &self.x[b * n..][..n]);
        }
        sums
    }

    /// ⟨g_b, W_dec,i⟩
    fn upstream(&self, i: usize, b: usize, w_dec: &[f32]) -> f32 {
        match self.upstream {
            Some(upstream) => upstream[i * self.size + b],
            None => dot(&self.g[b * self.n_inputs..][..self.n_inputs], w_dec),
        }
    }

    /// Σ ⟨g_b, W_dec,i⟩ over the tokens below threshold in the window.
    fn window_upstream(&self, i: usize, w_dec: &[f32], scratch: &mut Scratch) -> f32 {
        let window = self.pairs.window_of_latent.of(i);
        match self.upstream {
            Some(upstream) => window.iter().map(|b| upstream[i * self.size + *b as usize]).sum(),
            None if window.is_empty() => 0.0,
            None => {
                scratch.g_sum.fill(0.0);
                for b in window {
                    add_scaled(&mut scratch.g_sum, 1.0, &self.g[*b as usize * self.n_inputs..][..self.n_inputs]);
                }
                dot(&scratch.g_sum, w_dec)
            }
        }
    }
}
