//! Fresh crosscoders: small tied weights, and biases that make each latent fire on a set share of the data.

use super::Crosscoder;
use crate::language_model::HookPoint;
use tch::{Kind, Tensor};

/// t at the start: θ = exp(0.1).
const LOG_THRESHOLD: f64 = 0.1;

/// A fresh crosscoder: a decoder drawn uniformly within ±1/n, n = hooks · d_model, and the rest [`tied`] to it. Draws
/// from libtorch's generator: have it [`seeded`](crate::processor::generator::seeded) first.
///
/// # Shapes
/// `acts` [sample, hook, d_model], scaled; `scale` `[hook]`
pub fn init(n_latents: i64, hooks: &[HookPoint], acts: &Tensor, scale: &Tensor, firing_frac: f64) -> Crosscoder {
    let (_, n_hooks, d_model) = acts.size3().expect("acts [sample, hook, d_model]");
    let n_inputs = n_hooks * d_model;
    let bound = 1.0 / n_inputs as f64;
    let w_dec = Tensor::empty([n_latents, n_inputs], (Kind::Float, acts.device())).uniform_(-bound, bound);
    tied(&w_dec, hooks, acts, scale, firing_frac)
}

/// The crosscoder that starts from a decoder: W_enc = (n/m) W_decᵀ with n = hooks · d_model and m = latents, b_dec = 0,
/// and b_enc such that each latent fires on `firing_frac` of `acts`.
///
/// # Shapes
/// `w_dec` [latent, hook · d_model]; `acts` [sample, hook, d_model], scaled; `scale` `[hook]`
pub fn tied(w_dec: &Tensor, hooks: &[HookPoint], acts: &Tensor, scale: &Tensor, firing_frac: f64) -> Crosscoder {
    let (n_samples, n_hooks, d_model) = acts.size3().expect("acts [sample, hook, d_model]");
    assert_eq!(n_hooks, hooks.len() as i64, "one hook point a slice of the activations");
    let (n_latents, n_inputs) = w_dec.size2().expect("w_dec [latent, hook · d_model]");
    let opts = (Kind::Float, acts.device());
    let w_enc = w_dec * (n_inputs as f64 / n_latents as f64);
    let log_threshold = Tensor::full([n_latents], LOG_THRESHOLD, opts);
    let b_enc = encoder_bias(&acts.view([n_samples, n_inputs]), &w_enc, &log_threshold, firing_frac);
    Crosscoder {
        hooks: hooks.to_vec(),
        d_model,
        w_enc,
        b_enc,
        w_dec: w_dec.shallow_clone(),
        b_dec: Tensor::zeros([n_inputs], opts),
        log_threshold,
        scale: scale.shallow_clone(),
    }
}

/// b_enc = θ − the (1 − p)-quantile of x · W_enc, for each latent.
///
/// # Shapes
/// `acts` [sample, input], `w_enc` [latent, input], `log_threshold` `[latent]` → `[latent]`
pub fn encoder_bias(acts: &Tensor, w_enc: &Tensor, log_threshold: &Tensor, firing_frac: f64) -> Tensor {
    /// Latents at once, to bound the memory of samples × latents.
    const CHUNK: i64 = 256;
    let quantiles: Vec<Tensor> = w_enc
        .split(CHUNK, 0)
        .iter()
        .map(|rows| quantile(&acts.linear(rows, None::<Tensor>), 1.0 - firing_frac))
        .collect();
    log_threshold.exp() - Tensor::cat(&quantiles, 0)
}

/// The quantile of each column, interpolated linearly.
///
/// # Shapes
/// `values` [sample, column] → `[column]`
fn quantile(values: &Tensor, share: f64) -> Tensor {
    let (sorted, _) = values.sort(0, false);
    let place = share * (values.size()[0] - 1) as f64;
    let (below, above) = (sorted.get(place.floor() as i64), sorted.get(place.ceil() as i64));
    &below + (above - &below) * place.fract()
}
