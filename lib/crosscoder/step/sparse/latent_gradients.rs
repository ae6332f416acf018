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
    /// `w_dec` [latent, hook · d_model]. The rows of both weights' gradients are written `into` memory of that shape, or
    /// made for the sum of their squares alone.
    pub fn of(rows: &BatchRows, w_dec: &[f32], into: Option<GradientRows>) -> LatentGradients {
        let (n, n_hooks, active) = (rows.n_inputs, rows.n_hooks, &rows.pairs.active_of_latent);
        let n_latents = w_dec.len() / n;
        let mut latents = LatentGradients {
            numbers: vec![LatentNumbers::default(); n_latents],
            hook_norms: vec![0.0; n_latents * n_hooks],
            d_pre_acts: vec![0.0; active.len()],
        };
        let d_pre_acts = active.pieces_mut(&mut latents.d_pre_acts, LATENTS);
        let hook_norms = latents.hook_norms.chunks_mut(n_hooks * LATENTS);
        let chunks = latents.numbers.chunks_mut(LATENTS).zip(hook_norms).zip(d_pre_acts);
        let chunks = chunks.zip(chunks_of(into, n_latents.div_ceil(LATENTS), n)).enumerate();
        parallel::for_each(chunks, |(chunk, (((numbers, hook_norms), mut d_pre_acts), mut kept))| {
            let mut scratch = if kept.is_none() { [vec![0.0; n], vec![0.0; n]] } else { Default::default() };
            for (row, (numbers, hook_norms)) in numbers.iter_mut().zip(hook_norms.chunks_mut(n_hooks)).enumerate() {
                let i = chunk * LATENTS + row;
                let (of_latent, rest) = std::mem::take(&mut d_pre_acts).split_at_mut(active.of(i).len());
                d_pre_acts = rest;
                let direction = &w_dec[i * n..][..n];
                set_hook_norms(hook_norms, direction);
                let decoder = DecoderRow { i, direction, hook_norms };
                let [w_enc, w_dec] = match &mut kept {
                    Some(kept) => [&mut kept.w_enc[row * n..][..n], &mut kept.w_dec[row * n..][..n]],
                    None => scratch.each_mut().map(Vec::as_mut_slice),
                };
                *numbers = rows.numbers(decoder, of_latent, w_dec);
                let latent = LatentRow { decoder, d_pre_acts: of_latent, numbers: *numbers };
                rows.set_gradient(latent, GradientRows { w_enc: &mut *w_enc, w_dec: &mut *w_dec });
                if kept.is_none() {
                    let [w_enc, w_dec] = &scratch;
                    numbers.squares = f64::from(dot(w_enc, w_enc)) + f64::from(dot(w_dec, w_dec));
                }
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

    /// Sum of squares of both weights' gradients together with `others`.
    pub fn squares_with(&self, others: &[&[f32]]) -> f64 {
        let of_weights = self.numbers.iter().map(|latent| latent.squares).sum::<f64>();
        of_weights + others.iter().map(|values| f64::from(dot(values, values))).sum::<f64>()
    }
}

/// The memory that each piece of work writes its rows to.
fn chunks_of(into: Option<GradientRows>, n_chunks: usize, n: usize) -> Vec<Option<GradientRows>> {
    match into {
        None => (0..n_chunks).map(|_| None).collect(),
        Some(GradientRows { w_enc, w_dec }) => {
            let chunks = w_enc.chunks_mut(n * LATENTS).zip(w_dec.chunks_mut(n * LATENTS));
            chunks.map(|(w_enc, w_dec)| Some(GradientRows { w_enc, w_dec })).collect()
        }
    }
}
