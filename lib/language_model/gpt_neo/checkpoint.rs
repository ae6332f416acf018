//! A model out of tensors: drawn afresh, copied, read from the folders of Hugging Face; and such folders written.

use super::block::Block;
use super::config::GptNeoConfig;
use super::layer_norm::LayerNorm;
use super::model::{GptNeo, WPE, WTE};
use super::published;
use crate::files::weights::{Weights, as_floats};
use crate::files::write_whole;
use crate::language_model::parameters::{Init, Source};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path;
use tch::{Device, Kind, Tensor};

impl GptNeo {
    /// Builds the model of tensors from `source`. Fresh ones are drawn in this order.
    fn new<E>(config: &GptNeoConfig, source: &mut Source<E>) -> std::result::Result<GptNeo, E> {
        let &GptNeoConfig { n_vocab, n_positions, d_model, layer_norm_eps, .. } = config;
        let normal = Init::Normal { std: GptNeoConfig::INIT_STD };
        Ok(GptNeo {
            config: config.clone(),
            wte: source(WTE, &[n_vocab, d_model], normal)?,
            wpe: source(WPE, &[n_positions, d_model], normal)?,
            ln_f: LayerNorm::new(source, "transformer.ln_f".into(), d_model, layer_norm_eps)?,
            blocks: (0..config.n_layers())
                .map(|index| Block::new(source, index, config))
                .collect::<std::result::Result<_, E>>()?,
        })
    }

    /// Fresh weights: normal with standard deviation 0.02, residual outputs divided by √(2 · blocks). Draws from
    /// libtorch's generator: have it [`seeded`](crate::processor::generator::seeded) first.
    pub fn init(config: &GptNeoConfig, device: Device) -> GptNeo {
        let Ok(model) = GptNeo::new::<Infallible>(config, &mut |_, shape, init| Ok(init.tensor(shape, device)));
        model
    }

    /// A model of its own with the same values. Adapters are not copied.
    pub fn copy(&self) -> GptNeo {
        let tensors: BTreeMap<String, Tensor> = self.tensors().into_iter().collect();
        let Ok(model) = GptNeo::new::<Infallible>(&self.config, &mut |name, _, _| Ok(tensors[name].detach().copy()));
        model
    }

    /// Takes the model out of named tensors.
    ///
    /// # Errors
    /// A tensor is missing, of another shape than `config` asks for, no floats, or not finite.
    pub fn from_weights(config: &GptNeoConfig, weights: &Weights) -> Result<GptNeo> {
        GptNeo::new(config, &mut |name, shape, _| weights.floats(name, shape))
    }

    /// Loads a Hugging Face folder as published: `config.json` with `model.safetensors` or `pytorch_model.bin`, in one
    /// file or in shards. Weights are held in float32.
    ///
    /// # Errors
    /// A file is missing or damaged, the config asks for something that is not implemented, or a tensor is missing, of
    /// another shape than the config asks for, or not of this model.
    pub fn load(dir: &Path, device: Device) -> Result<GptNeo> {
        let config = GptNeoConfig::read(&dir.join("config.json"))?;
        let weights = published::read(dir, device)?;
        let model = GptNeo::from_weights(&config, &weights)?;
        let taken: BTreeMap<String, Tensor> = model.tensors().into_iter().collect();
        match weights.tensors.keys().find(|name| !taken.contains_key(*name)) {
            None => Ok(model),
            Some(name) => {
                let reason =
                    format!("has tensor {name:?}, which a GPT-Neo of {} blocks does not have", config.n_layers());
                Err(Error::invalid(weights.path(), reason))
            }
        }
    }

    /// Writes a Hugging Face folder, `config.json` and `model.safetensors`, with tensors of `kind` (`Kind::Half` for
    /// half the size). [`crate::language_model::pretrained::save`] adds the tokenizer.
    ///
    /// # Errors
    /// The folder cannot be written to, or a weight is not finite in `kind`.
    pub fn save(&self, dir: &Path, kind: Kind, about: &[(&str, &str)]) -> Result<()> {
        let (mut weights, path) = (Weights::new(), dir.join("model.safetensors"));
        weights.describe("format", "pt");
        about.iter().for_each(|(key, value)| weights.describe(key, value));
        for (name, tensor) in self.tensors() {
            weights.insert(&name, &as_floats(&tensor.detach(), kind, &name, &path)?);
        }
        write_whole(&dir.join("config.json"), self.config.to_json(kind).as_bytes())?;
        weights.write(path)
    }
}
