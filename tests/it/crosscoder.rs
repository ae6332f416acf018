//! The crosscoder's forward pass, scale, fresh weights, folding and file, against an independent implementation.

use crate::fixture::{self, Folder, Tensors, assert_close, assert_near, assert_same, assert_says, max_abs};
use stagediff::activations;
use stagediff::crosscoder::{Crosscoder, encoder_bias, init};
use stagediff::hook::HookPoint;
use stagediff::jumprelu::{Backward, backward, jumprelu};
use stagediff::loss;
use stagediff::weights::Weights;
use tch::{Device, Kind, Tensor};

pub const N_HOOKS: i64 = 5;
pub const D_MODEL: i64 = 12;
pub const N_LATENTS: i64 = 24;

/// The parameters in the order of [`Crosscoder::params`], under the fixtures' names.
pub const PARAMS: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

/// A tensor of a fixture, in the library's layout: one row a latent, hooks one after the other.
pub fn laid_out(param: &str, tensor: &Tensor) -> Tensor {
    match param {
        "w_enc" => tensor.permute([2, 0, 1]).contiguous().view([N_LATENTS, -1]), // from [hook, d_model, latent]
        "w_dec" => tensor.reshape([N_LATENTS, -1]),                              // from [latent, hook, d_model]
        _ => tensor.reshape([-1]),
    }
}

/// The crosscoder whose parameters stand in a file under names with this prefix.
pub fn crosscoder(tensors: &Tensors, prefix: &str, scale: Tensor) -> Crosscoder {
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] =
        PARAMS.map(|name| laid_out(name, &tensors.get(&format!("{prefix}{name}"))));
    Crosscoder {
        hooks: HookPoint::residual_stream(4),
        d_model: D_MODEL,
        w_enc,
        b_enc,
        w_dec,
        b_dec,
        log_threshold,
        scale,
    }
}

fn ones() -> Tensor {
    Tensor::ones([N_HOOKS], (Kind::Float, Device::Cpu))
}

/// The crosscoder and the activations of the fixtures.
pub fn inputs() -> (Crosscoder, Tensor) {
    let inputs = fixture::tensors("crosscoder/inputs.safetensors");
    (crosscoder(&inputs, "", ones()), inputs.get("x"))
}

#[track_caller]
fn assert_close_to_largest(found: &Tensor, expected: &Tensor) {
    assert_close(found, expected, 1e-5 * max_abs(expected).max(1.0));
}

#[test]
fn the_forward_pass_is_the_formula() {
    let ((crosscoder, acts), expected) = (inputs(), fixture::tensors("crosscoder/forward.safetensors"));
    let encoding = crosscoder.encode(&acts);
    assert_close_to_largest(&encoding.pre_acts, &expected.get("pre"));
    assert_close_to_largest(&encoding.latents, &expected.get("f"));
    assert_close_to_largest(&crosscoder.decode(&encoding.latents), &expected.get("recon"));
    assert_close_to_largest(&crosscoder.dec_norms(), &expected.get("dec_norms"));
    assert_close_to_largest(&crosscoder.thresholds(), &expected.get("theta"));
    assert_close_to_largest(&crosscoder.reconstruct(&acts), &expected.get("recon"));
}

#[test]
fn losses_are_the_formulas() {
    let ((crosscoder, acts), known) = (inputs(), fixture::json("crosscoder/expected.json"));
    let encoding = crosscoder.encode(&acts);
    let (recon, dec_norms) = (crosscoder.decode(&encoding.latents), crosscoder.dec_norms());
    let on = |target: &Tensor| loss::pre_activation(target, &crosscoder.thresholds(), &dec_norms);
    let of = |variant: &str, term: &str| known["cases"]["lp0.1"]["variants"][variant][term].as_f64().unwrap();
    let assert_loss = |found: Tensor, expected: f64| assert_near(found.double_value(&[]), expected, 1e-5);
    assert_loss(loss::reconstruction(&acts, &recon), of("corrected", "loss_recon"));
    assert_loss(loss::sparsity(&encoding.latents, &dec_norms, 4.0), of("corrected", "loss_sparsity"));
    assert_loss(on(&encoding.pre_acts), of("corrected", "loss_pre_act"));
    assert_loss(on(&encoding.latents), of("reference", "loss_pre_act"));
}

#[test]
fn jumprelu_is_strict_and_its_window_open() {
    let edges = fixture::tensors("crosscoder/jumprelu_edges.safetensors");
    let (pre_acts, thresholds) = (edges.get("pre"), edges.get("log_threshold").exp());
    assert_close(&jumprelu(&pre_acts, &thresholds), &edges.get("f"), 1e-6);
    for (name, chain_rule, to_input) in
        [("chain", true, false), ("no_chain", false, false), ("chain_ste_to_input", true, true)]
    {
        let cfg = Backward { bandwidth: 1.0, chain_rule, to_input };
        let (d_pre_acts, d_log_threshold) = backward(&pre_acts, &thresholds, &edges.get("upstream"), cfg);
        assert_close(&d_pre_acts, &edges.get(&format!("{name}.d_pre")), 1e-6);
        assert_close(&d_log_threshold, &edges.get(&format!("{name}.d_log_threshold")), 1e-6);
    }
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
        let mut expected = 0.0;
        for (row, pre_acts) in pre_acts.iter().enumerate() {
            let (pre, up) = (pre_acts[latent], upstream[row][latent]);
            assert_eq!(d_pre_acts[row][latent], if pre > 0.8 { up } else { 0.0 });
            expected -= if (pre - 0.8).abs() < 0.25 { up * 0.8 * 0.8 / 0.5 } else { 0.0 };
        }
        assert!((found - expected).abs() < 1e-12);
    }
}

#[test]
fn the_scale_makes_the_mean_norm_that_of_the_width() {
    let expected = fixture::tensors("crosscoder/scale.safetensors");
    let acts = expected.get("acts_raw");
    let scale = activations::scale(&acts);
    let ratio = &scale / expected.get("scale") - 1.0;
    assert!(max_abs(&ratio) < 1e-6);
    let scaled = acts * scale.view([1, -1, 1]);
    let known = expected.get("acts_scaled");
    assert_close(&scaled, &known, 1e-6 * max_abs(&known));
    let norms =
        scaled.norm_scalaropt_dim(2.0, [2i64].as_slice(), false).mean_dim([0i64].as_slice(), false, Kind::Float);
    assert_close(&norms, &(ones() * (D_MODEL as f64).sqrt()), 1e-5);
}

#[test]
fn initial_biases_make_each_latent_fire_on_the_requested_share() {
    let expected = fixture::tensors("crosscoder/init.safetensors");
    let acts = expected.get("x_scaled").view([40, -1]);
    let w_enc = laid_out("w_enc", &expected.get("w_enc"));
    for firing_frac in [0.3, 0.5] {
        let b_enc = encoder_bias(&acts, &w_enc, &expected.get("log_threshold"), firing_frac);
        assert_close(&b_enc, &expected.get(&format!("p{firing_frac}.b_enc")), 1e-6);
    }
}

#[test]
fn a_fresh_crosscoder_is_small_tied_and_fires_as_requested() {
    let acts = fixture::normal(&[1000, 3, 16], 0);
    let scale = Tensor::from_slice(&[0.5f32, 1.0, 2.0]);
    for (firing_frac, n_latents) in [(0.5, 64), (0.1, 300)] {
        let _generator = fixture::seeded(1);
        let fresh = init(n_latents, &HookPoint::residual_stream(2), &acts, &scale, firing_frac);
        assert!(max_abs(&fresh.w_dec) <= 1.0 / 48.0 && max_abs(&fresh.w_dec) > 0.99 / 48.0);
        assert_close(&fresh.w_enc, &(&fresh.w_dec * (48.0 / n_latents as f64)), 1e-8);
        assert_eq!(max_abs(&fresh.b_dec), 0.0);
        assert_same(&fresh.log_threshold, &Tensor::full([n_latents], 0.1, (Kind::Float, Device::Cpu)));
        assert_same(&fresh.scale, &scale);
        let fired =
            fresh.encode(&acts).latents.gt(0.0).to_kind(Kind::Double).mean_dim([0i64].as_slice(), false, Kind::Double);
        assert_close(&fired, &Tensor::full([n_latents], firing_frac, (Kind::Double, Device::Cpu)), 0.0021);
    }
}

#[test]
fn folding_leaves_latents_unchanged_and_can_be_undone() {
    let expected = fixture::tensors("crosscoder/fold.safetensors");
    let (scale, acts) = (expected.get("scale"), expected.get("acts_raw"));
    let unfolded = crosscoder(&expected, "unfolded.", scale.copy());
    let folded = unfolded.fold();
    assert_same(&folded.scale, &ones());
    for (name, param) in PARAMS.iter().zip(folded.params()) {
        let known = laid_out(name, &expected.get(&format!("folded.{name}")));
        assert_close(&param, &known, 1e-5 * max_abs(&known));
    }
    let known = expected.get("latents");
    let scaled = &acts * scale.view([1, -1, 1]);
    let encoding = unfolded.encode(&scaled);
    assert_close(&encoding.latents, &known, 1e-5 * max_abs(&known));
    assert_close(&folded.encode(&acts).latents, &known, 1e-5 * max_abs(&known));
    let recon = expected.get("recon_scaled");
    assert_close(&unfolded.decode(&encoding.latents), &recon, 1e-5 * max_abs(&recon));
    for either in [&unfolded, &folded] {
        for hook in 0..N_HOOKS {
            let known = expected.get("recon_raw").select(1, hook);
            assert_close(&either.reconstruct(&acts).select(1, hook), &known, 1e-5 * max_abs(&known));
        }
    }
    for (param, known) in folded.unfold(&scale).params().iter().zip(unfolded.params()) {
        assert_close(param, &known, 1e-6 * max_abs(&known));
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
    assert_eq!((again.hooks.clone(), again.d_model), (crosscoder.hooks.clone(), D_MODEL));
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
