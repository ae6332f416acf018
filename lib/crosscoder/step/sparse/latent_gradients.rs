//! What the gradients of all latents are made of.

use super::LATENTS;
use super::batch_rows::{BatchRows, DecoderRow, GradientRows, LatentNumbers, LatentRow};
use crate::crosscoder::step::decoder_rows::set_hook_norms;
use crate::processor::parallel;
use crate::processor::simd::dot;
use tch::Tensor;

pub struct LatentGradients {
    pub numbers: Vec<LatentNumbers>,
    /// [latent, hook]
    hook_norms: Vec<f32>,
    /// ∂L/∂pre of each active pair, by latent.
    d_pre_acts: Vec<f32>,
}

impl LatentGradients {
    /// `w_dec` [latent, hook · d_model]
    pub fn of(rows: &BatchRows, w_dec: &[f32]) -> LatentGradients {
        let (n, n_hooks, active) = (rows.n_inputs, rows.n_hooks, &rows.pairs.active_of_latent);
        let n_latents = w_dec.len() / n;
        let mut latents = LatentGradients {
            numbers: vec![LatentNumbers::default(); n_latents],
            hook_norms: vec![0.0; n_latents * n_hooks],
            d_pre_acts: vec![0.0; active.len()],
        };
        let d_pre_acts = active.pieces_mut(&mut latents.d_pre_acts, LATENTS);
        let hook_norms = latents.hook_norms.chunks_mut(n_hooks * LATENTS);
        let chunks = latents.numbers.chunks_mut(LATENTS).zip(hook_norms).zip(d_pre_acts).enumerate();
        parallel::for_each(chunks, |(chunk, ((numbers, hook_norms), mut d_pre_acts))| {
            let (mut d_w_enc, mut d_w_dec) = (vec![0.0; n], vec![0.0; n]);
            for (row, (numbers, hook_norms)) in numbers.iter_mut().zip(hook_norms.chunks_mut(n_hooks)).enumerate() {
                let i = chunk * LATENTS + row;
                let (of_latent, rest) = std::mem::take(&mut d_pre_acts).split_at_mut(active.of(i).len());
                d_pre_acts = rest;
                let direction = &w_dec[i * n..][..n];
                set_hook_norms(hook_norms, direction);
                let decoder = DecoderRow { i, direction, hook_norms };
                *numbers = rows.numbers(decoder, of_latent, &mut d_w_dec);
                let latent = LatentRow { decoder, d_pre_acts: of_latent, numbers: *numbers };
                rows.set_gradient(latent, GradientRows { w_enc: &mut d_w_enc, w_dec: &mut d_w_dec });
                numbers.squares = f64::from(dot(&d_w_enc, &d_w_enc)) + f64::from(dot(&d_w_dec, &d_w_dec));
            }
        });
        latents
    }

    /// Latent `i`, with its row of the decoder.
    pub fn row<'a>(&'a self, i: usize, rows: &BatchRows, direction: &'a [f32]) -> LatentRow<'a> {
        let hook_norms = &self.hook_norms[i * rows.n_hooks..][..rows.n_hooks];
        LatentRow {
            decoder: DecoderRow { i, direction, hook_norms },
            d_pre_acts: &self.d_pre_acts[rows.pairs.active_of_latent.range(i)],
            numbers: self.numbers[i],
        }
    }

    pub fn each(&self, of: fn(&LatentNumbers) -> f32) -> Vec<f32> {
        self.numbers.iter().map(of).collect()
    }

    pub fn n_fired(&self) -> Tensor {
        Tensor::from_slice(&self.numbers.iter().map(|latent| latent.n_fired).collect::<Vec<i64>>())
    }

    /// Norm of both weights' gradients together with `others`.
    pub fn norm_with(&self, others: &[&[f32]]) -> f64 {
        let of_weights = self.numbers.iter().map(|latent| latent.squares).sum::<f64>();
        (of_weights + others.iter().map(|values| f64::from(dot(values, values))).sum::<f64>()).sqrt()
    }
}
