//! An all-layer JumpReLU crosscoder: one sparse dictionary over the activations of several hook points at once
//! (Anthropic, "Sparse Crosscoders", October 2024). With one hook point it is a sparse autoencoder.
//!
//! ```text
//! pre = Σ_hook x[hook] · W_enc[hook] + b_enc        f = JumpReLU(pre)        x̂ = f · W_dec + b_dec
//! ```
//! It sees activations times a scale per hook point. [`Crosscoder::fold`] puts that scale into the weights.
//!
//! | in reading order | |
//! |---|---|
//! | [`Crosscoder`], [`Encoding`] | the dictionary, the code of a batch |
//! | [`init`](fn@init), [`tied`] | fresh ones |
//! | [`mod@jumprelu`], [`loss`] | the activation and the terms of the loss, with their derivatives |
//! | [`gradients`], [`total_loss`] | the formula in tensors, on any device |
//! | [`Optimiser`] | a step of training, fast on a processor |
//! | [`harvest`], [`train`] | activations of a language model, a whole training on them |
//! | [`firing`], [`metrics`], [`evaluate`] | what a trained one is worth |
//! | [`intervene`] | what activations would be with other latents |
//! | [`interactions`] | what latents do to each other inside an MLP |
//! | [`formats`] | files of SAELens and of the published code |
//!
//! ```
//! use stagediff::crosscoder::{Crosscoder, LossConfig, Losses, Optimiser, init};
//! use stagediff::language_model::HookPoint;
//! use stagediff::training::adam::AdamConfig;
//! use tch::{Device, Kind, Tensor};
//!
//! let acts = Tensor::randn([256, 5, 16], (Kind::Float, Device::Cpu)); // [batch, hook, d_model], scaled
//! let scale = Tensor::ones([5], (Kind::Float, Device::Cpu));
//! let mut crosscoder: Crosscoder = init(128, &HookPoint::residual_stream(4), &acts, &scale, 0.5);
//!
//! let mut optimiser = Optimiser::new(&crosscoder, AdamConfig::default());
//! let step = optimiser.step(&mut crosscoder, &acts, &LossConfig::default(), 5e-4);
//! assert!(Losses::read(&step.losses).total.is_finite());
//!
//! let code = crosscoder.encode(&acts); // [batch, latent], before and after JumpReLU
//! let recon = crosscoder.decode(&code.latents); // [batch, hook, d_model]
//! assert_eq!(recon.size(), acts.size());
//! ```

pub mod evaluate;
pub mod firing;
pub mod formats;
pub mod harvest;
mod init;
pub mod interactions;
pub mod intervene;
pub mod jumprelu;
pub mod loss;
pub mod metrics;
mod parts;
mod precision;
mod step;
pub mod train;

pub use init::{encoder_bias, init, tied};
pub use loss::{LossConfig, Losses, PreActTarget};
pub use precision::Precision;
pub use step::{BatchGradients, Optimiser, StepReport, gradients, total_loss};

use crate::crosscoder::jumprelu::jumprelu;
use crate::language_model::hook::HookPoint;
use tch::Tensor;

/// The dictionary. Both weight matrices have one contiguous row a latent, hooks one after the other.
pub struct Crosscoder {
    /// The hook points that it reads and writes, in order.
    pub hooks: Vec<HookPoint>,
    /// Width of one hook point.
    pub d_model: i64,
    /// Encoder, [latent, hook · d_model].
    pub w_enc: Tensor,
    /// Encoder bias, `[latent]`.
    pub b_enc: Tensor,
    /// Decoder, [latent, hook · d_model].
    pub w_dec: Tensor,
    /// Decoder bias, [hook · d_model].
    pub b_dec: Tensor,
    /// t = log θ, `[latent]`.
    pub log_threshold: Tensor,
    /// What activations are multiplied by, `[hook]`.
    pub scale: Tensor,
}

/// A batch's code.
pub struct Encoding {
    /// Before JumpReLU, [batch, latent].
    pub pre_acts: Tensor,
    /// After it.
    pub latents: Tensor,
}

impl Crosscoder {
    /// Number of latents.
    pub fn n_latents(&self) -> i64 {
        self.b_enc.size()[0]
    }

    /// hook · d_model.
    fn n_inputs(&self) -> usize {
        self.hooks.len() * self.d_model as usize
    }

    /// θ = exp(t).
    ///
    /// # Shapes
    /// → `[latent]`
    pub fn thresholds(&self) -> Tensor {
        self.log_threshold.exp()
    }

    /// The code of activations.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled → [batch, latent]
    pub fn encode(&self, acts: &Tensor) -> Encoding {
        self.activate(acts.flatten(1, -1).linear(&self.w_enc, Some(&self.b_enc)))
    }

    fn activate(&self, pre_acts: Tensor) -> Encoding {
        Encoding { latents: jumprelu(&pre_acts, &self.thresholds()), pre_acts }
    }

    /// The activations of a code.
    ///
    /// # Shapes
    /// `latents` [batch, latent] → [batch, hook, d_model], scaled
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        (latents.matmul(&self.w_dec) + &self.b_dec).view([-1, self.hooks.len() as i64, self.d_model])
    }

    /// Encodes and decodes activations in the model's own space.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], not scaled → the same
    pub fn reconstruct(&self, acts: &Tensor) -> Tensor {
        let scale = self.scale.view([1, -1, 1]);
        self.decode(&self.encode(&(acts * &scale)).latents) / scale
    }

    /// L2 norm of each latent's decoder direction at each hook point.
    ///
    /// # Shapes
    /// → [latent, hook]
    pub fn hook_norms(&self) -> Tensor {
        self.w_dec_by_hook().norm_scalaropt_dim(2.0, [2i64].as_slice(), false)
    }

    /// The decoder norm N: the sum over hook points of the L2 norms.
    ///
    /// # Shapes
    /// → `[latent]`
    pub fn dec_norms(&self) -> Tensor {
        self.hook_norms().sum_dim_intlist(1, false, self.w_dec.kind())
    }

    /// The decoder by hook point.
    ///
    /// # Shapes
    /// → [latent, hook, d_model]
    pub fn w_dec_by_hook(&self) -> Tensor {
        self.w_dec.view([self.n_latents(), -1, self.d_model])
    }

    /// The same crosscoder for activations that are not scaled: W_enc · s, W_dec / s, b_dec / s, scale 1. Its latents are
    /// the same.
    pub fn fold(&self) -> Crosscoder {
        self.rescaled(&self.scale, &self.scale.ones_like())
    }

    /// Undoes [`Crosscoder::fold`]: the crosscoder for activations multiplied by `scale`.
    ///
    /// # Shapes
    /// `scale` `[hook]`
    pub fn unfold(&self, scale: &Tensor) -> Crosscoder {
        self.rescaled(&scale.reciprocal(), scale)
    }

    fn rescaled(&self, factor: &Tensor, scale: &Tensor) -> Crosscoder {
        let wide = factor.repeat_interleave_self_int(self.d_model, 0, None); // [hook · d_model]
        Crosscoder {
            w_enc: &self.w_enc * &wide,
            w_dec: &self.w_dec / &wide,
            b_dec: &self.b_dec / &wide,
            scale: scale.shallow_clone(),
            ..self.copy()
        }
    }

    /// Handles on the trained parameters: W_enc, b_enc, W_dec, b_dec, t.
    pub fn params(&self) -> [Tensor; 5] {
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec, &self.log_threshold].map(Tensor::shallow_clone)
    }

    /// A crosscoder of its own with the same values.
    pub fn copy(&self) -> Crosscoder {
        Crosscoder {
            hooks: self.hooks.clone(),
            d_model: self.d_model,
            w_enc: self.w_enc.copy(),
            b_enc: self.b_enc.copy(),
            w_dec: self.w_dec.copy(),
            b_dec: self.b_dec.copy(),
            log_threshold: self.log_threshold.copy(),
            scale: self.scale.copy(),
        }
    }
}

impl std::fmt::Debug for Crosscoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crosscoder({} hook points × {} → {} latents)", self.hooks.len(), self.d_model, self.n_latents())
    }
}
