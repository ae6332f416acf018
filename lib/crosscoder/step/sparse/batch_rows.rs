//! Latent by latent: its share of the losses and its rows of the gradients, from the pairs in which it is active.

use super::BatchSums;
use crate::crosscoder::loss::PreActTarget;
use crate::crosscoder::step::decoder_rows::set_norm_gradient;
use crate::crosscoder::step::encode::Batch;
use crate::crosscoder::step::pairs::Pairs;
use crate::crosscoder::step::terms::{Latent, Weights, latent};
use crate::processor::memory::floats;
use crate::processor::simd::{add_scaled, dot, set_scaled};

/// A batch as a latent's row sees it.
pub struct BatchRows<'a> {
    pub n_inputs: usize,
    pub n_hooks: usize,
    pub pairs: &'a Pairs,
    /// Σ_b g
    pub d_b_dec: &'a [f32],
    size: usize,
    x: &'a [f32],
    x_sum: &'a [f32],
    g: &'a [f32],
    /// ⟨g, W_dec⟩ [latent, batch], where it was worth a dense product.
    upstream: Option<&'a [f32]>,
    thresholds: &'a [f32],
    weights: Weights,
}

/// Latent `i`'s row of the decoder, and its norm at each hook point.
#[derive(Clone, Copy)]
pub struct DecoderRow<'a> {
    pub i: usize,
    pub direction: &'a [f32],
    pub hook_norms: &'a [f32],
}

/// What one latent's rows of both weights' gradients are made of.
#[derive(Clone, Copy)]
pub struct LatentRow<'a> {
    pub decoder: DecoderRow<'a>,
    /// ∂L/∂pre of the pairs in which it is active.
    pub d_pre_acts: &'a [f32],
    pub numbers: LatentNumbers,
}

/// One latent's gradients but for its rows, and its share of the losses.
#[derive(Clone, Copy, Default)]
pub struct LatentNumbers {
    d_norm: f32,
    /// −∂L/∂pre of a pair below threshold.
    silent: f32,
    pub d_b_enc: f32,
    pub d_log_threshold: f32,
    /// Sum of squares of its rows of both weights' gradients, where these are not kept.
    pub squares: f64,
    pub sparsity: f64,
    pub pre_act: f64,
    pub n_fired: i64,
}

/// A latent's rows of both weights' gradients, or several latents'.
pub struct GradientRows<'a> {
    pub w_enc: &'a mut [f32],
    pub w_dec: &'a mut [f32],
}

impl<'a> BatchRows<'a> {
    pub fn of(batch: &'a Batch, pairs: &'a Pairs, sums: &'a BatchSums) -> BatchRows<'a> {
        let size = batch.x.size()[0] as usize;
        BatchRows {
            n_inputs: batch.crosscoder.n_inputs(),
            n_hooks: batch.crosscoder.hooks.len(),
            pairs,
            d_b_dec: floats(&sums.d_recon),
            size,
            x: floats(&batch.x),
            x_sum: floats(&sums.x),
            g: floats(&batch.workspace.d_recon),
            upstream: sums.upstream.as_ref().map(floats),
            thresholds: floats(&batch.thresholds),
            weights: Weights::of(batch.cfg, batch.n_acts as usize),
        }
    }

    /// Sums over one latent's pairs. Those below threshold have f = 0 and the same terms, so they are counted; of those in
    /// which it is active `d_pre_acts` gets ∂L/∂pre. Overwrites `scratch`, a row.
    pub fn numbers(&self, decoder: DecoderRow, d_pre_acts: &mut [f32], scratch: &mut [f32]) -> LatentNumbers {
        let (i, weights, dec_norm) = (decoder.i, self.weights, decoder.hook_norms.iter().sum());
        let latent = Latent { threshold: self.thresholds[i], dec_norm, weights };
        let mut numbers = LatentNumbers::default();
        let mut n_below = self.pairs.n_below[i];
        let silent_in_window = latent.pair(0.0, f32::tanh).d_latent(weights.sparsity * dec_norm);
        let n_in_window = self.pairs.window_of_latent.of(i).len() as f32;
        let mut window_grad = self.window_upstream(decoder, scratch) + n_in_window * silent_in_window;
        for (&(b, pre), d_pre_act) in self.pairs.active_of_latent.of(i).iter().zip(d_pre_acts) {
            let pair = latent.pair(pre, f32::tanh);
            let sparsity_slope = pair.slope * weights.sparsity;
            let d_latent = pair.d_latent(self.upstream(decoder, b as usize) + sparsity_slope * dec_norm);
            *d_pre_act = pair.d_pre_act(d_latent);
            window_grad += if pair.is_in_window { d_latent } else { 0.0 };
            n_below += f32::from(pair.is_below);
            numbers.d_norm += pair.latent * sparsity_slope;
            numbers.d_b_enc += *d_pre_act;
            numbers.sparsity += f64::from(pair.squashed);
            numbers.n_fired += i64::from(pair.fires);
        }
        let (gap_sum, silent) = match weights.target {
            PreActTarget::PreActs => (self.pairs.gap_sums[i], latent.d_gap()),
            PreActTarget::Latents => (n_below * latent.threshold, 0.0),
        };
        LatentNumbers {
            d_norm: weights.d_norm(numbers.d_norm, gap_sum),
            silent,
            d_b_enc: numbers.d_b_enc - silent * n_below,
            d_log_threshold: latent.d_log_threshold(n_below, window_grad),
            pre_act: f64::from(gap_sum * dec_norm),
            ..numbers
        }
    }

    /// Sets a latent's rows of both weights' gradients.
    pub fn set_gradient(&self, row: LatentRow, grad: GradientRows) {
        let LatentRow { decoder: DecoderRow { i, direction, hook_norms }, d_pre_acts, numbers } = row;
        let n = self.n_inputs;
        set_norm_gradient(grad.w_dec, direction, hook_norms, numbers.d_norm);
        set_scaled(grad.w_enc, -numbers.silent, self.x_sum);
        for (&(b, pre), d_pre_act) in self.pairs.active_of_latent.of(i).iter().zip(d_pre_acts) {
            let b = b as usize;
            add_scaled(grad.w_dec, latent(pre, self.thresholds[i]), &self.g[b * n..][..n]);
            add_scaled(grad.w_enc, d_pre_act + numbers.silent, &self.x[b * n..][..n]);
        }
    }

    /// ⟨g_b, W_dec,i⟩
    fn upstream(&self, DecoderRow { i, direction, .. }: DecoderRow, b: usize) -> f32 {
        match self.upstream {
            Some(upstream) => upstream[i * self.size + b],
            None => dot(&self.g[b * self.n_inputs..][..self.n_inputs], direction),
        }
    }

    /// Σ ⟨g_b, W_dec,i⟩ over the tokens below threshold in the window; overwrites `g_sum`.
    fn window_upstream(&self, DecoderRow { i, direction, .. }: DecoderRow, g_sum: &mut [f32]) -> f32 {
        let window = self.pairs.window_of_latent.of(i);
        match self.upstream {
            Some(upstream) => window.iter().map(|b| upstream[i * self.size + *b as usize]).sum(),
            None if window.is_empty() => 0.0,
            None => {
                g_sum.fill(0.0);
                for b in window {
                    add_scaled(g_sum, 1.0, &self.g[*b as usize * self.n_inputs..][..self.n_inputs]);
                }
                dot(g_sum, direction)
            }
        }
    }
}
