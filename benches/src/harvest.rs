//! Activations of a language model at all five hook points, centred, without logits.

use crate::Result;
use crate::side::{Facts, Side};
use serde::{Deserialize, Serialize};
use stagediff::crosscoder::harvest::HookConfig;
use stagediff::files::Weights;
use stagediff::language_model::{GptNeo, GptNeoConfig};
use stagediff::tch::{self, Device, Kind, Tensor};
use std::path::{Path, PathBuf};

/// Model and tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HarvestWork {
    /// Whether the model is one of the published sizes with random weights, or that of preset `tiny`.
    pub random: bool,
    pub n_sequences: i64,
    /// Tokens a sequence.
    pub seq: i64,
}

impl HarvestWork {
    /// Writes model and tokens.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<Facts> {
        let model = write_model(folder, self.random)?;
        let mut weights = Weights::new();
        weights.insert("tokens", &random_tokens(&model.config, self.n_sequences, self.seq));
        weights.write(folder.join("tensors.safetensors"))?;
        let items = (self.n_sequences * self.seq) as f64;
        let flops = items * block_flops(&model.config, self.seq) * model.config.n_layers() as f64;
        Ok(Facts::new("tokens", items, flops))
    }
}

/// Writes a language model as a Hugging Face folder `model`.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_model(folder: &Path, random: bool) -> Result<GptNeo> {
    tch::manual_seed(0);
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/models/tiny");
    let model = match random {
        true => GptNeo::init(&GptNeoConfig::tinystories_33m(), Device::Cpu),
        false => GptNeo::load(&shipped, Device::Cpu)?,
    };
    model.save(&folder.join("model"), Kind::Float, &[])?;
    Ok(model)
}

/// Tokens without meaning, [sequence, seq].
pub fn random_tokens(config: &GptNeoConfig, n_sequences: i64, seq: i64) -> Tensor {
    Tensor::randint(config.n_vocab, [n_sequences, seq], (Kind::Int64, Device::Cpu))
}

/// Operations of one block's forward pass, a token: four projections, two of the MLP, scores and mixture.
pub fn block_flops(config: &GptNeoConfig, seq: i64) -> f64 {
    let (d_model, d_mlp) = (config.d_model as f64, config.d_mlp as f64);
    let seen = (seq + 1) as f64 / 2.0;
    2.0 * d_model * (4.0 * d_model + 2.0 * d_mlp + 2.0 * seen)
}

/// Our side.
pub struct Harvest {
    model: GptNeo,
    hooks: HookConfig,
    tokens: Tensor,
    /// [token, hook, d_model]
    acts: Option<Tensor>,
}

impl Harvest {
    /// Reads model and tokens.
    ///
    /// # Errors
    /// They are not there.
    pub fn open(work: &HarvestWork, device: Device, folder: &Path) -> Result<Harvest> {
        let model = GptNeo::load(&folder.join("model"), device)?;
        let weights = Weights::read(folder.join("tensors.safetensors"), device)?;
        let tokens = weights.get("tokens", &[work.n_sequences, work.seq])?;
        Ok(Harvest { hooks: HookConfig::all_layers(model.config.n_layers()), model, tokens, acts: None })
    }
}

impl Side for Harvest {
    fn step(&mut self) {
        self.acts = Some(self.hooks.harvest(&self.model, &self.tokens));
    }

    /// The root mean square at each hook point.
    fn values(&self) -> Vec<f64> {
        let Some(acts) = &self.acts else { return Vec::new() };
        let squares = acts.square().mean_dim([0i64, 2].as_slice(), false, Kind::Float).sqrt();
        squares.to_device(Device::Cpu).iter::<f64>().map_or_else(|_| Vec::new(), Iterator::collect)
    }
}
