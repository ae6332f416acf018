//! The pass over all pairs: one number of each latent a column, tokens row by row.

use crate::crosscoder::loss::{LossConfig, PreActTarget};
use crate::crosscoder::step::terms::{Pair, Weights, d_log_threshold};
use crate::processor::simd::{tanh, vectorised};

/// What the pass needs of each latent.
pub struct LatentColumns<'a> {
    pub thresholds: &'a [f32],
    /// N
    dec_norms: Vec<f32>,
    /// c N
    tanh_gains: Vec<f32>,
    /// (λ_s/B) c N
    sparsity_weights: Vec<f32>,
    /// (λ_p/B) N
    pre_act_weights: Vec<f32>,
    weights: Weights,
    cfg: &'a LossConfig,
}

/// Sums over tokens, one a latent.
pub struct LatentSums {
    squashed: Vec<f32>,
    /// Σ relu(gap)
    gaps: Vec<f32>,
    n_below: Vec<f32>,
    pub n_fired: Vec<f32>,
    /// Σ f slope
    latent_slopes: Vec<f32>,
    /// Σ ∂L/∂pre
    pub d_b_enc: Vec<f32>,
    /// Σ ∂L/∂f in the window
    window_grads: Vec<f32>,
}

impl LatentSums {
    pub fn new(n_latents: usize) -> LatentSums {
        let zeros = || vec![0.0; n_latents];
        LatentSums {
            squashed: zeros(),
            gaps: zeros(),
            n_below: zeros(),
            n_fired: zeros(),
            latent_slopes: zeros(),
            d_b_enc: zeros(),
            window_grads: zeros(),
        }
    }

    fn all(&mut self) -> [&mut Vec<f32>; 7] {
        let LatentSums { squashed, gaps, n_below, n_fired, latent_slopes, d_b_enc, window_grads } = self;
        [squashed, gaps, n_below, n_fired, latent_slopes, d_b_enc, window_grads]
    }

    pub fn add(&mut self, mut more: LatentSums) {
        for (sums, more) in self.all().into_iter().zip(more.all()) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += *more);
        }
    }
}

impl<'a> LatentColumns<'a> {
    /// `hook_norms` [latent, hook]
    pub fn of(cfg: &'a LossConfig, batch: usize, thresholds: &'a [f32], hook_norms: &[f32]) -> LatentColumns<'a> {
        let n_hooks = hook_norms.len() / thresholds.len();
        let dec_norms: Vec<f32> = hook_norms.chunks(n_hooks).map(|norms| norms.iter().sum::<f32>()).collect();
        let weights = Weights::of(cfg, batch);
        let times = |factor: f32| dec_norms.iter().map(|norm| factor * norm).collect::<Vec<f32>>();
        LatentColumns {
            thresholds,
            tanh_gains: times(weights.tanh_scale),
            sparsity_weights: times(weights.sparsity),
            pre_act_weights: times(weights.pre_act),
            dec_norms,
            weights,
            cfg,
        }
    }

    /// ∂L/∂N
    pub fn d_norms(&self, sums: &LatentSums) -> Vec<f32> {
        let slopes_and_gaps = sums.latent_slopes.iter().zip(&sums.gaps);
        slopes_and_gaps.map(|(slope, gap)| self.weights.d_norm(self.weights.sparsity * slope, *gap)).collect()
    }

    /// ∂L/∂t
    pub fn d_log_thresholds(&self, sums: &LatentSums) -> Vec<f32> {
        let of = |i: usize| {
            let (threshold, weight) = (self.thresholds[i], self.pre_act_weights[i]);
            d_log_threshold(self.cfg, threshold, weight, sums.n_below[i], sums.window_grads[i])
        };
        (0..self.thresholds.len()).map(of).collect()
    }

    /// Sparsity and pre-activation term, summed over the batch.
    pub fn losses(&self, sums: &LatentSums) -> (f64, f64) {
        let gaps = sums.gaps.iter().zip(&self.dec_norms);
        (
            sums.squashed.iter().map(|&squashed| f64::from(squashed)).sum(),
            gaps.map(|(gap, norm)| f64::from(gap * norm)).sum(),
        )
    }
}

vectorised! {
    /// All latents on one token; turns ⟨g, W_dec⟩ into ∂L/∂pre.
    pub fn backward_of_token(columns: &LatentColumns, pre_acts: &[f32], upstream: &mut [f32], sums: &mut LatentSums) {
        match columns.cfg.pre_act_target {
            PreActTarget::PreActs => each_latent(PreActTarget::PreActs, columns, pre_acts, upstream, sums),
            PreActTarget::Latents => each_latent(PreActTarget::Latents, columns, pre_acts, upstream, sums),
        }
    }
}

/// Compiled for each target by itself.
#[inline(always)]
fn each_latent(
    target: PreActTarget,
    columns: &LatentColumns,
    pre_acts: &[f32],
    upstream: &mut [f32],
    sums: &mut LatentSums,
) {
    let n = pre_acts.len();
    let (upstream, thresholds, tanh_gains) = (&mut upstream[..n], &columns.thresholds[..n], &columns.tanh_gains[..n]);
    let (sparsity_weights, pre_act_weights) = (&columns.sparsity_weights[..n], &columns.pre_act_weights[..n]);
    let [squashed, gaps, n_below, n_fired, latent_slopes, d_b_enc, window_grads] =
        sums.all().map(|sums| &mut sums[..n]);
    for i in 0..n {
        let pair = Pair::of(pre_acts[i], thresholds[i], tanh_gains[i], target, tanh);
        let d_latent = pair.d_latent(upstream[i] + pair.slope * sparsity_weights[i], pre_act_weights[i]);
        let d_pre_act = pair.d_pre_act(d_latent, pre_act_weights[i]);
        upstream[i] = d_pre_act;
        squashed[i] += pair.squashed;
        gaps[i] += pair.relu_gap();
        n_below[i] += if pair.is_below() { 1.0 } else { 0.0 };
        n_fired[i] += if pair.fires { 1.0 } else { 0.0 };
        latent_slopes[i] += pair.latent * pair.slope;
        d_b_enc[i] += d_pre_act;
        window_grads[i] += if pair.is_in_window(columns.weights.half_window) { d_latent } else { 0.0 };
    }
}
