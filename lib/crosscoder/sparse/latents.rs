//! What each latent's share of losses and gradients is made of, from the pairs in which it is active.

use super::super::LossConfig;
use super::super::pairs::Pairs;
use super::super::rows::{d_log_threshold, set_hook_norms, set_norm_gradient};
use crate::crosscoder::loss::PreActTarget;
use crate::processor::parallel;
use crate::processor::simd::{add_scaled, dot, set_scaled};
use tch::Tensor;

/// Latents that one piece of work goes through.
pub const CHUNK: usize = 16;

/// f, and 0 where the pre-activation lies on the threshold.
pub fn latent(pre: f32, threshold: f32) -> f32 {
    if pre > threshold { pre } else { pre * 0.0 }
}

/// A batch as a latent's row sees it.
pub struct Batch<'a> {
    pub n_inputs: usize,
    pub d_model: usize,
    pub size: usize,
    pub x: &'a [f32],
    pub x_sum: &'a [f32],
    pub g: &'a [f32],
    /// Σ_b g
    pub d_b_dec: &'a [f32],
    /// ⟨g, W_dec⟩ [latent, batch], where it was worth a dense product.
    pub upstream: Option<&'a [f32]>,
    pub thresholds: &'a [f32],
    pub pairs: &'a Pairs,
    pub cfg: &'a LossConfig,
}

/// What the gradients of all latents are made of.
pub struct Latents {
    pub rows: Vec<Row>,
    /// [latent, hook]
    hook_norms: Vec<f32>,
    /// ∂L/∂pre of each active pair, by latent.
    d_pre_acts: Vec<f32>,
}

/// The numbers of one latent.
#[derive(Clone, Copy, Default)]
pub struct Row {
    /// ∂L/∂N
    d_norm: f32,
    /// (λ_p/B) N where the pre-activation term reads pre-activations.
    pull: f32,
    pub d_b_enc: f32,
    pub d_log_threshold: f32,
    /// Sum of squares of its rows of both weights' gradients.
    pub squares: f64,
    pub sparsity: f64,
    pub pre_act: f64,
    n_fired: i64,
}

impl Latents {
    pub fn each(&self, of: fn(&Row) -> f32) -> Vec<f32> {
        self.rows.iter().map(of).collect()
    }

    pub fn n_fired(&self) -> Tensor {
        Tensor::from_slice(&self.rows.iter().map(|row| row.n_fired).collect::<Vec<i64>>())
    }
}

impl Batch<'_> {
    pub fn latents(&self, w_dec: &[f32]) -> Latents {
        let (n, n_latents, n_hooks) = (self.n_inputs, self.thresholds.len(), self.n_inputs / self.d_model);
        let active = &self.pairs.active_of_latent;
        let mut latents = Latents {
            rows: vec![Row::default(); n_latents],
            hook_norms: vec![0.0; n_latents * n_hooks],
            d_pre_acts: vec![0.0; active.len()],
        };
        let pieces = active.pieces_mut(&mut latents.d_pre_acts, CHUNK);
        let rows = latents.rows.chunks_mut(CHUNK).zip(latents.hook_norms.chunks_mut(n_hooks * CHUNK));
        parallel::for_each(rows.zip(pieces).enumerate(), |(chunk, ((rows, hook_norms), mut d_pre_acts))| {
            let mut scratch = Scratch { d_w_enc: vec![0.0; n], d_w_dec: vec![0.0; n] };
            for (row, (numbers, hook_norms)) in rows.iter_mut().zip(hook_norms.chunks_mut(n_hooks)).enumerate() {
                let i = chunk * CHUNK + row;
                let (of_latent, rest) = std::mem::take(&mut d_pre_acts).split_at_mut(active.of(i).len());
                *numbers = self.latent(i, &w_dec[i * n..][..n], hook_norms, of_latent, &mut scratch);
                d_pre_acts = rest;
            }
        });
        latents
    }

    fn latent(
        &self,
        i: usize,
        w_dec: &[f32],
        hook_norms: &mut [f32],
        d_pre_acts: &mut [f32],
        scratch: &mut Scratch,
    ) -> Row {
        let (threshold, cfg) = (self.thresholds[i], self.cfg);
        set_hook_norms(hook_norms, w_dec, self.d_model);
        let dec_norm: f32 = hook_norms.iter().sum();
        let per_row = 1.0 / self.size as f32;
        let (tanh_scale, half_width) = (cfg.tanh_scale as f32, cfg.backward.bandwidth as f32 / 2.0);
        let pull = cfg.lambda_p as f32 * per_row * dec_norm;
        let steepest = cfg.lambda_s as f32 * per_row * tanh_scale;
        let on_latents = cfg.pre_act_target == PreActTarget::Latents;
        let active = self.pairs.active_of_latent.of(i);

        let n_in_window = self.pairs.window_of_latent.of(i).len() as f32;
        let pull_on_silent = if on_latents { pull } else { 0.0 };
        let mut through =
            self.window_upstream(i, w_dec, &mut scratch.d_w_dec) + n_in_window * (steepest * dec_norm - pull_on_silent);
        let mut row = Row { pull: if on_latents { 0.0 } else { pull }, ..Row::default() };
        let mut n_touching = 0.0;
        for (&(b, pre), d_pre_act) in active.iter().zip(&mut *d_pre_acts) {
            let f = latent(pre, threshold);
            let squashed = (f * dec_norm * tanh_scale).tanh();
            let slope = (1.0 - squashed * squashed) * steepest;
            let fires = pre > threshold;
            let upstream =
                self.upstream(i, b as usize, w_dec) + slope * dec_norm - if fires { 0.0 } else { pull_on_silent };
            if pre - threshold < half_width {
                through += upstream;
            }
            *d_pre_act = if fires { upstream } else { 0.0 };
            row.d_norm += f * slope;
            row.d_b_enc += *d_pre_act;
            row.sparsity += f64::from(squashed);
            row.n_fired += i64::from(fires);
            n_touching += if fires { 0.0 } else { 1.0 };
        }

        let (n_below, gap_sum) = if on_latents {
            let n_silent = self.pairs.n_below[i] + n_touching;
            (n_silent, n_silent * threshold)
        } else {
            (self.pairs.n_below[i], self.pairs.gap_sums[i])
        };
        row.pre_act = f64::from(gap_sum * dec_norm);
        row.d_norm += gap_sum * cfg.lambda_p as f32 * per_row;
        row.d_log_threshold = d_log_threshold(cfg, threshold, pull, n_below, through);
        row.d_b_enc -= row.pull * n_below;

        let Scratch { d_w_enc, d_w_dec } = scratch;
        self.set_rows_of(i, row, hook_norms, d_pre_acts, w_dec, d_w_enc, d_w_dec);
        row.squares = f64::from(dot(d_w_enc, d_w_enc)) + f64::from(dot(d_w_dec, d_w_dec));
        row
    }

    /// Sets latent `i`'s rows of both weights' gradients; `w_dec` is its row of the decoder.
    pub fn set_rows(&self, i: usize, latents: &Latents, w_dec: &[f32], d_w_enc: &mut [f32], d_w_dec: &mut [f32]) {
        let n_hooks = self.n_inputs / self.d_model;
        let hook_norms = &latents.hook_norms[i * n_hooks..][..n_hooks];
        let d_pre_acts = &latents.d_pre_acts[self.pairs.active_of_latent.range(i)];
        self.set_rows_of(i, latents.rows[i], hook_norms, d_pre_acts, w_dec, d_w_enc, d_w_dec);
    }

    fn set_rows_of(
        &self,
        i: usize,
        row: Row,
        hook_norms: &[f32],
        d_pre_acts: &[f32],
        w_dec: &[f32],
        d_w_enc: &mut [f32],
        d_w_dec: &mut [f32],
    ) {
        let n = self.n_inputs;
        set_norm_gradient(d_w_dec, w_dec, hook_norms, row.d_norm, self.d_model);
        set_scaled(d_w_enc, -row.pull, self.x_sum);
        for (&(b, pre), d_pre_act) in self.pairs.active_of_latent.of(i).iter().zip(d_pre_acts) {
            let b = b as usize;
            add_scaled(d_w_dec, latent(pre, self.thresholds[i]), &self.g[b * n..][..n]);
            add_scaled(d_w_enc, d_pre_act + row.pull, &self.x[b * n..][..n]);
        }
    }

    /// ⟨g_b, W_dec,i⟩
    fn upstream(&self, i: usize, b: usize, w_dec: &[f32]) -> f32 {
        match self.upstream {
            Some(upstream) => upstream[i * self.size + b],
            None => dot(&self.g[b * self.n_inputs..][..self.n_inputs], w_dec),
        }
    }

    /// Σ ⟨g_b, W_dec,i⟩ over the tokens below threshold in the window; overwrites `g_sum`.
    fn window_upstream(&self, i: usize, w_dec: &[f32], g_sum: &mut [f32]) -> f32 {
        let window = self.pairs.window_of_latent.of(i);
        match self.upstream {
            Some(upstream) => window.iter().map(|b| upstream[i * self.size + *b as usize]).sum(),
            None if window.is_empty() => 0.0,
            None => {
                g_sum.fill(0.0);
                for b in window {
                    add_scaled(g_sum, 1.0, &self.g[*b as usize * self.n_inputs..][..self.n_inputs]);
                }
                dot(g_sum, w_dec)
            }
        }
    }
}

/// Room for one latent's rows of the gradients.
struct Scratch {
    d_w_enc: Vec<f32>,
    d_w_dec: Vec<f32>,
}
