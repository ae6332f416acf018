//! sae_lens/: a folded crosscoder as SAELens opens it.

use super::case::Case;
use super::crosscoder::crosscoder as crosscoder_of;
use super::folder;
use stagediff::crosscoder::Crosscoder;
use tch::{Device, Kind, Tensor};

pub const TESTS: &[fn()] =
    &[latents_and_reconstructions_are_those_of_sae_lens, a_folded_crosscoder_is_the_exported_one];

/// The export as a crosscoder: hooks lie one after the other in d_in, the threshold is θ and not its logarithm.
fn exported() -> Crosscoder {
    let (cfg, weights) =
        (folder::json("sae_lens/export/cfg.json"), folder::tensors("sae_lens/export/sae_weights.safetensors"));
    let about = &cfg["metadata"];
    let names = about["crosscoder_hook_names"].as_array().expect("names of the hook points");
    let hooks = names.iter().map(|name| name.as_str().unwrap().parse().unwrap()).collect::<Vec<_>>();
    let d_model = about["crosscoder_d_model"].as_i64().expect("crosscoder_d_model");
    assert_eq!(cfg["architecture"], "jumprelu");
    assert_eq!(cfg["apply_b_dec_to_input"], false, "left out, it defaults to true");
    let crosscoder = Crosscoder {
        scale: Tensor::ones([hooks.len() as i64], (Kind::Float, Device::Cpu)),
        hooks,
        d_model,
        w_enc: weights.get("W_enc").tr().contiguous(),
        b_enc: weights.get("b_enc"),
        w_dec: weights.get("W_dec"),
        b_dec: weights.get("b_dec"),
        log_threshold: weights.get("threshold").log(),
    };
    let n_inputs = crosscoder.hooks.len() as i64 * d_model;
    let sizes = (cfg["d_in"].as_i64(), cfg["d_sae"].as_i64());
    assert_eq!(sizes, (Some(n_inputs), Some(crosscoder.n_latents())), "d_in and d_sae");
    crosscoder
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
    Case::new("sae_lens/encode", 1e-5).absolute("encode", &latents, &expected.get("encode")).check();
    Case::new("sae_lens/decode, of the largest", 1e-5)
        .relative("decode", &recon, &expected.get("decode"))
        .number("largest_abs_decode", recon.abs().max().double_value(&[]), folder::number(&known, "largest_abs_decode"))
        .number("largest_latent", latents.max().double_value(&[]), folder::number(&known, "largest_latent"))
        .check();
}

/// `export/sae_weights.safetensors` is what folding the crosscoder of crosscoder/fold.safetensors gives.
#[test]
fn a_folded_crosscoder_is_the_exported_one() {
    let fold = folder::tensors("crosscoder/fold.safetensors");
    let unfolded = crosscoder_of(|name| fold.get(&format!("unfolded.{name}")), Some(fold.get("scale")));
    let (folded, exported) = (unfolded.fold(), exported());
    Case::new("sae_lens/export of the folded crosscoder, of the tensor's largest", 1e-6)
        .relative("W_enc", &folded.w_enc, &exported.w_enc)
        .relative("b_enc", &folded.b_enc, &exported.b_enc)
        .relative("W_dec", &folded.w_dec, &exported.w_dec)
        .relative("b_dec", &folded.b_dec, &exported.b_dec)
        .relative("threshold", &folded.thresholds(), &exported.thresholds())
        .check();
}
