//! The step where few latents fire, at a cost that goes with the pairs that are active, not with all of them.
//!
//! Dense are the encoder's product and, where many pairs lie in JumpReLU's window, ⟨g, W_dec⟩. The rest runs over rows:
//! ```text
//! x̂_b       = b_dec + Σ_{i active} f W_dec,i
//! ∂L/∂W_dec,i = Σ_{b active} f g_b + ∂L/∂N · W_dec,i / ‖W_dec,i‖
//! ∂L/∂W_enc,i = Σ_{b active} (∂L/∂pre + p) x_b − p Σ_b x_b            p = (λ_p/B) N
//! ∂L/∂t_i     : Σ_{b in window} ⟨g_b, W_dec,i⟩ = ⟨Σ_{b in window} g_b, W_dec,i⟩
//! ```
//! The pre-activation term pulls on every pair below threshold alike, hence the sum over all tokens less the active ones.
//!
//! A latent's rows of the gradient are a few sums of rows of x and g. So a training need not write them to memory: it
//! makes them once for their norm and once more where Adam uses them ([`update`]), which costs less than the memory would.

mod batch_rows;
mod latent_gradients;

use super::encode::Batch;
use super::pairs::Pairs;
use super::report::{BatchGradients, PartSums, StepReport};
use super::terms::latent;
use super::workspace::turn_into_gradient;
use crate::Result;
use crate::crosscoder::loss::{LossConfig, Losses};
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::{add_scaled, dot, scaled_error};
use crate::training::adam::Adam;
use batch_rows::{BatchRows, GradientRows, LatentNumbers};
use latent_gradients::LatentGradients;
use tch::{Kind, Tensor};

/// Share of pairs in the window above which one dense product beats a sum for each pair.
const DENSE_WINDOW: f64 = 0.2;

/// Latents that one piece of work goes through.
const LATENTS: usize = 16;

/// Losses and gradients, for who adds those of other processes to them; writes into `grads`. The workspace holds x̂.
pub(super) fn gradients(batch: Batch, pairs: &Pairs, grads: &mut [Tensor; 5]) -> BatchGradients {
    let recon_sum = turn_into_gradient(batch.workspace, &batch.x, batch.n_acts);
    let sums = BatchSums::of(&batch, pairs);
    let rows = BatchRows::of(&batch, pairs, &sums);
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = grads.each_mut().map(floats_mut);
    let latents = LatentGradients::of(&rows, floats(&batch.crosscoder.w_dec), Some(GradientRows { w_enc, w_dec }));
    b_enc.copy_from_slice(&latents.each(|row| row.d_b_enc));
    b_dec.copy_from_slice(rows.d_b_dec);
    log_threshold.copy_from_slice(&latents.each(|row| row.d_log_threshold));
    let [sparsity, pre_act] = penalties(&batch, &latents);
    BatchGradients {
        losses: Losses::weighted(recon_sum / batch.n_acts as f64, sparsity, pre_act, batch.cfg).tensor(),
        n_fired: latents.n_fired(),
        grads: grads.each_ref().map(Tensor::shallow_clone),
    }
}

/// A step of `adam` along the gradients, which are never written to memory.
pub(super) fn update(mut batch: Batch, pairs: &Pairs, adam: &mut Adam, lr: f64) -> StepReport {
    let recon_sum = set_recon_gradient(&mut batch, pairs);
    let report = update_along(&batch, pairs, (adam, lr), recon_sum, Ok);
    report.expect("nobody else is asked")
}

/// [`update`] where other processes have the other latents: the workspace holds x̂ of all of them, and `over_all` turns
/// sums over these latents into those over all.
pub(super) fn update_of_part(
    batch: Batch,
    pairs: &Pairs,
    (adam, lr): (&mut Adam, f64),
    over_all: impl FnOnce(PartSums) -> Result<PartSums>,
) -> Result<StepReport> {
    let recon_sum = turn_into_gradient(batch.workspace, &batch.x, batch.n_acts);
    update_along(&batch, pairs, (adam, lr), recon_sum, over_all)
}

/// The workspace holds g.
fn update_along(
    batch: &Batch,
    pairs: &Pairs,
    (adam, lr): (&mut Adam, f64),
    recon_sum: f64,
    over_all: impl FnOnce(PartSums) -> Result<PartSums>,
) -> Result<StepReport> {
    let sums = BatchSums::of(batch, pairs);
    let rows = BatchRows::of(batch, pairs, &sums);
    let latents = LatentGradients::of(&rows, floats(&batch.crosscoder.w_dec), None);
    let (d_b_enc, d_log_threshold) = (latents.each(|row| row.d_b_enc), latents.each(|row| row.d_log_threshold));
    let [sparsity, pre_act] = penalties(batch, &latents);
    let all = over_all(PartSums { sparsity, pre_act, squares: latents.squares_with(&[&d_b_enc, &d_log_threshold]) })?;
    let norm = (all.squares + f64::from(dot(rows.d_b_dec, rows.d_b_dec))).sqrt();
    let (clip, update) = (adam.clip(norm) as f32, adam.next(lr));
    let mut params = batch.crosscoder.params();
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = adam.slots(&mut params);
    let n = rows.n_inputs;
    let chunks = w_enc.chunks(n * LATENTS).zip(w_dec.chunks(n * LATENTS)).enumerate();
    parallel::for_each(chunks, |(chunk, (w_enc, w_dec))| {
        let (mut d_w_enc, mut d_w_dec) = (vec![0.0; n], vec![0.0; n]);
        for (row, (w_enc, w_dec)) in w_enc.chunks(n).zip(w_dec.chunks(n)).enumerate() {
            let grad = GradientRows { w_enc: &mut d_w_enc, w_dec: &mut d_w_dec };
            rows.set_gradient(latents.row(chunk * LATENTS + row, &rows, w_dec.param), grad);
            w_enc.apply(update, clip, &d_w_enc);
            w_dec.apply(update, clip, &d_w_dec);
        }
    });
    b_enc.apply(update, clip, &d_b_enc);
    b_dec.apply(update, clip, rows.d_b_dec);
    log_threshold.apply(update, clip, &d_log_threshold);
    let losses = Losses::weighted(recon_sum / batch.n_acts as f64, all.sparsity, all.pre_act, batch.cfg).tensor();
    Ok(StepReport { losses, n_fired: latents.n_fired(), grad_norm: Tensor::from(norm) })
}

/// What a step takes of all tokens at once.
struct BatchSums {
    /// ⟨g, W_dec⟩ [latent, batch], where many pairs lie in the window.
    upstream: Option<Tensor>,
    /// Σ_b x
    x: Tensor,
    /// Σ_b g
    d_recon: Tensor,
}

impl BatchSums {
    fn of(batch: &Batch, pairs: &Pairs) -> BatchSums {
        let Batch { crosscoder, cfg: LossConfig { products, .. }, x, workspace, .. } = batch;
        let window_share = pairs.window_of_latent.len() as f64 / workspace.pre_acts.numel() as f64;
        let upstream = (window_share > DENSE_WINDOW).then(|| {
            let (w_dec, d_recon) = (products.factor(&crosscoder.w_dec), products.factor(&workspace.d_recon));
            products.mm(&w_dec, &d_recon.tr()).to_kind(Kind::Float)
        });
        let sum = |tensor: &Tensor| tensor.sum_dim_intlist(0, false, Kind::Float);
        BatchSums { upstream, x: sum(x), d_recon: sum(&workspace.d_recon) }
    }
}

/// Sets the workspace to x̂, of these latents alone where others are elsewhere.
pub(super) fn set_recon(batch: &mut Batch, pairs: &Pairs) {
    let Batch { crosscoder, thresholds, workspace, .. } = batch;
    let recon = Recon { w_dec: floats(&crosscoder.w_dec), thresholds: floats(thresholds), pairs };
    let n = crosscoder.n_inputs();
    let b_dec = floats(&crosscoder.b_dec);
    parallel::for_each(floats_mut(&mut workspace.d_recon).chunks_exact_mut(n).enumerate(), |(b, row)| {
        recon.set_row(b, b_dec, row);
    });
}

/// Sets g = 2 (x̂ − x) / B; returns Σ (x̂ − x)².
fn set_recon_gradient(batch: &mut Batch, pairs: &Pairs) -> f64 {
    let Batch { crosscoder, x, n_acts, thresholds, workspace, .. } = batch;
    let recon = Recon { w_dec: floats(&crosscoder.w_dec), thresholds: floats(thresholds), pairs };
    let mut squares = vec![0.0; x.size()[0] as usize];
    let (n, b_dec, scale) = (crosscoder.n_inputs(), floats(&crosscoder.b_dec), 2.0 / *n_acts as f32);
    let rows = floats_mut(&mut workspace.d_recon).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares);
    parallel::for_each(rows.enumerate(), |(b, ((g, x), square))| {
        recon.set_row(b, b_dec, g);
        *square = f64::from(scaled_error(g, x, scale));
    });
    squares.iter().sum()
}

/// What reconstructions are put together from.
struct Recon<'a> {
    /// [latent, hook · d_model]
    w_dec: &'a [f32],
    thresholds: &'a [f32],
    pairs: &'a Pairs,
}

impl Recon<'_> {
    /// x̂ of token `b`.
    fn set_row(&self, b: usize, b_dec: &[f32], row: &mut [f32]) {
        let n = row.len();
        row.copy_from_slice(b_dec);
        for &(i, pre) in self.pairs.active_of_token.of(b) {
            let i = i as usize;
            add_scaled(row, latent(pre, self.thresholds[i]), &self.w_dec[i * n..][..n]);
        }
    }
}

/// The sparsity and the pre-activation term of these latents.
fn penalties(batch: &Batch, latents: &LatentGradients) -> [f64; 2] {
    let mean =
        |of: fn(&LatentNumbers) -> f64| latents.numbers.iter().map(of).sum::<f64>() * (1.0 / batch.n_acts as f64);
    [mean(|latent| latent.sparsity), mean(|latent| latent.pre_act)]
}
