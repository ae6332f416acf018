//! The forward half of a step: code, reconstruction and losses of a batch, on any device and in any precision.

use crate::crosscoder::loss::{self, LossConfig};
use crate::crosscoder::{Crosscoder, Encoding};
use tch::{Kind, Tensor};

/// A batch's forward pass, with the factors of the products that its backward pass takes again.
pub(super) struct Forward {
    /// [batch, hook · d_model]
    pub x: Tensor,
    pub encoding: Encoding,
    /// x̂ [batch, hook · d_model]
    pub recon: Tensor,
    /// θ [latent]
    pub thresholds: Tensor,
    /// N [latent]
    pub dec_norms: Tensor,
    pub x_factor: Tensor,
    pub latent_factor: Tensor,
    pub w_dec_factor: Tensor,
}

impl Forward {
    pub fn of(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Forward {
        let (x, products) = (acts.flatten(1, -1), cfg.products);
        let (x_factor, w_enc_factor) = (products.factor(&x), products.factor(&crosscoder.w_enc));
        let encoding = crosscoder.activate(products.mm(&x_factor, &w_enc_factor.tr()) + &crosscoder.b_enc);
        let (latent_factor, w_dec_factor) = (products.factor(&encoding.latents), products.factor(&crosscoder.w_dec));
        let recon = products.mm(&latent_factor, &w_dec_factor) + &crosscoder.b_dec;
        let (thresholds, dec_norms) = (crosscoder.thresholds(), crosscoder.dec_norms());
        Forward { x, encoding, recon, thresholds, dec_norms, x_factor, latent_factor, w_dec_factor }
    }

    /// As [`BatchGradients::losses`](super::BatchGradients::losses).
    pub fn losses(&self, cfg: &LossConfig) -> Tensor {
        let target = cfg.pre_act_target.of(&self.encoding);
        let recon = loss::reconstruction(&self.x, &self.recon);
        let sparsity = loss::sparsity(&self.encoding.latents, &self.dec_norms, cfg.tanh_scale);
        let pre_act = loss::pre_activation(target, &self.thresholds, &self.dec_norms);
        let total = &recon + &sparsity * cfg.lambda_s + &pre_act * cfg.lambda_p;
        Tensor::stack(&[total, recon, sparsity, pre_act], 0).to_kind(Kind::Double)
    }
}

/// The loss of a batch.
///
/// # Shapes
/// `acts` [batch, hook, d_model], scaled → scalar
pub fn total_loss(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Tensor {
    Forward::of(crosscoder, acts, cfg).losses(cfg).get(0)
}
