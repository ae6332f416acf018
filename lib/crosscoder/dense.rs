//! The backward pass of [`super::gradients`] where many latents fire: five dense products with the encoder's, and between
//! them one pass over all (token, latent) pairs instead of one for each operation of the formula.

use super::rows::{d_log_threshold, set_hook_norms, set_norm_gradient};
use super::step::Room;
use super::{Crosscoder, LossConfig, Losses, Step};
use crate::crosscoder::loss::PreActTarget;
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::{scaled_error, tanh, vectorised};
use tch::{Kind, Tensor};

/// Tokens that one piece of work goes through; fixed, so that sums do not depend on the number of threads.
const TOKENS: usize = 32;

/// Latents that one piece of work goes through.
const LATENTS: usize = 16;

/// Losses and gradients of a batch whose pre-activations are in `room`; writes into `grads`, the tensors of an earlier
/// step.
///
/// # Shapes
/// `x` [batch, hook · d_model], scaled, contiguous
pub(super) fn gradients(
    crosscoder: &Crosscoder,
    x: &Tensor,
    x_factor: &Tensor,
    thresholds: &[f32],
    cfg: &LossConfig,
    room: &mut Room,
    grads: &mut [Tensor],
) -> Step {
    let (batch, products) = (x.size()[0], cfg.products);
    let per_row = 1.0 / batch as f64;
    apply_jumprelu(room, thresholds);
    let (latent_factor, w_dec_factor) = (products.factor(&room.latents), products.factor(&crosscoder.w_dec));
    room.g.copy_(&crosscoder.b_dec);
    products.add_product(&mut room.g, &latent_factor, &w_dec_factor);
    let recon = reconstruction_gradient(&mut room.g, x) * per_row;
    let g_factor = products.factor(&room.g);
    products.set_product(&mut room.upstream, &g_factor, &w_dec_factor.tr());

    let hook_norms = hook_norms(crosscoder);
    let latents = Latents::of(crosscoder, thresholds, &hook_norms, cfg, batch as usize);
    let sums = latents.all_tokens(room);
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = grads else { panic!("five parameters") };
    products.set_product(w_enc, &products.factor(&room.upstream).tr(), x_factor);
    floats_mut(b_enc).copy_from_slice(&sums.d_b_enc);
    set_norm_gradients(floats_mut(w_dec), crosscoder, &hook_norms, &latents.d_norms(&sums));
    products.add_product(w_dec, &latent_factor.tr(), &g_factor);
    b_dec.copy_(&room.g.sum_dim_intlist(0, false, Kind::Float));
    floats_mut(log_threshold).copy_from_slice(&latents.d_log_thresholds(&sums));

    let sum = |values: &[f32]| values.iter().map(|&value| f64::from(value)).sum::<f64>();
    let sparsity = sum(&sums.squashed) * per_row;
    let pre_act =
        sums.gaps.iter().zip(&latents.dec_norms).map(|(gap, norm)| f64::from(gap * norm)).sum::<f64>() * per_row;
    let losses = Losses::weighted(recon, sparsity, pre_act, cfg).tensor();
    let n_fired = Tensor::from_slice(&sums.n_fired).to_kind(Kind::Int64);
    Step { losses, grads: grads.iter().map(Tensor::shallow_clone).collect(), n_fired }
}

/// Fills the room's latents.
fn apply_jumprelu(room: &mut Room, thresholds: &[f32]) {
    let n = thresholds.len();
    let rows = floats_mut(&mut room.latents).chunks_mut(n * TOKENS).zip(floats(&room.pre_acts).chunks(n * TOKENS));
    parallel::for_each(rows, |(latents, pre_acts)| {
        for (latents, pre_acts) in latents.chunks_exact_mut(n).zip(pre_acts.chunks_exact(n)) {
            jumprelu(latents, pre_acts, thresholds);
        }
    });
}

vectorised! {
    fn jumprelu(latents: &mut [f32], pre_acts: &[f32], thresholds: &[f32]) {
        for ((latent, &pre), &threshold) in latents.iter_mut().zip(pre_acts).zip(thresholds) {
            *latent = if pre > threshold { pre } else { 0.0 };
        }
    }
}

/// Turns x̂ into g = 2 (x̂ − x) / B; returns Σ (x̂ − x)².
fn reconstruction_gradient(recon: &mut Tensor, x: &Tensor) -> f64 {
    let (batch, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let n = n_inputs as usize;
    let mut squares = vec![0.0; batch as usize];
    let rows = floats_mut(recon).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares);
    parallel::for_each(rows, |((g, x), square)| *square = f64::from(scaled_error(g, x, 2.0 / batch as f32)));
    squares.iter().sum()
}

/// L2 norm of each latent's direction at each hook point, [latent, hook].
fn hook_norms(crosscoder: &Crosscoder) -> Vec<f32> {
    let (d_model, n_hooks) = (crosscoder.d_model as usize, crosscoder.hooks.len());
    let mut norms = vec![0.0; crosscoder.n_latents() as usize * n_hooks];
    let rows = floats(&crosscoder.w_dec).chunks(d_model * n_hooks * LATENTS);
    parallel::for_each(norms.chunks_mut(n_hooks * LATENTS).zip(rows), |(norms, rows)| {
        let rows = rows.chunks_exact(d_model * n_hooks);
        norms.chunks_exact_mut(n_hooks).zip(rows).for_each(|(norms, row)| set_hook_norms(norms, row, d_model));
    });
    norms
}

/// Sets the decoder's gradient to what the norms pass on to it.
fn set_norm_gradients(grad: &mut [f32], crosscoder: &Crosscoder, hook_norms: &[f32], d_norms: &[f32]) {
    let (d_model, n_hooks) = (crosscoder.d_model as usize, crosscoder.hooks.len());
    let n = d_model * n_hooks;
    let rows = grad.chunks_mut(n).zip(floats(&crosscoder.w_dec).chunks(n));
    parallel::for_each(rows.zip(hook_norms.chunks(n_hooks).zip(d_norms)), |((grad, row), (norms, d_norm))| {
        set_norm_gradient(grad, row, norms, *d_norm, d_model);
    });
}

/// What the pass over pairs needs of each latent.
struct Latents<'a> {
    thresholds: &'a [f32],
    dec_norms: Vec<f32>,
    /// (λ_p/B) N
    pulls: Vec<f32>,
    /// c N
    squash: Vec<f32>,
    /// (λ_s/B) c N
    steepest: Vec<f32>,
    half_width: f32,
    cfg: &'a LossConfig,
    per_row: f32,
}

/// Sums over tokens, one a latent.
struct Sums {
    squashed: Vec<f32>,
    gaps: Vec<f32>,
    n_below: Vec<f32>,
    n_fired: Vec<f32>,
    /// Σ f (1 − tanh²)
    bends: Vec<f32>,
    d_b_enc: Vec<f32>,
    /// Σ ∂L/∂f in the window.
    through: Vec<f32>,
}

impl Sums {
    fn new(n_latents: usize) -> Sums {
        let zeros = || vec![0.0; n_latents];
        Sums {
            squashed: zeros(),
            gaps: zeros(),
            n_below: zeros(),
            n_fired: zeros(),
            bends: zeros(),
            d_b_enc: zeros(),
            through: zeros(),
        }
    }

    fn all(&mut self) -> [&mut Vec<f32>; 7] {
        let Sums { squashed, gaps, n_below, n_fired, bends, d_b_enc, through } = self;
        [squashed, gaps, n_below, n_fired, bends, d_b_enc, through]
    }

    fn add(&mut self, mut more: Sums) {
        for (sums, more) in self.all().into_iter().zip(more.all()) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += *more);
        }
    }
}

impl<'a> Latents<'a> {
    fn of(
        crosscoder: &Crosscoder,
        thresholds: &'a [f32],
        hook_norms: &[f32],
        cfg: &'a LossConfig,
        batch: usize,
    ) -> Latents<'a> {
        let dec_norms: Vec<f32> =
            hook_norms.chunks(crosscoder.hooks.len()).map(|norms| norms.iter().sum::<f32>()).collect();
        let per_row = 1.0 / batch as f32;
        let times = |factor: f32| dec_norms.iter().map(|norm| factor * norm).collect::<Vec<f32>>();
        let tanh_scale = cfg.tanh_scale as f32;
        Latents {
            thresholds,
            pulls: times(cfg.lambda_p as f32 * per_row),
            squash: times(tanh_scale),
            steepest: times(cfg.lambda_s as f32 * per_row * tanh_scale),
            half_width: cfg.backward.bandwidth as f32 / 2.0,
            dec_norms,
            cfg,
            per_row,
        }
    }

    /// Goes through all pairs: turns ⟨g, W_dec⟩ into ∂L/∂pre, and sums up.
    fn all_tokens(&self, room: &mut Room) -> Sums {
        let n = self.thresholds.len();
        let n_pieces = floats(&room.pre_acts).len().div_ceil(n * TOKENS);
        let mut pieces: Vec<Sums> = (0..n_pieces).map(|_| Sums::new(n)).collect();
        let rows = floats(&room.pre_acts).chunks(n * TOKENS).zip(floats_mut(&mut room.upstream).chunks_mut(n * TOKENS));
        parallel::for_each(rows.zip(&mut pieces), |((pre_acts, upstream), sums)| {
            for (pre_acts, upstream) in pre_acts.chunks_exact(n).zip(upstream.chunks_exact_mut(n)) {
                match self.cfg.pre_act_target {
                    PreActTarget::PreActs => one_token_on_pre_acts(self, pre_acts, upstream, sums),
                    PreActTarget::Latents => one_token_on_latents(self, pre_acts, upstream, sums),
                }
            }
        });
        let mut sums = Sums::new(n);
        pieces.into_iter().for_each(|piece| sums.add(piece));
        sums
    }

    /// ∂L/∂N
    fn d_norms(&self, sums: &Sums) -> Vec<f32> {
        let on_bend = self.cfg.lambda_s as f32 * self.per_row * self.cfg.tanh_scale as f32;
        let on_gap = self.cfg.lambda_p as f32 * self.per_row;
        sums.bends.iter().zip(&sums.gaps).map(|(bend, gap)| on_bend * bend + on_gap * gap).collect()
    }

    /// ∂L/∂t
    fn d_log_thresholds(&self, sums: &Sums) -> Vec<f32> {
        let of =
            |i: usize| d_log_threshold(self.cfg, self.thresholds[i], self.pulls[i], sums.n_below[i], sums.through[i]);
        (0..self.thresholds.len()).map(of).collect()
    }
}

vectorised! {
    fn one_token_on_pre_acts(latents: &Latents, pre_acts: &[f32], upstream: &mut [f32], sums: &mut Sums) {
        one_token::<false>(latents, pre_acts, upstream, sums);
    }
}

vectorised! {
    fn one_token_on_latents(latents: &Latents, pre_acts: &[f32], upstream: &mut [f32], sums: &mut Sums) {
        one_token::<true>(latents, pre_acts, upstream, sums);
    }
}

/// All latents on one token; `ON_LATENTS` as in [`PreActTarget::Latents`].
#[inline(always)]
fn one_token<const ON_LATENTS: bool>(latents: &Latents, pre_acts: &[f32], upstream: &mut [f32], sums: &mut Sums) {
    let n = pre_acts.len();
    let (thresholds, pulls, upstream) = (&latents.thresholds[..n], &latents.pulls[..n], &mut upstream[..n]);
    let (squash, steepest, half_width) = (&latents.squash[..n], &latents.steepest[..n], latents.half_width);
    let [squashed_sums, gaps, n_below, n_fired, bends, d_b_enc, through] = sums.all().map(|sums| &mut sums[..n]);
    for i in 0..n {
        let (pre, threshold) = (pre_acts[i], thresholds[i]);
        let fires = pre > threshold;
        let f = if fires { pre } else { 0.0 };
        let gap = threshold - if ON_LATENTS { f } else { pre };
        let pull = if gap > 0.0 { pulls[i] } else { 0.0 };
        let squashed = tanh(f * squash[i]);
        let bend = 1.0 - squashed * squashed;
        let d_latent = upstream[i] + bend * steepest[i] - if ON_LATENTS { pull } else { 0.0 };
        let d_pre = if fires { d_latent } else { 0.0 } - if ON_LATENTS { 0.0 } else { pull };
        upstream[i] = d_pre;
        squashed_sums[i] += squashed;
        gaps[i] += if gap < 0.0 { 0.0 } else { gap }; // no number at all stays none, and shows in the loss
        n_below[i] += if gap > 0.0 { 1.0 } else { 0.0 };
        n_fired[i] += if fires { 1.0 } else { 0.0 };
        bends[i] += f * bend;
        d_b_enc[i] += d_pre;
        through[i] += if (pre - threshold).abs() < half_width { d_latent } else { 0.0 };
    }
}
