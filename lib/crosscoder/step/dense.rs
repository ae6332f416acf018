//! The step where many latents fire: five dense products with the encoder's, and between them one pass over all
//! (token, latent) pairs instead of one for each operation of the formula.

mod all_pairs;

use super::decoder_rows::{set_hook_norms, set_norm_gradient};
use super::encode::Batch;
use super::report::BatchGradients;
use super::terms::{Weights, latent};
use super::workspace::{Workspace, turn_into_gradient};
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::Losses;
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::vectorised;
use all_pairs::{Latents, TOKENS};
use tch::{Kind, Tensor};

/// Latents that one piece of work goes through.
const LATENTS: usize = 16;

/// Factors of the reconstruction, which its backward pass takes again.
pub(super) struct Factors {
    latents: Tensor,
    w_dec: Tensor,
}

/// Sets the workspace to x̂, of these latents alone where others are elsewhere.
pub(super) fn set_recon(batch: &mut Batch) -> Factors {
    let Batch { crosscoder, cfg, thresholds, workspace, .. } = batch;
    set_latents(workspace, floats(thresholds));
    let latents = cfg.products.factor(&workspace.latents);
    let w_dec = cfg.products.factor(&crosscoder.w_dec);
    workspace.d_recon.copy_(&crosscoder.b_dec);
    cfg.products.add_product(&mut workspace.d_recon, &latents, &w_dec);
    Factors { latents, w_dec }
}

/// Losses and gradients; writes into `grads`, the tensors of an earlier step. The workspace holds x̂.
pub(super) fn gradients(batch: Batch, factors: &Factors, grads: &mut [Tensor; 5]) -> BatchGradients {
    let Batch { crosscoder, cfg, n_acts, x, x_factor, thresholds, workspace } = batch;
    let Factors { latents: latent_factor, w_dec: w_dec_factor } = factors;
    let products = cfg.products;
    let recon_sum = turn_into_gradient(workspace, &x, n_acts);
    let d_recon_factor = products.factor(&workspace.d_recon);
    products.set_product(&mut workspace.upstream, &d_recon_factor, &w_dec_factor.tr());

    let (hook_norms, weights) = (hook_norms(crosscoder), Weights::of(cfg, n_acts as usize));
    let dec_norms: Vec<f32> = hook_norms.chunks(crosscoder.hooks.len()).map(|norms| norms.iter().sum()).collect();
    let latents = Latents { thresholds: floats(&thresholds), dec_norms: &dec_norms, weights };
    let sums = latents.backward(workspace);
    let [squashed, gaps, n_below, n_fired, latent_slopes, d_pre_acts, window_grads] = sums.columns();

    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = &mut *grads;
    products.set_product(w_enc, &products.factor(&workspace.upstream).tr(), &x_factor);
    floats_mut(b_enc).copy_from_slice(d_pre_acts);
    let d_norm = |i: usize| weights.d_norm(weights.sparsity * latent_slopes[i], gaps[i]);
    set_norm_gradients(floats_mut(w_dec), crosscoder, &hook_norms, d_norm);
    products.add_product(w_dec, &latent_factor.tr(), &d_recon_factor);
    b_dec.copy_(&workspace.d_recon.sum_dim_intlist(0, false, Kind::Float));
    for (i, grad) in floats_mut(log_threshold).iter_mut().enumerate() {
        *grad = latents.of(i).d_log_threshold(n_below[i], window_grads[i]);
    }

    let per_row = 1.0 / n_acts as f64;
    let sparsity = squashed.iter().map(|&squashed| f64::from(squashed)).sum::<f64>() * per_row;
    let pre_act = gaps.iter().zip(&dec_norms).map(|(gap, norm)| f64::from(gap * norm)).sum::<f64>() * per_row;
    BatchGradients {
        losses: Losses::weighted(recon_sum * per_row, sparsity, pre_act, cfg).tensor(),
        grads: grads.each_ref().map(Tensor::shallow_clone),
        n_fired: Tensor::from_slice(n_fired).to_kind(Kind::Int64),
    }
}

/// Applies JumpReLU to the workspace's pre-activations.
fn set_latents(workspace: &mut Workspace, thresholds: &[f32]) {
    let n = thresholds.len();
    let latents = floats_mut(&mut workspace.latents).chunks_mut(n * TOKENS);
    parallel::for_each(latents.zip(floats(&workspace.pre_acts).chunks(n * TOKENS)), |(latents, pre_acts)| {
        for (latents, pre_acts) in latents.chunks_exact_mut(n).zip(pre_acts.chunks_exact(n)) {
            set_latents_of_token(latents, pre_acts, thresholds);
        }
    });
}

vectorised! {
    fn set_latents_of_token(latents: &mut [f32], pre_acts: &[f32], thresholds: &[f32]) {
        for ((f, &pre), &threshold) in latents.iter_mut().zip(pre_acts).zip(thresholds) {
            *f = latent(pre, threshold);
        }
    }
}

/// L2 norm of each latent's direction at each hook point, [latent, hook].
fn hook_norms(crosscoder: &Crosscoder) -> Vec<f32> {
    let (n_hooks, n_inputs) = (crosscoder.hooks.len(), crosscoder.n_inputs());
    let mut norms = vec![0.0; crosscoder.n_latents() as usize * n_hooks];
    let rows = floats(&crosscoder.w_dec).chunks(n_inputs * LATENTS);
    parallel::for_each(norms.chunks_mut(n_hooks * LATENTS).zip(rows), |(norms, rows)| {
        let rows = rows.chunks_exact(n_inputs);
        norms.chunks_exact_mut(n_hooks).zip(rows).for_each(|(norms, row)| set_hook_norms(norms, row));
    });
    norms
}

/// Sets the decoder's gradient to what the norms pass back to it.
fn set_norm_gradients(
    grad: &mut [f32],
    crosscoder: &Crosscoder,
    hook_norms: &[f32],
    d_norm: impl Fn(usize) -> f32 + Sync,
) {
    let n = crosscoder.n_inputs();
    let rows = grad.chunks_mut(n).zip(floats(&crosscoder.w_dec).chunks(n));
    let rows = rows.zip(hook_norms.chunks(crosscoder.hooks.len())).enumerate();
    parallel::for_each(rows, |(i, ((grad, row), norms))| set_norm_gradient(grad, row, norms, d_norm(i)));
}
