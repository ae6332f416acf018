//! Latent by latent: its share of the losses and its rows of the gradients, from the pairs in which it is active.

use super::BatchSums;
use crate::crosscoder::loss::{LossConfig, PreActTarget};
use crate::crosscoder::step::decoder_rows::set_norm_gradient;
use crate::crosscoder::step::encode::Batch;
use crate::crosscoder::step::pairs::Pairs;
use crate::crosscoder::step::terms::{Pair, Weights, d_log_threshold, latent};
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
    cfg: &'a LossConfig,
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
    /// ∂L/∂N
    d_norm: f32,
    /// −∂L/∂pre of a pair below threshold.
    silent_weight: f32,
    pub d_b_enc: f32,
    pub d_log_threshold: f32,
    /// Sum of squares of its rows of both weights' gradients.
    pub squares: f64,
    pub sparsity: f64,
    pub pre_act: f64,
    pub n_fired: i64,
}

/// A latent's rows of both weights' gradients.
pub struct GradientRows<'a> {
    pub w_enc: &'a mut [f32],
    pub w_dec: &'a mut [f32],
}

/// What the pairs of one latent share.
struct LatentTerms {
    threshold: f32,
    dec_norm: f32,
    /// (λ_p/B) N
    pre_act_weight: f32,
    target: PreActTarget,
    weights: Weights,
}

impl LatentTerms {
    fn pair(&self, pre: f32) -> Pair {
        Pair::of(pre, self.threshold, self.weights.tanh_scale * self.dec_norm, self.target, f32::tanh)
    }
}

/// Sums over the pairs of one latent.
struct PairSums {
    /// (λ_s/B) c Σ f slope
    from_sparsity: f32,
    d_pre_act: f32,
    squashed: f64,
    n_fired: i64,
    n_below: f32,
    /// Σ ∂L/∂f in the window
    window_grad: f32,
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
            cfg: batch.cfg,
            weights: Weights::of(batch.cfg, size),
        }
    }

    /// Goes through one latent's pairs; sets ∂L/∂pre of those in which it is active, and overwrites `scratch`, a row.
    pub fn numbers(&self, decoder: DecoderRow, d_pre_acts: &mut [f32], scratch: &mut [f32]) -> LatentNumbers {
        let (dec_norm, target) = (decoder.hook_norms.iter().sum(), self.cfg.pre_act_target);
        let (threshold, pre_act_weight) = (self.thresholds[decoder.i], self.weights.pre_act * dec_norm);
        let terms = LatentTerms { threshold, dec_norm, pre_act_weight, target, weights: self.weights };
        let mut sums = self.silent_pairs(decoder, &terms, scratch);
        self.add_active_pairs(&mut sums, decoder, &terms, d_pre_acts);
        let (gap_sum, silent_weight) = match target {
            PreActTarget::PreActs => (self.pairs.gap_sums[decoder.i], pre_act_weight),
            PreActTarget::Latents => (sums.n_below * threshold, 0.0),
        };
        LatentNumbers {
            d_norm: self.weights.d_norm(sums.from_sparsity, gap_sum),
            silent_weight,
            d_b_enc: sums.d_pre_act - silent_weight * sums.n_below,
            d_log_threshold: d_log_threshold(self.cfg, threshold, pre_act_weight, sums.n_below, sums.window_grad),
            squares: 0.0,
            sparsity: sums.squashed,
            pre_act: f64::from(gap_sum * dec_norm),
            n_fired: sums.n_fired,
        }
    }

    /// Pairs below threshold all have f = 0 and the same terms, so they are counted.
    fn silent_pairs(&self, decoder: DecoderRow, terms: &LatentTerms, scratch: &mut [f32]) -> PairSums {
        let n_in_window = self.pairs.window_of_latent.of(decoder.i).len() as f32;
        let from_sparsity = terms.weights.sparsity * terms.dec_norm;
        let silent = terms.pair(0.0).d_latent(from_sparsity, terms.pre_act_weight);
        PairSums {
            from_sparsity: 0.0,
            d_pre_act: 0.0,
            squashed: 0.0,
            n_fired: 0,
            n_below: self.pairs.n_below[decoder.i],
            window_grad: self.window_upstream(decoder, scratch) + n_in_window * silent,
        }
    }

    fn add_active_pairs(&self, sums: &mut PairSums, decoder: DecoderRow, terms: &LatentTerms, d_pre_acts: &mut [f32]) {
        for (&(b, pre), d_pre_act) in self.pairs.active_of_latent.of(decoder.i).iter().zip(d_pre_acts) {
            let pair = terms.pair(pre);
            let sparsity_slope = pair.slope * terms.weights.sparsity;
            let upstream = self.upstream(decoder, b as usize);
            let d_latent = pair.d_latent(upstream + sparsity_slope * terms.dec_norm, terms.pre_act_weight);
            *d_pre_act = pair.d_pre_act(d_latent, terms.pre_act_weight);
            sums.from_sparsity += pair.latent * sparsity_slope;
            sums.d_pre_act += *d_pre_act;
            sums.squashed += f64::from(pair.squashed);
            sums.n_fired += i64::from(pair.fires);
            sums.n_below += f32::from(pair.is_below());
            sums.window_grad += if pair.is_in_window(terms.weights.half_window) { d_latent } else { 0.0 };
        }
    }

    /// Sets a latent's rows of both weights' gradients.
    pub fn set_gradient(&self, latent_row: LatentRow, grad: GradientRows) {
        let LatentRow { decoder: DecoderRow { i, direction, hook_norms }, d_pre_acts, numbers } = latent_row;
        let n = self.n_inputs;
        set_norm_gradient(grad.w_dec, direction, hook_norms, numbers.d_norm);
        set_scaled(grad.w_enc, -numbers.silent_weight, self.x_sum);
        for (&(b, pre), d_pre_act) in self.pairs.active_of_latent.of(i).iter().zip(d_pre_acts) {
            let b = b as usize;
            add_scaled(grad.w_dec, latent(pre, self.thresholds[i]), &self.g[b * n..][..n]);
            add_scaled(grad.w_enc, d_pre_act + numbers.silent_weight, &self.x[b * n..][..n]);
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
