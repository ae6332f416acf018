//! An all-layer JumpReLU crosscoder: one sparse dictionary over the activations of several hook points at once
//! (Anthropic, "Sparse Crosscoders", October 2024). With one hook point it is a sparse autoencoder.
//!
//! ```text
//! pre = Σ_hook x[hook] · W_enc[hook] + b_enc        f = JumpReLU(pre)        x̂ = f · W_dec + b_dec
//! ```
//! It sees activations times a scale per hook point. [`Crosscoder::fold`] puts that scale into the weights.

mod dense;
pub mod evaluate;
pub mod firing;
mod gradients;
pub mod harvest;
mod init;
pub mod jumprelu;
pub mod loss;
pub mod metrics;
pub mod model_diffing;
mod optimiser;
mod pairs;
mod products;
mod rows;
pub mod sae_lens;
mod sparse;
mod step;
pub mod train;

pub use gradients::{LossConfig, Losses, Step, gradients, total_loss};
pub use init::{encoder_bias, init, tied};
pub use optimiser::{Descent, Optimiser};
pub use products::Products;
pub use step::Gradients;

use crate::crosscoder::jumprelu::jumprelu;
use crate::files::weights::Weights;
use crate::language_model::hook::HookPoint;
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Tensor};

/// Names of the parameters, in the order of [`Crosscoder::params`].
const NAMES: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

/// Version of the file format.
const FORMAT: &str = "stagediff crosscoder 1";

/// The dictionary. Both weight matrices have one contiguous row a latent, hooks one after the other.
pub struct Crosscoder {
    /// The hook points that it reads and writes, in order.
    pub hooks: Vec<HookPoint>,
    /// Width of one hook point.
    pub d_model: i64,
    /// Encoder, [latent, hook · d_model].
    pub w_enc: Tensor,
    /// Encoder bias, [latent].
    pub b_enc: Tensor,
    /// Decoder, [latent, hook · d_model].
    pub w_dec: Tensor,
    /// Decoder bias, [hook · d_model].
    pub b_dec: Tensor,
    /// t = log θ, [latent].
    pub log_threshold: Tensor,
    /// What activations are multiplied by, [hook].
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

    /// θ = exp(t).
    ///
    /// # Shapes
    /// → [latent]
    pub fn thresholds(&self) -> Tensor {
        self.log_threshold.exp()
    }

    /// The code of activations.
    ///
    /// # Shapes
    /// `acts` [batch, hook, d_model], scaled → [batch, latent]
    pub fn encode(&self, acts: &Tensor) -> Encoding {
        let batch = acts.size()[0];
        let pre_acts = acts.reshape([batch, -1]).linear(&self.w_enc, Some(&self.b_enc));
        let latents = jumprelu(&pre_acts, &self.thresholds());
        Encoding { pre_acts, latents }
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
    /// → [latent]
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

    /// The encoder by hook point, one row a latent.
    ///
    /// # Shapes
    /// → [latent, hook, d_model]
    pub fn w_enc_by_hook(&self) -> Tensor {
        self.w_enc.view([self.n_latents(), -1, self.d_model])
    }

    /// The same crosscoder for activations that are not scaled: W_enc · s, W_dec / s, b_dec / s, scale 1. Its latents are
    /// the same.
    pub fn fold(&self) -> Crosscoder {
        self.rescaled(&self.scale, &self.scale.ones_like())
    }

    /// Undoes [`Crosscoder::fold`]: the crosscoder for activations multiplied by `scale`.
    ///
    /// # Shapes
    /// `scale` [hook]
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
    pub fn params(&self) -> Vec<Tensor> {
        [&self.w_enc, &self.b_enc, &self.w_dec, &self.b_dec, &self.log_threshold].map(Tensor::shallow_clone).into()
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

    /// Writes a safetensors file; `about` goes into its header.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save(&self, path: &Path, about: &[(&str, String)]) -> Result<()> {
        let mut weights = Weights::new();
        for (name, param) in NAMES.iter().zip(self.params()) {
            weights.insert(*name, &param);
        }
        weights.insert("scale", &self.scale);
        weights.describe("format", FORMAT);
        weights.describe("hooks", self.hooks.iter().map(HookPoint::to_string).collect::<Vec<_>>().join(" "));
        for (key, value) in about {
            weights.describe(key, value);
        }
        weights.write(path)
    }

    /// Reads a file that [`Crosscoder::save`] wrote; the header's lines named in `expected` must be as given.
    ///
    /// # Errors
    /// The file is foreign or damaged, or a line of the header is another one: it is named.
    pub fn load(path: &Path, expected: &[(&str, String)], device: Device) -> Result<Crosscoder> {
        let weights = Weights::read(path, device)?;
        weights.expect("format", FORMAT)?;
        for (key, value) in expected {
            weights.expect(key, value)?;
        }
        let hooks: Vec<HookPoint> = weights.about("hooks")?.split(' ').map(str::parse).collect::<Result<_>>()?;
        let shape = |name: &str| weights.tensors.get(name).map(Tensor::size).unwrap_or_default();
        let &[n_latents, n_inputs] = shape("w_enc").as_slice() else {
            return Err(Error::invalid(
                path,
                format!("w_enc has shape {:?}, expected [latent, hook · d_model]", shape("w_enc")),
            ));
        };
        let n_hooks = hooks.len() as i64;
        if n_inputs % n_hooks != 0 {
            return Err(Error::invalid(
                path,
                format!("w_enc has {n_inputs} columns, no multiple of {n_hooks} hook points"),
            ));
        }
        Ok(Crosscoder {
            d_model: n_inputs / n_hooks,
            w_enc: weights.get("w_enc", &[n_latents, n_inputs])?,
            b_enc: weights.get("b_enc", &[n_latents])?,
            w_dec: weights.get("w_dec", &[n_latents, n_inputs])?,
            b_dec: weights.get("b_dec", &[n_inputs])?,
            log_threshold: weights.get("log_threshold", &[n_latents])?,
            scale: weights.get("scale", &[n_hooks])?,
            hooks,
        })
    }
}

impl std::fmt::Debug for Crosscoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crosscoder({} hook points × {} → {} latents)", self.hooks.len(), self.d_model, self.n_latents())
    }
}
