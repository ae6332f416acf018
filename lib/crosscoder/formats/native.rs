//! A crosscoder's own file: its tensors as safetensors, its hook points and what it was made of in the header.

use crate::crosscoder::Crosscoder;
use crate::files::weights::Weights;
use crate::language_model::hook::HookPoint;
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Tensor};

/// Names of the parameters, in the order of [`Crosscoder::params`].
const NAMES: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

/// Version of the file format.
const FORMAT: &str = "stagediff crosscoder 1";

impl Crosscoder {
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
