//! The backward pass of [`super::gradients`] at a cost that goes with the pairs that are active, not with all of them.
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

mod latents;

use latents::{Batch, CHUNK, Latents, Row, latent};

use super::pairs::Pairs;
use super::step::Room;
use super::{Crosscoder, Descent, LossConfig, Losses, Step};
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::{add_scaled, dot, scaled_error};
use crate::training::adam::Adam;
use tch::{Kind, Tensor};

/// Share of pairs in the window above which one dense product beats a sum for each pair.
const DENSE_WINDOW: f64 = 0.2;

/// Losses and gradients of a batch whose `pairs` are known; writes into `grads`, the tensors of an earlier step.
///
/// # Shapes
/// `x` [batch, hook · d_model], scaled, contiguous
pub(super) fn gradients(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    cfg: &LossConfig,
    room: &mut Room,
    grads: &mut [Tensor],
) -> Step {
    with_latents(crosscoder, x, thresholds, pairs, cfg, room, |batch, latents, losses| {
        let [w_enc, b_enc, w_dec, b_dec, log_threshold] = grads else { panic!("five parameters") };
        let (n, rows_of_w_dec) = (batch.n_inputs, floats(&crosscoder.w_dec).chunks(batch.n_inputs));
        let rows = floats_mut(w_enc).chunks_mut(n).zip(floats_mut(w_dec).chunks_mut(n)).zip(rows_of_w_dec).enumerate();
        parallel::for_each(rows, |(i, ((w_enc, w_dec), row))| batch.set_rows(i, latents, row, w_enc, w_dec));
        floats_mut(b_dec).copy_from_slice(batch.d_b_dec);
        floats_mut(b_enc).copy_from_slice(&latents.each(|row| row.d_b_enc));
        floats_mut(log_threshold).copy_from_slice(&latents.each(|row| row.d_log_threshold));
        Step { losses, grads: grads.iter().map(Tensor::shallow_clone).collect(), n_fired: latents.n_fired() }
    })
}

/// A step of `adam` along the gradients, which are never written to memory.
///
/// # Shapes
/// As [`gradients`].
pub(super) fn update(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    cfg: &LossConfig,
    room: &mut Room,
    adam: &mut Adam,
    lr: f64,
) -> Descent {
    with_latents(crosscoder, x, thresholds, pairs, cfg, room, |batch, latents, losses| {
        let (d_b_enc, d_log_threshold) = (latents.each(|row| row.d_b_enc), latents.each(|row| row.d_log_threshold));
        let squares = [&d_b_enc, &d_log_threshold, batch.d_b_dec].map(|values| f64::from(dot(values, values)));
        let norm = (latents.rows.iter().map(|row| row.squares).sum::<f64>() + squares.iter().sum::<f64>()).sqrt();
        let clip = adam.clip(norm) as f32;
        let update = adam.next(lr);
        let mut params = crosscoder.params();
        let [w_enc, b_enc, w_dec, b_dec, log_threshold] = params.as_mut_slice() else { panic!("five parameters") };
        let ([m_enc, m_b_enc, m_dec, m_b_dec, m_threshold], [v_enc, v_b_enc, v_dec, v_b_dec, v_threshold]) =
            (adam.exp_avg.as_mut_slice(), adam.exp_avg_sq.as_mut_slice())
        else {
            panic!("moments of five parameters")
        };
        let n = batch.n_inputs;
        let rows = |tensor| floats_mut(tensor).chunks_mut(n * CHUNK);
        let (enc, dec) = (rows(w_enc).zip(rows(m_enc)).zip(rows(v_enc)), rows(w_dec).zip(rows(m_dec)).zip(rows(v_dec)));
        parallel::for_each(enc.zip(dec).enumerate(), |(chunk, (((w_enc, m_enc), v_enc), ((w_dec, m_dec), v_dec)))| {
            let (mut d_w_enc, mut d_w_dec) = (vec![0.0; n], vec![0.0; n]);
            for row in 0..w_enc.len() / n {
                let at = row * n..(row + 1) * n;
                batch.set_rows(chunk * CHUNK + row, latents, &w_dec[at.clone()], &mut d_w_enc, &mut d_w_dec);
                update.apply(clip, &mut w_enc[at.clone()], &d_w_enc, &mut m_enc[at.clone()], &mut v_enc[at.clone()]);
                update.apply(clip, &mut w_dec[at.clone()], &d_w_dec, &mut m_dec[at.clone()], &mut v_dec[at]);
            }
        });
        for (param, grad, m, v) in [
            (b_enc, d_b_enc.as_slice(), m_b_enc, v_b_enc),
            (b_dec, batch.d_b_dec, m_b_dec, v_b_dec),
            (log_threshold, &d_log_threshold, m_threshold, v_threshold),
        ] {
            update.apply(clip, floats_mut(param), grad, floats_mut(m), floats_mut(v));
        }
        Descent { losses, n_fired: latents.n_fired(), grad_norm: Tensor::from(norm) }
    })
}

/// Computes what the gradients are made of, and the losses, and hands them on.
fn with_latents<T>(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    cfg: &LossConfig,
    room: &mut Room,
    then: impl FnOnce(&Batch, &Latents, Tensor) -> T,
) -> T {
    let (size, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let recon_sum = reconstruction_gradient(crosscoder, x, thresholds, pairs, &mut room.g);
    let share = pairs.window_of_latent.len() as f64 / (size * crosscoder.n_latents()) as f64;
    let upstream = (share > DENSE_WINDOW).then(|| {
        let (w_dec, g) = (cfg.products.factor(&crosscoder.w_dec), cfg.products.factor(&room.g));
        cfg.products.mm(&w_dec, &g.tr()).to_kind(Kind::Float) // [latent, batch]
    });
    let sum = |tensor: &Tensor| tensor.sum_dim_intlist(0, false, Kind::Float);
    let (x_sum, d_b_dec) = (sum(x), sum(&room.g));
    let batch = Batch {
        n_inputs: n_inputs as usize,
        d_model: crosscoder.d_model as usize,
        size: size as usize,
        x: floats(x),
        x_sum: floats(&x_sum),
        g: floats(&room.g),
        d_b_dec: floats(&d_b_dec),
        upstream: upstream.as_ref().map(floats),
        thresholds,
        pairs,
        cfg,
    };
    let latents = batch.latents(floats(&crosscoder.w_dec));
    let per_row = 1.0 / size as f64;
    let total = |of: fn(&Row) -> f64| latents.rows.iter().map(of).sum::<f64>() * per_row;
    let losses = Losses::weighted(recon_sum * per_row, total(|row| row.sparsity), total(|row| row.pre_act), cfg);
    then(&batch, &latents, losses.tensor())
}

/// Sets g = 2 (x̂ − x) / B; returns Σ (x̂ − x)².
fn reconstruction_gradient(
    crosscoder: &Crosscoder,
    x: &Tensor,
    thresholds: &[f32],
    pairs: &Pairs,
    g: &mut Tensor,
) -> f64 {
    let (batch, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let (w_dec, b_dec) = (floats(&crosscoder.w_dec), floats(&crosscoder.b_dec));
    let mut squares = vec![0.0; batch as usize];
    let n = n_inputs as usize;
    let rows = floats_mut(g).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares).enumerate();
    parallel::for_each(rows, |(b, ((g, x), square))| {
        g.copy_from_slice(b_dec);
        for &(i, pre) in pairs.active_of_token.of(b) {
            let i = i as usize;
            add_scaled(g, latent(pre, thresholds[i]), &w_dec[i * n..][..n]);
        }
        *square = f64::from(scaled_error(g, x, 2.0 / batch as f32));
    });
    squares.iter().sum()
}
