//! A crosscoder's own file: its tensors as safetensors, its hook points and what it was made of in the header.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::formats::hooks;
use crate::crosscoder::formats::tensors::{PARAMETERS, Tensors, check_finite};
use crate::files::Weights;
use crate::{Error, Result};
use std::path::Path;
use tch::Device;

/// Version of the file format.
const FORMAT: &str = "stagediff crosscoder 1";

impl Crosscoder {
    /// Writes a safetensors file; `about` goes into its header.
    ///
    /// # Errors
    /// The folder cannot be written to, or a parameter is not finite.
    pub fn save(&self, path: &Path, about: &[(&str, String)]) -> Result<()> {
        let mut weights = Weights::new();
        check_finite(self, path)?;
        for (name, param) in PARAMETERS.iter().zip(self.params()) {
            weights.insert(*name, &param);
        }
        weights.insert("scale", &self.scale);
        weights.describe("format", FORMAT);
        weights.describe("hooks", hooks::to_line(&self.hooks));
        match hooks::n_models(&self.hooks) {
            1 => {}
            n_models => weights.describe("models", n_models.to_string()),
        }
        for (key, value) in about {
            weights.describe(key, value);
        }
        weights.write(path)
    }

    /// Reads a file that [`Crosscoder::save`] wrote; the header's lines named in `expected` must be as given.
    ///
    /// # Errors
    /// The file is foreign or damaged, a line of the header is another one, or a tensor is none of a crosscoder's, has
    /// another shape or type, or holds a number that it cannot hold: it is named.
    pub fn load(path: &Path, expected: &[(&str, String)], device: Device) -> Result<Crosscoder> {
        let mut tensors = Tensors::read(path, device)?;
        tensors.file.expect("format", FORMAT)?;
        for (key, value) in expected {
            tensors.file.expect(key, value)?;
        }
        let hooks = hooks::from_line(tensors.file.about("hooks")?, path)?;
        let n_models = tensors.file.metadata.get("models").map_or("1", String::as_str);
        hooks::check_of_models(&hooks, n_models, path)?;
        let n_hooks = hooks.len() as i64;
        let [n_latents, n_inputs] = tensors.lengths("w_enc", "[latent, hook · d_model]")?;
        if n_inputs % n_hooks != 0 {
            let reason = format!("w_enc has {n_inputs} columns, no multiple of {n_hooks} hook points");
            return Err(Error::invalid(path, reason));
        }
        let crosscoder = Crosscoder {
            d_model: n_inputs / n_hooks,
            w_enc: tensors.take("w_enc", &[n_latents, n_inputs])?,
            b_enc: tensors.take("b_enc", &[n_latents])?,
            w_dec: tensors.take("w_dec", &[n_latents, n_inputs])?,
            b_dec: tensors.take("b_dec", &[n_inputs])?,
            log_threshold: tensors.take_log_threshold("log_threshold", n_latents)?,
            scale: tensors.take_positive("scale", &[n_hooks])?,
            hooks,
        };
        tensors.nothing_left()?;
        Ok(crosscoder)
    }
}
