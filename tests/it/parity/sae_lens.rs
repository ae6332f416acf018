//! sae_lens/: a crosscoder as SAELens opens it.

use super::case::Case;
use super::crosscoder::crosscoder as crosscoder_of;
use super::folder;
use crate::fixture::Folder;
use crate::rounding::share;
use serde_json::Value;
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::formats::sae_lens;
use stagediff::files::Weights;
use tch::{Device, Kind};

pub const TESTS: &[fn()] = &[latents_and_reconstructions_are_those_of_sae_lens, what_is_written_is_the_export];

/// The export, for activations that are not scaled.
fn exported() -> Crosscoder {
    let config = folder::path("sae_lens/export/cfg.json");
    let (crosscoder, _) =
        sae_lens::load(config.parent().unwrap(), None, Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
    crosscoder.fold()
}

/// `export/cfg.json`, `export/sae_weights.safetensors`, `expected.safetensors`; `largest_latent`, `largest_abs_decode`.
#[test]
fn latents_and_reconstructions_are_those_of_sae_lens() {
    let (crosscoder, expected) = (exported(), folder::tensors("sae_lens/expected.safetensors"));
    let known = folder::json("sae_lens/expected.json");
    let n_hooks = crosscoder.hooks.len() as i64;
    let acts = expected.get("x").view([-1, n_hooks, crosscoder.d_model]);
    let latents = crosscoder.encode(&acts).latents;
    let recon = crosscoder.decode(&latents).flatten(1, 2);
    let (n_inputs, n_latents) = (crosscoder.b_dec.size()[0], crosscoder.n_latents());
    Case::new("sae_lens/encode, of the largest", 2.0 * share(n_inputs + 4, Kind::Float))
        .relative("encode", &latents, &expected.get("encode"))
        .check();
    Case::new("sae_lens/decode, of the largest", 2.0 * share(n_inputs + n_latents + 6, Kind::Float))
        .relative("decode", &recon, &expected.get("decode"))
        .number("largest_abs_decode", recon.abs().max().double_value(&[]), folder::number(&known, "largest_abs_decode"))
        .number("largest_latent", latents.max().double_value(&[]), folder::number(&known, "largest_latent"))
        .check();
}

/// The crosscoder of crosscoder/fold.safetensors, written for SAELens, is `export/cfg.json` and
/// `export/sae_weights.safetensors`.
#[test]
fn what_is_written_is_the_export() {
    let fold = folder::tensors("crosscoder/fold.safetensors");
    let unfolded = crosscoder_of(|name| fold.get(&format!("unfolded.{name}")), Some(fold.get("scale")));
    let written = Folder::new(&format!("parity_sae_lens_{}", folder::is_noting()));
    sae_lens::save(&unfolded, written.path(), &Default::default()).unwrap();

    let (found, known) = (
        Weights::read(written.join("sae_weights.safetensors"), Device::Cpu).unwrap().tensors,
        folder::tensors("sae_lens/export/sae_weights.safetensors"),
    );
    let mut weights = Case::bounded("sae_lens/export/sae_weights written by us");
    weights.equal("names of the tensors", found.keys().map(String::as_str).collect(), known.names());
    for (name, tensor) in &found {
        let known = known.get(name);
        weights.within(name, tensor, &known, &(known.abs() * share(4, Kind::Float)));
    }
    weights.check();

    let found: Value = serde_json::from_slice(&std::fs::read(written.join("cfg.json")).unwrap()).unwrap();
    let known = folder::json("sae_lens/export/cfg.json");
    let mut config = Case::exact("sae_lens/export/cfg.json written by us");
    for (field, value) in known.as_object().expect("fields").iter().filter(|(field, _)| *field != "metadata") {
        config.equal(field, &found[field], value);
    }
    for (field, value) in folder::fields(&known, "metadata") {
        config.equal(field, &found["metadata"][field], value);
    }
    config.check();
}
