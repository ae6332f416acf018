//! The backward half by the chain rule, in dense products, on any device and in any precision. By hand, since libtorch's
//! autograd is closed to new functions from Rust. What each term of the loss passes back stands in
//! [`crate::crosscoder::loss`], what JumpReLU does in [`crate::crosscoder::jumprelu`].

use super::forward::Forward;
use super::report::BatchGradients;
use crate::crosscoder::loss::{self, LossConfig, PreActTarget};
use crate::crosscoder::{Crosscoder, jumprelu};
use tch::{Kind, Tensor};

/// One forward and backward pass, in dense products on any device and in the precision of the parameters.
/// [`Backprop`](super::Backprop) does the same faster where few latents fire.
///
/// # Shapes
/// `acts` [batch, hook, d_model], scaled
pub fn gradients(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> BatchGradients {
    let _no_grad = tch::no_grad_guard();
    let forward = Forward::of(crosscoder, acts, cfg);
    let Forward { x, encoding, thresholds, dec_norms, .. } = &forward;
    let d_recon = loss::d_reconstruction(x, &forward.recon);
    let (from_sparsity, sparsity_d_norms) = loss::d_sparsity(&encoding.latents, dec_norms, cfg.tanh_scale);
    let pre_act = loss::d_pre_activation(cfg.pre_act_target.of(encoding), thresholds, dec_norms);

    let d_recon_factor = cfg.products.factor(&d_recon);
    let mut d_latents = cfg.products.mm(&d_recon_factor, &forward.w_dec_factor.tr()) + from_sparsity * cfg.lambda_s;
    if cfg.pre_act_target == PreActTarget::Latents {
        d_latents += &pre_act.target * cfg.lambda_p;
    }
    let (mut d_pre_acts, mut d_log_threshold) =
        jumprelu::backward(&encoding.pre_acts, thresholds, &d_latents, cfg.backward);
    if cfg.pre_act_target == PreActTarget::PreActs {
        d_pre_acts += &pre_act.target * cfg.lambda_p;
    }
    d_log_threshold += pre_act.thresholds * thresholds * cfg.lambda_p;

    let batch_sum = |terms: &Tensor| terms.sum_dim_intlist(0, false, terms.kind());
    let d_w_enc = cfg.products.mm(&cfg.products.factor(&d_pre_acts).tr(), &forward.x_factor).to_kind(x.kind());
    let d_norms = sparsity_d_norms * cfg.lambda_s + pre_act.dec_norms * cfg.lambda_p;
    let d_w_dec = cfg.products.mm(&forward.latent_factor.tr(), &d_recon_factor) + norm_gradient(crosscoder, &d_norms);
    BatchGradients {
        losses: forward.losses(cfg),
        grads: [d_w_enc, batch_sum(&d_pre_acts), d_w_dec, batch_sum(&d_recon), d_log_threshold],
        n_fired: encoding.latents.gt(0.0).sum_dim_intlist(0, false, Kind::Int64),
    }
}

/// What the decoder norms pass on to W_dec: ∂L/∂N · W_dec / ‖W_dec‖ at each hook point, 0 where the norm is 0.
///
/// # Shapes
/// `d_norms` [latent] → [latent, hook · d_model]
fn norm_gradient(crosscoder: &Crosscoder, d_norms: &Tensor) -> Tensor {
    let norms = crosscoder.hook_norms().clamp_min(f64::MIN_POSITIVE).unsqueeze(2);
    let directions = (crosscoder.w_dec_by_hook() / norms).nan_to_num(0.0, 0.0, 0.0);
    (directions * d_norms.view([-1, 1, 1])).flatten(1, 2)
}
