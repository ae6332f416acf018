//! The step where many latents fire: five dense products with the encoder's, and between them one pass over all
//! (token, latent) pairs instead of one for each operation of the formula.

mod columns;

use super::decoder_rows::{set_hook_norms, set_norm_gradient};
use super::encode::Batch;
use super::report::BatchGradients;
use super::terms::latent;
use super::workspace::Workspace;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::loss::Losses;
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::{scaled_error, vectorised};
use columns::{LatentColumns, LatentSums};
use tch::{Kind, Tensor};

/// Tokens that one piece of work goes through; fixed, so that sums do not depend on the number of threads.
const TOKENS: usize = 32;

/// Latents that one piece of work goes through.
const LATENTS: usize = 16;

/// Losses and gradients; writes into `grads`, the tensors of an earlier step.
pub(super) fn gradients(batch: Batch, grads: &mut [Tensor; 5]) -> BatchGradients {
    let Batch { crosscoder, cfg, x, x_factor, thresholds, workspace } = batch;
    let (products, thresholds) = (cfg.products, floats(&thresholds));
    set_latents(workspace, thresholds);
    let (latent_factor, w_dec_factor) = (products.factor(&workspace.latents), products.factor(&crosscoder.w_dec));
    workspace.d_recon.copy_(&crosscoder.b_dec);
    products.add_product(&mut workspace.d_recon, &latent_factor, &w_dec_factor);
    let recon_sum = set_recon_gradient(&mut workspace.d_recon, &x);
    let d_recon_factor = products.factor(&workspace.d_recon);
    products.set_product(&mut workspace.upstream, &d_recon_factor, &w_dec_factor.tr());

    let hook_norms = hook_norms(crosscoder);
    let columns = LatentColumns::of(cfg, x.size()[0] as usize, thresholds, &hook_norms);
    let sums = sum_over_pairs(&columns, workspace);
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = &mut *grads;
    products.set_product(w_enc, &products.factor(&workspace.upstream).tr(), &x_factor);
    floats_mut(b_enc).copy_from_slice(&sums.d_b_enc);
    set_norm_gradients(floats_mut(w_dec), crosscoder, &hook_norms, &columns.d_norms(&sums));
    products.add_product(w_dec, &latent_factor.tr(), &d_recon_factor);
    b_dec.copy_(&workspace.d_recon.sum_dim_intlist(0, false, Kind::Float));
    floats_mut(log_threshold).copy_from_slice(&columns.d_log_thresholds(&sums));
    let per_row = 1.0 / x.size()[0] as f64;
    let (sparsity, pre_act) = columns.losses(&sums);
    BatchGradients {
        losses: Losses::weighted(recon_sum * per_row, sparsity * per_row, pre_act * per_row, cfg).tensor(),
        grads: grads.each_ref().map(Tensor::shallow_clone),
        n_fired: Tensor::from_slice(&sums.n_fired).to_kind(Kind::Int64),
    }
}

/// Applies JumpReLU to the workspace's pre-activations.
fn set_latents(workspace: &mut Workspace, thresholds: &[f32]) {
    let n = thresholds.len();
    let rows =
        floats_mut(&mut workspace.latents).chunks_mut(n * TOKENS).zip(floats(&workspace.pre_acts).chunks(n * TOKENS));
    parallel::for_each(rows, |(latents, pre_acts)| {
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

/// Turns x̂ into g = 2 (x̂ − x) / B; returns Σ (x̂ − x)².
fn set_recon_gradient(recon: &mut Tensor, x: &Tensor) -> f64 {
    let (batch, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let n = n_inputs as usize;
    let mut squares = vec![0.0; batch as usize];
    let rows = floats_mut(recon).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares);
    parallel::for_each(rows, |((g, x), square)| *square = f64::from(scaled_error(g, x, 2.0 / batch as f32)));
    squares.iter().sum()
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
fn set_norm_gradients(grad: &mut [f32], crosscoder: &Crosscoder, hook_norms: &[f32], d_norms: &[f32]) {
    let n = crosscoder.n_inputs();
    let rows = grad.chunks_mut(n).zip(floats(&crosscoder.w_dec).chunks(n));
    parallel::for_each(
        rows.zip(hook_norms.chunks(crosscoder.hooks.len()).zip(d_norms)),
        |((grad, row), (norms, d))| {
            set_norm_gradient(grad, row, norms, *d);
        },
    );
}

/// Goes through all pairs: turns the workspace's ⟨g, W_dec⟩ into ∂L/∂pre, and sums up.
fn sum_over_pairs(columns: &LatentColumns, workspace: &mut Workspace) -> LatentSums {
    let n = columns.thresholds.len();
    let pre_acts = floats(&workspace.pre_acts).chunks(n * TOKENS);
    let mut pieces: Vec<LatentSums> = pre_acts.clone().map(|_| LatentSums::new(n)).collect();
    let rows = pre_acts.zip(floats_mut(&mut workspace.upstream).chunks_mut(n * TOKENS));
    parallel::for_each(rows.zip(&mut pieces), |((pre_acts, upstream), sums)| {
        for (pre_acts, upstream) in pre_acts.chunks_exact(n).zip(upstream.chunks_exact_mut(n)) {
            columns::backward_of_token(columns, pre_acts, upstream, sums);
        }
    });
    let mut sums = LatentSums::new(n);
    pieces.into_iter().for_each(|piece| sums.add(piece));
    sums
}
