//! The crosscoder's activation, fresh weights, scale and file.

use crate::fixture::{self, Folder, Tensors, assert_same, assert_says, max_abs};
use crate::parity;
use crate::rounding::{self, assert_within, share};
use stagediff::crosscoder::harvest;
use stagediff::crosscoder::jumprelu::{Backward, backward};
use stagediff::crosscoder::{BatchGradients, Crosscoder, LossConfig, Optimiser, StepReport, init};
use stagediff::files::Weights;
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use stagediff::training::adam::AdamConfig;
use tch::{Device, Kind, Tensor};

/// The crosscoder whose parameters stand in a file under names with this prefix.
pub fn crosscoder(tensors: &Tensors, prefix: &str, scale: Tensor) -> Crosscoder {
    parity::crosscoder::crosscoder(|name| tensors.get(&format!("{prefix}{name}")), Some(scale))
}

/// The crosscoder and the activations of the fixtures: batch 16, 5 hook points of width 12, 24 latents.
pub fn inputs() -> (Crosscoder, Tensor) {
    let inputs = fixture::tensors("crosscoder/inputs.safetensors");
    (crosscoder(&inputs, "", Tensor::ones([5], (Kind::Float, Device::Cpu))), inputs.get("x"))
}

/// The same crosscoder in float64; its scale stays as it is.
pub fn in_double(crosscoder: &Crosscoder) -> Crosscoder {
    with_params(crosscoder, &crosscoder.params().iter().map(rounding::in_double).collect::<Vec<Tensor>>())
}

/// The same crosscoder with other parameters.
pub fn with_params(crosscoder: &Crosscoder, params: &[Tensor]) -> Crosscoder {
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = [0, 1, 2, 3, 4].map(|i: usize| params[i].shallow_clone());
    Crosscoder { w_enc, b_enc, w_dec, b_dec, log_threshold, ..crosscoder.copy() }
}

/// An optimiser that remembers nothing and clips nothing: its first moment is the gradient.
pub fn forgetful_optimiser(crosscoder: &Crosscoder) -> Optimiser {
    Optimiser::new(crosscoder, AdamConfig { beta1: 0.0, clip_norm: f64::INFINITY, ..AdamConfig::default() })
}

/// Losses and gradients as a training takes them: by active pairs where few fire.
pub fn training_gradients(
    optimiser: &mut Optimiser,
    crosscoder: &Crosscoder,
    acts: &Tensor,
    cfg: &LossConfig,
) -> BatchGradients {
    let StepReport { losses, n_fired, .. } = optimiser.step(&mut crosscoder.copy(), acts, cfg, 0.0);
    let grads = std::array::from_fn(|i| optimiser.adam.exp_avg[i].copy());
    BatchGradients { losses, grads, n_fired }
}

#[test]
fn jumprelu_gradients_are_the_closed_form() {
    let pre_acts = fixture::normal(&[50, 6], 0).to_kind(Kind::Double);
    let upstream = fixture::normal(&[50, 6], 1).to_kind(Kind::Double);
    let thresholds = Tensor::full([6], 0.8, (Kind::Double, Device::Cpu));
    let cfg = Backward { bandwidth: 0.5, chain_rule: true, to_input: false };
    let (d_pre_acts, d_log_threshold) = backward(&pre_acts, &thresholds, &upstream, cfg);
    let (pre_acts, upstream) =
        (Vec::<Vec<f64>>::try_from(&pre_acts).unwrap(), Vec::<Vec<f64>>::try_from(&upstream).unwrap());
    let (d_pre_acts, d_log_threshold) =
        (Vec::<Vec<f64>>::try_from(&d_pre_acts).unwrap(), Vec::<f64>::try_from(&d_log_threshold).unwrap());
    for (latent, found) in d_log_threshold.iter().enumerate() {
        let (mut expected, mut size) = (0.0, 0.0);
        for (row, pre_acts) in pre_acts.iter().enumerate() {
            let (pre, up) = (pre_acts[latent], upstream[row][latent]);
            assert_eq!(d_pre_acts[row][latent], if pre > 0.8 { up } else { 0.0 });
            let term = if (pre - 0.8).abs() < 0.25 { up * 0.8 * 0.8 / 0.5 } else { 0.0 };
            (expected, size) = (expected - term, size + term.abs());
        }
        assert!((found - expected).abs() <= 2.0 * share(50 + 4, Kind::Double) * size);
    }
}

#[test]
fn the_scale_makes_the_mean_norm_that_of_the_width() {
    let acts = fixture::normal(&[40, 3, 12], 0) * Tensor::from_slice(&[0.1f32, 1.0, 50.0]).view([1, -1, 1]);
    let scaled = &acts * harvest::scale(&acts).view([1, -1, 1]);
    let norms =
        scaled.norm_scalaropt_dim(2.0, [2i64].as_slice(), false).mean_dim([0i64].as_slice(), false, Kind::Float);
    let width = 12f64.sqrt();
    let bound = Tensor::from(width * 2.0 * share(40 + 12, Kind::Float)); // both norms, as it measures and as measured here
    assert_within(&norms, &Tensor::full([3], width, (Kind::Double, Device::Cpu)), &bound);
}

#[test]
fn a_fresh_crosscoder_is_small_tied_and_fires_as_requested() {
    let acts = fixture::normal(&[1000, 3, 16], 0);
    let scale = Tensor::from_slice(&[0.5f32, 1.0, 2.0]);
    for (firing_frac, n_latents) in [(0.5, 64), (0.1, 300)] {
        let _generator = seeded(1);
        let fresh = init(n_latents, &HookPoint::residual_stream(2), &acts, &scale, firing_frac);
        assert!(max_abs(&fresh.w_dec) <= 1.0 / 48.0 && max_abs(&fresh.w_dec) > 0.99 / 48.0);
        let tied = rounding::in_double(&fresh.w_dec) * (48.0 / n_latents as f64);
        assert_within(&fresh.w_enc, &tied, &(tied.abs() * share(2, Kind::Float)));
        assert_eq!(max_abs(&fresh.b_dec), 0.0);
        assert_same(&fresh.log_threshold, &Tensor::full([n_latents], 0.1, (Kind::Float, Device::Cpu)));
        assert_same(&fresh.scale, &scale);
        let n_fired = fresh.encode(&acts).latents.gt(0.0).sum_dim_intlist(0, false, Kind::Double);
        let requested = Tensor::full([n_latents], firing_frac * 1000.0, (Kind::Double, Device::Cpu));
        assert_within(&n_fired, &requested, &Tensor::from(2.0)); // the quantile lies between tokens
    }
}

#[test]
fn a_saved_crosscoder_is_the_same_crosscoder() {
    let (crosscoder, _) = inputs();
    let folder = Folder::new("crosscoder_round_trip");
    let path = folder.join("weights/crosscoder_S.safetensors");
    let about = [("stage", "S".to_string()), ("recipe", "corrected".to_string())];
    crosscoder.save(&path, &about).unwrap();
    let again = Crosscoder::load(&path, &about, Device::Cpu).unwrap();
    assert_eq!((again.hooks.clone(), again.d_model), (crosscoder.hooks.clone(), 12));
    for (param, expected) in again.params().iter().zip(crosscoder.params()) {
        assert_same(param, &expected);
    }
    assert_same(&again.scale, &crosscoder.scale);
    assert_eq!(format!("{again:?}"), "Crosscoder(5 hook points × 12 → 24 latents)");
}

#[test]
fn a_file_of_another_stage_is_refused_by_name() {
    let folder = Folder::new("crosscoder_stage");
    let path = folder.join("crosscoder_D.safetensors");
    inputs().0.save(&path, &[("stage", "M".to_string())]).unwrap();
    let refused = Crosscoder::load(&path, &[("stage", "D".to_string())], Device::Cpu);
    assert_says(refused, &["crosscoder_D.safetensors", "stage is \"M\", expected \"D\""]);
    let unsaid = Crosscoder::load(&path, &[("recipe", "corrected".to_string())], Device::Cpu);
    assert_says(unsaid, &["crosscoder_D.safetensors", "says nothing about \"recipe\""]);
}

#[test]
fn foreign_damaged_and_missing_files_are_refused() {
    let folder = Folder::new("crosscoder_damaged");
    let path = folder.join("crosscoder_S.safetensors");
    let load = || Crosscoder::load(&path, &[], Device::Cpu);
    assert_says(load(), &["cannot access", "crosscoder_S.safetensors"]);
    assert_says(
        Crosscoder::load(&fixture::path("gpt_neo/model.safetensors"), &[], Device::Cpu),
        &["gpt_neo/model.safetensors", "format is \"pt\"", "stagediff crosscoder"],
    );
    inputs().0.save(&path, &[]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert_says(load(), &["crosscoder_S.safetensors", "not a whole safetensors file"]);
}

#[test]
fn tensors_that_do_not_fit_together_are_named() {
    let folder = Folder::new("crosscoder_shapes");
    let path = folder.join("crosscoder_S.safetensors");
    let refused = |edit: &dyn Fn(&mut Weights), said: &[&str]| {
        inputs().0.save(&path, &[]).unwrap();
        let mut weights = Weights::read(&path, Device::Cpu).unwrap();
        edit(&mut weights);
        weights.write(&path).unwrap();
        assert_says(Crosscoder::load(&path, &[], Device::Cpu), said);
    };
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    refused(
        &|weights| weights.insert("b_dec", &zeros(&[59])),
        &["\"b_dec\"", "[59]", "[60]", "crosscoder_S.safetensors"],
    );
    refused(
        &|weights| drop(weights.tensors.remove("log_threshold")),
        &["\"log_threshold\"", "crosscoder_S.safetensors"],
    );
    refused(&|weights| weights.insert("w_enc", &zeros(&[24])), &["w_enc has shape [24]"]);
    refused(&|weights| weights.insert("w_enc", &zeros(&[24, 61])), &["w_enc has 61 columns", "5 hook points"]);
    refused(&|weights| weights.describe("hooks", "blocks.0.hook_attn_out"), &["hook point", "blocks.0.hook_attn_out"]);
}
