//! The backward half by the chain rule, in dense products, on any device and in any precision. By hand, since libtorch's
//! autograd is closed to new functions from Rust. What each term of the loss passes back stands in
//! [`crate::crosscoder::loss`], what JumpReLU does in [`crate::crosscoder::jumprelu`].

use super::forward::Forward;
use super::report::BatchGradients;
use crate::crosscoder::loss::{self, LossConfig, PreActTarget, batch_sum};
use crate::crosscoder::{Crosscoder, jumprelu};
use tch::{Kind, Tensor};

/// One forward and backward pass, in dense products on any device and in the precision of the parameters.
/// [`Optimiser`](super::Optimiser) does the same faster on a processor.
///
/// # Shapes
/// `acts` [batch, hook, d_model], scaled
pub fn gradients(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> BatchGradients {
    let _no_grad = tch::no_grad_guard();
    backward(&Forward::of(crosscoder, acts, cfg), crosscoder, cfg)
}

/// The backward half.
pub(super) fn backward(forward: &Forward, crosscoder: &Crosscoder, cfg: &LossConfig) -> BatchGradients {
    let products = cfg.products;
    let Forward { x, encoding, thresholds, dec_norms, .. } = forward;
    let d_recon = loss::d_reconstruction(x, &forward.recon);
    let (sparsity_d_latents, sparsity_d_norms) = loss::d_sparsity(&encoding.latents, dec_norms, cfg.tanh_scale);
    let target = cfg.pre_act_target.of(encoding);
    let (d_gap, pre_act_d_norms) = loss::d_pre_activation(target, thresholds, dec_norms);
    let d_gap = d_gap * cfg.lambda_p;

    let d_recon_factor = products.factor(&d_recon);
    let mut d_latents = products.mm(&d_recon_factor, &forward.w_dec_factor.tr()) + sparsity_d_latents * cfg.lambda_s;
    if cfg.pre_act_target == PreActTarget::Latents {
        d_latents -= &d_gap;
    }
    let (mut d_pre_acts, mut d_log_threshold) =
        jumprelu::backward(&encoding.pre_acts, thresholds, &d_latents, cfg.backward);
    if cfg.pre_act_target == PreActTarget::PreActs {
        d_pre_acts -= &d_gap;
    }
    d_log_threshold += thresholds * batch_sum(&d_gap);

    let d_w_enc = products.mm(&products.factor(&d_pre_acts).tr(), &forward.x_factor).to_kind(x.kind());
    let d_norms = sparsity_d_norms * cfg.lambda_s + pre_act_d_norms * cfg.lambda_p;
    let d_w_dec = products.mm(&forward.latent_factor.tr(), &d_recon_factor) + d_directions(crosscoder, &d_norms);
    BatchGradients {
        losses: forward.losses(cfg),
        grads: [d_w_enc, batch_sum(&d_pre_acts), d_w_dec, batch_sum(&d_recon), d_log_threshold],
        n_fired: encoding.latents.gt(0.0).sum_dim_intlist(0, false, Kind::Int64),
    }
}

/// What the decoder norms pass back to W_dec: ∂L/∂N · W_dec / ‖W_dec‖ at each hook point, 0 where the norm is 0.
///
/// # Shapes
/// `d_norms` `[latent]` → [latent, hook · d_model]
fn d_directions(crosscoder: &Crosscoder, d_norms: &Tensor) -> Tensor {
    let norms = crosscoder.hook_norms().clamp_min(f64::MIN_POSITIVE).unsqueeze(2);
    let directions = (crosscoder.w_dec_by_hook() / norms).nan_to_num(0.0, 0.0, 0.0);
    (directions * d_norms.view([-1, 1, 1])).flatten(1, 2)
}
