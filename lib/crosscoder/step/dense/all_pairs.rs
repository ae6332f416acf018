//! The pass over all pairs, tokens row by row.

use crate::crosscoder::loss::PreActTarget;
use crate::crosscoder::step::terms::{Latent, Weights};
use crate::crosscoder::step::workspace::Workspace;
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::{tanh, vectorised};

/// Tokens that one piece of work goes through; fixed, so that sums do not depend on the number of threads.
pub const TOKENS: usize = 32;

/// All latents: one number of each a column.
pub struct Latents<'a> {
    pub thresholds: &'a [f32],
    pub dec_norms: &'a [f32],
    pub weights: Weights,
}

/// Sums over tokens, one a latent: squashed, relu(gap), below, fires, f slope, ∂L/∂pre, and ∂L/∂f in the window.
pub struct LatentSums {
    n_latents: usize,
    sums: Vec<f32>,
}

impl LatentSums {
    fn new(n_latents: usize) -> LatentSums {
        LatentSums { n_latents, sums: vec![0.0; 7 * n_latents] }
    }

    pub fn columns(&self) -> [&[f32]; 7] {
        std::array::from_fn(|column| &self.sums[column * self.n_latents..][..self.n_latents])
    }
}

impl Latents<'_> {
    #[inline(always)]
    pub fn of(&self, i: usize) -> Latent {
        Latent { threshold: self.thresholds[i], dec_norm: self.dec_norms[i], weights: self.weights }
    }

    /// Turns the workspace's ⟨g, W_dec⟩ into ∂L/∂pre, and sums up.
    pub fn backward(&self, workspace: &mut Workspace) -> LatentSums {
        let n = self.thresholds.len();
        let pre_acts = floats(&workspace.pre_acts).chunks(n * TOKENS);
        let mut pieces: Vec<LatentSums> = pre_acts.clone().map(|_| LatentSums::new(n)).collect();
        let rows = pre_acts.zip(floats_mut(&mut workspace.upstream).chunks_mut(n * TOKENS));
        parallel::for_each(rows.zip(&mut pieces), |((pre_acts, upstream), sums)| {
            for (pre_acts, upstream) in pre_acts.chunks_exact(n).zip(upstream.chunks_exact_mut(n)) {
                backward_of_token(self, pre_acts, upstream, &mut sums.sums);
            }
        });
        let mut sums = LatentSums::new(n);
        for piece in pieces {
            sums.sums.iter_mut().zip(piece.sums).for_each(|(sum, more)| *sum += more);
        }
        sums
    }
}

vectorised! {
    fn backward_of_token(latents: &Latents, pre_acts: &[f32], upstream: &mut [f32], sums: &mut [f32]) {
        match latents.weights.target {
            PreActTarget::PreActs => each_latent(PreActTarget::PreActs, latents, pre_acts, upstream, sums),
            PreActTarget::Latents => each_latent(PreActTarget::Latents, latents, pre_acts, upstream, sums),
        }
    }
}

/// Compiled for each target by itself.
#[inline(always)]
fn each_latent(target: PreActTarget, latents: &Latents, pre_acts: &[f32], upstream: &mut [f32], sums: &mut [f32]) {
    let n = pre_acts.len();
    let weights = Weights { target, ..latents.weights };
    let latents = Latents { thresholds: &latents.thresholds[..n], dec_norms: &latents.dec_norms[..n], weights };
    let upstream = &mut upstream[..n];
    let mut columns = sums.chunks_exact_mut(n);
    let [squashed, gaps, n_below, n_fired, latent_slopes, d_pre_acts, window_grads] =
        std::array::from_fn(|_| columns.next().expect("seven columns"));
    for i in 0..n {
        let latent = latents.of(i);
        let pair = latent.pair(pre_acts[i], tanh);
        let d_latent = pair.d_latent(upstream[i] + pair.slope * (weights.sparsity * latent.dec_norm));
        upstream[i] = pair.d_pre_act(d_latent);
        squashed[i] += pair.squashed;
        gaps[i] += pair.relu_gap;
        n_below[i] += if pair.is_below { 1.0 } else { 0.0 };
        n_fired[i] += if pair.fires { 1.0 } else { 0.0 };
        latent_slopes[i] += pair.latent * pair.slope;
        d_pre_acts[i] += upstream[i];
        window_grads[i] += if pair.is_in_window { d_latent } else { 0.0 };
    }
}
