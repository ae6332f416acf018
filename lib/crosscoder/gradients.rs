//! The crosscoder's backward pass, by hand: libtorch's autograd is closed to new functions from Rust.
//!
//! With B the batch size, g = 2 (x̂ − x) / B, s = 1 − tanh²(c f N), below = 1[z < θ]:
//! ```text
//! ∂L/∂f     = ⟨g, W_dec⟩ + (λ_s/B) c N s             (− (λ_p/B) N below, where z = f)
//! ∂L/∂pre   = through JumpReLU                        (− (λ_p/B) N below, where z = pre)
//! ∂L/∂t     = through JumpReLU + (λ_p/B) θ N Σ_b below
//! ∂L/∂N     = Σ_b (λ_s/B) c f s + (λ_p/B) Σ_b relu(θ − z)
//! ∂L/∂W_enc = preᵀ-gradient · x        ∂L/∂b_enc = Σ_b ∂L/∂pre        ∂L/∂b_dec = Σ_b g
//! ∂L/∂W_dec = fᵀ g + ∂L/∂N · W_dec / ‖W_dec‖        (per latent and hook; 0 where the norm is 0)
//! ```

use super::{Crosscoder, Products};
use crate::crosscoder::jumprelu::{self, Backward, jumprelu};
use crate::crosscoder::loss;
use crate::crosscoder::loss::PreActTarget;
use crate::experiment::recipe::Recipe;
use tch::{Kind, Tensor};

/// Weights and constants of the loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossConfig {
    /// Weight of the sparsity term.
    pub lambda_s: f64,
    /// Weight of the pre-activation term.
    pub lambda_p: f64,
    /// c in tanh(c f N).
    pub tanh_scale: f64,
    /// What the pre-activation term reads.
    pub pre_act_target: PreActTarget,
    /// JumpReLU's backward pass.
    pub backward: Backward,
    /// The precision of matrix products.
    pub products: Products,
}

impl LossConfig {
    /// The published constants, c = 4, ε = 2, λ_p = 3e-6, with the recipe's choices.
    pub fn new(lambda_s: f64, recipe: &Recipe) -> LossConfig {
        let backward = Backward { bandwidth: 2.0, chain_rule: recipe.threshold_chain_rule, to_input: false };
        LossConfig {
            lambda_s,
            lambda_p: 3e-6,
            tanh_scale: 4.0,
            pre_act_target: recipe.pre_act_target,
            backward,
            products: Products::Float32,
        }
    }
}

/// The loss of one batch and its terms, unweighted.
#[derive(Debug, Clone, Copy)]
pub struct Losses {
    /// All together, weighted.
    pub total: f64,
    /// Reconstruction.
    pub recon: f64,
    /// Sparsity.
    pub sparsity: f64,
    /// Pre-activation.
    pub pre_act: f64,
}

impl Losses {
    /// The terms with their weighted sum.
    pub(super) fn weighted(recon: f64, sparsity: f64, pre_act: f64, cfg: &LossConfig) -> Losses {
        Losses { total: recon + cfg.lambda_s * sparsity + cfg.lambda_p * pre_act, recon, sparsity, pre_act }
    }

    /// What [`Step::losses`] holds, or a sum of such tensors over steps.
    pub fn read(losses: &Tensor) -> Losses {
        let values = Vec::<f64>::try_from(losses).expect("four numbers");
        Losses { total: values[0], recon: values[1], sparsity: values[2], pre_act: values[3] }
    }

    /// The reverse of [`Losses::read`].
    pub(super) fn tensor(self) -> Tensor {
        Tensor::from_slice(&[self.total, self.recon, self.sparsity, self.pre_act])
    }
}

/// Losses, gradients in the order of [`Crosscoder::params`], and how often each latent fired. All of it stays on the
/// device, so that a training there need not wait for one step before it asks for the next.
pub struct Step {
    /// Whole loss, reconstruction, sparsity and pre-activation term: [`Losses::read`] takes them from the device.
    pub losses: Tensor,
    /// ∂L/∂ each of W_enc, b_enc, W_dec, b_dec, t.
    pub grads: Vec<Tensor>,
    /// Activations of the batch on which each latent fired, [latent].
    pub n_fired: Tensor,
}

/// One forward and backward pass, in dense products on any device and in the precision of the parameters.
/// [`super::Gradients`] does the same faster where few latents fire.
///
/// # Shapes
/// `acts` [batch, hook, d_model], scaled
pub fn gradients(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Step {
    let _no_grad = tch::no_grad_guard();
    let (batch, n_hooks, d_model) = acts.size3().expect("acts [batch, hook, d_model]");
    let n_latents = crosscoder.n_latents();
    let x = acts.view([batch, n_hooks * d_model]);
    let kind = x.kind();
    let per_row = 1.0 / batch as f64;

    let thresholds = crosscoder.thresholds();
    let products = cfg.products;
    let (x_factor, w_dec_factor) = (products.factor(&x), products.factor(&crosscoder.w_dec));
    let pre_acts = &(products.mm(&x_factor, &products.factor(&crosscoder.w_enc).tr()) + &crosscoder.b_enc);
    let latents = &jumprelu(pre_acts, &thresholds);
    let latent_factor = products.factor(latents);
    let recon = products.mm(&latent_factor, &w_dec_factor) + &crosscoder.b_dec; // [batch, hook · d_model]
    let hook_norms = crosscoder.hook_norms(); // [latent, hook]
    let dec_norms = hook_norms.sum_dim_intlist(1, false, kind);
    let z = match cfg.pre_act_target {
        PreActTarget::PreActs => pre_acts,
        PreActTarget::Latents => latents,
    };

    let error = &recon - &x;
    let squashed = (latents * &dec_norms * cfg.tanh_scale).tanh();
    let gap = (&thresholds - z).relu();
    let recon_loss = error.square().sum(kind) * per_row;
    let sparsity_loss = squashed.sum(kind) * per_row;
    let gap_sum = gap.sum_dim_intlist(0, false, kind); // [latent]
    let pre_act_loss = (&gap_sum * &dec_norms).sum(kind) * per_row;

    let g = error * (2.0 * per_row);
    let slope = (1.0 - squashed.square()) * (cfg.lambda_s * per_row * cfg.tanh_scale); // (λ_s/B) c s
    let below = z.lt_tensor(&thresholds);
    let pull = &dec_norms * (cfg.lambda_p * per_row); // (λ_p/B) N
    let g_factor = products.factor(&g);
    let mut upstream = products.mm(&g_factor, &w_dec_factor.tr()) + &slope * &dec_norms;
    if cfg.pre_act_target == PreActTarget::Latents {
        upstream -= &below * &pull;
    }
    let (mut d_pre_acts, mut d_log_threshold) = jumprelu::backward(pre_acts, &thresholds, &upstream, cfg.backward);
    if cfg.pre_act_target == PreActTarget::PreActs {
        d_pre_acts -= &below * &pull;
    }
    d_log_threshold += &pull * &thresholds * below.sum_dim_intlist(0, false, kind);
    let d_norms = (latents * slope).sum_dim_intlist(0, false, kind) + gap_sum * (cfg.lambda_p * per_row);

    let directions =
        crosscoder.w_dec.view([n_latents, n_hooks, d_model]) / hook_norms.clamp_min(f64::MIN_POSITIVE).unsqueeze(2);
    let d_directions = directions.nan_to_num(0.0, 0.0, 0.0) * d_norms.view([-1, 1, 1]);
    let d_w_dec = products.mm(&latent_factor.tr(), &g_factor) + d_directions.view([n_latents, -1]);
    let d_b_dec = g.sum_dim_intlist(0, false, kind);
    let d_w_enc = products.mm(&products.factor(&d_pre_acts).tr(), &x_factor).to_kind(kind);
    let d_b_enc = d_pre_acts.sum_dim_intlist(0, false, kind);

    let total = &recon_loss + &sparsity_loss * cfg.lambda_s + &pre_act_loss * cfg.lambda_p;
    let losses = Tensor::stack(&[total, recon_loss, sparsity_loss, pre_act_loss], 0).to_kind(Kind::Double);
    let n_fired = latents.gt(0.0).sum_dim_intlist(0, false, Kind::Int64);
    Step { losses, grads: vec![d_w_enc, d_b_enc, d_w_dec, d_b_dec, d_log_threshold], n_fired }
}

/// The loss alone, by the terms of [`crate::crosscoder::loss`].
///
/// # Shapes
/// `acts` [batch, hook, d_model], scaled → scalar
pub fn total_loss(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Tensor {
    let encoding = crosscoder.encode(acts);
    let recon = crosscoder.decode(&encoding.latents);
    let dec_norms = crosscoder.dec_norms();
    let target = match cfg.pre_act_target {
        PreActTarget::PreActs => &encoding.pre_acts,
        PreActTarget::Latents => &encoding.latents,
    };
    loss::reconstruction(acts, &recon)
        + loss::sparsity(&encoding.latents, &dec_norms, cfg.tanh_scale) * cfg.lambda_s
        + loss::pre_activation(target, &crosscoder.thresholds(), &dec_norms) * cfg.lambda_p
}
