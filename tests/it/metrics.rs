//! Measures against an independent implementation, and what they must be in the plain cases.

use crate::fixture::{self, assert_close, assert_near, max_abs, numbers};
use crate::gpt_neo::{expected, reference_model};
use stagediff::activations::Reading;
use stagediff::crosscoder::{Crosscoder, init};
use stagediff::evaluate::evaluate;
use stagediff::firing::{N_TOP, firings};
use stagediff::hook::HookPoint;
use stagediff::loss;
use stagediff::metrics::{Fvu, FvuSums, cosine, recovered_loss};
use stagediff::quadrants::{Cuts, Quadrant};
use stagediff::recipe::DecoderSpace;
use stagediff::rotation::{cosines_by_hook, decoder_cosines, encoder_cosines};
use stagediff::stats::percentile;
use tch::{Device, Kind, Tensor};

fn known() -> serde_json::Value {
    fixture::json("metrics/expected.json")
}

/// Unexplained variance, taken up in two batches.
fn fvu(acts: &Tensor, recon: &Tensor) -> Fvu {
    let (n_sequences, seq, n_hooks, d_model) = acts.size4().unwrap();
    let mut sums = FvuSums::new(seq, n_hooks, d_model);
    for (start, length) in [(0, 5), (5, n_sequences - 5)] {
        sums.add(&acts.narrow(0, start, length), &recon.narrow(0, start, length));
    }
    sums.fvu()
}

#[track_caller]
fn assert_each_near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(&found, &expected)| assert_near(found, expected, 1e-5));
}

#[test]
fn unexplained_variance_is_that_of_the_reference_by_three_definitions() {
    let (tensors, known) = (fixture::tensors("metrics/fvu.safetensors"), known());
    let (acts, recon) = (tensors.get("x"), tensors.get("x_hat"));
    let found = fvu(&acts, &recon);
    assert_each_near(&found.fvu, &numbers(&known["fvu_token_mean"]));
    assert_each_near(&found.fvu_across_d, &numbers(&known["fvu_dmodel_variance"]));
    assert_each_near(&found.fvu_per_position, &numbers(&known["fvu_position_mean"]));
    let squared = loss::reconstruction(&acts.flatten(0, 1), &recon.flatten(0, 1)).double_value(&[]);
    assert_near(squared, known["mean_squared_error_summed_over_hooks_and_dims"].as_f64().unwrap(), 1e-5);
}

#[test]
fn unexplained_variance_is_1_for_the_mean_and_0_for_perfection() {
    let acts = fixture::tensors("metrics/fvu.safetensors").get("x");
    let mean = acts.mean_dim([0i64, 1].as_slice(), true, Kind::Float).expand_as(&acts);
    let of_mean = fvu(&acts, &mean);
    assert_each_near(&of_mean.fvu, &[1.0; 5]);
    assert_each_near(&of_mean.fvu_across_d, &numbers(&known()["fvu_dmodel_variance_when_predicting_the_mean"]));
    let by_position = acts.mean_dim([0i64].as_slice(), true, Kind::Float).expand_as(&acts);
    assert_each_near(&fvu(&acts, &by_position).fvu_per_position, &[1.0; 5]);
    let perfect = fvu(&acts, &acts);
    assert_eq!([perfect.fvu, perfect.fvu_across_d, perfect.fvu_per_position], [[0.0; 5]; 3].map(Vec::from));
}

#[test]
fn percentiles_are_interpolated_linearly() {
    let (tensors, known) = (fixture::tensors("metrics/latents.safetensors"), known());
    let l0: Vec<f64> = Vec::try_from(&tensors.get("l0_each").to_kind(Kind::Double)).unwrap();
    for (percent, expected) in known["l0_percentiles"].as_object().unwrap() {
        assert!((percentile(&l0, percent.parse().unwrap()) - expected.as_f64().unwrap()).abs() < 1e-6);
    }
    assert!((l0.iter().sum::<f64>() / 108.0 - known["l0_mean"].as_f64().unwrap()).abs() < 1e-6);
}

/// A crosscoder on one hook point with thresholds of almost 0 and a decoder like its encoder.
fn one_hook(w_enc: Tensor, b_enc: Tensor) -> Crosscoder {
    let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Float, Device::Cpu));
    Crosscoder {
        hooks: vec![HookPoint::ResidPre(0)],
        d_model: 32,
        log_threshold: Tensor::full_like(&b_enc, -30.0),
        w_dec: w_enc.copy(),
        b_dec: zeros(&[32]),
        scale: Tensor::ones([1], (Kind::Float, Device::Cpu)),
        w_enc,
        b_enc,
    }
}

#[test]
fn firings_are_counted_token_by_token() {
    let (model, tokens) = (reference_model(), expected().get("ids"));
    let reading = Reading { hooks: vec![HookPoint::ResidPre(0)], centred: false };
    let bias = fixture::normal(&[40], 1) * 8.0 - 6.0;
    let crosscoder = one_hook(fixture::normal(&[40, 32], 0), bias);
    let found = firings(&crosscoder, &model, &reading, &tokens);
    let latents = crosscoder.encode(&reading.harvest(&model, &tokens)).latents; // [72, 40]
    let fires = latents.gt(0.0).to_kind(Kind::Double);
    let l0: Vec<f64> = Vec::try_from(&fires.sum_dim_intlist(1, false, Kind::Double)).unwrap();
    assert_eq!((found.n_tokens, found.l0_mean), (72, l0.iter().sum::<f64>() / 72.0));
    assert_eq!((found.l0_p5, found.l0_p95), (percentile(&l0, 5.0), percentile(&l0, 95.0)));
    let density: Vec<f64> = Vec::try_from(&(fires.sum_dim_intlist(0, false, Kind::Double) / 72.0)).unwrap();
    assert_eq!(found.density, density);
    let n_dead = density.iter().filter(|share| **share == 0.0).count();
    assert!(n_dead > 0 && n_dead < 40, "some of each: {n_dead}");
    assert_eq!(found.dead_frac(), n_dead as f64 / 40.0);
    for (latent, top) in found.top.iter().enumerate() {
        let of_latent = latents.select(1, latent as i64);
        assert_eq!(top.len() as f64, (density[latent] * 72.0).round().min(N_TOP as f64));
        assert!(top.windows(2).all(|pair| pair[0].activation >= pair[1].activation));
        for firing in top {
            let value = of_latent.double_value(&[firing.sequence * 24 + firing.position]);
            assert!((firing.activation - value).abs() < 1e-4);
        }
        let largest = of_latent.max().double_value(&[]);
        assert!(top.first().is_none_or(|first| (first.activation - largest).abs() < 1e-4));
    }
}

#[test]
fn recovered_loss_is_the_formula() {
    for case in known()["recovered_loss"].as_array().unwrap() {
        let of = |name: &str| case[name].as_f64().unwrap();
        assert!((recovered_loss(of("original"), of("patched"), of("zero_ablated")) - of("recovered")).abs() < 1e-9);
    }
}

/// x = relu(x) − relu(−x), whatever x is.
fn identity(reading: &Reading) -> Crosscoder {
    let n_inputs = 32 * reading.hooks.len() as i64;
    let eye = Tensor::eye(n_inputs, (Kind::Float, Device::Cpu));
    let both = Tensor::cat(&[&eye, &-&eye], 0);
    let hooks = reading.hooks.clone();
    let scale = Tensor::full([hooks.len() as i64], 0.5, (Kind::Float, Device::Cpu));
    Crosscoder {
        hooks,
        b_dec: both.get(0).zeros_like(),
        scale,
        ..one_hook(both.copy(), Tensor::zeros([2 * n_inputs], (Kind::Float, Device::Cpu)))
    }
}

#[test]
fn recovered_loss_is_1_for_the_identity_and_0_for_zero_ablation() {
    let (model, tokens, reading) = (reference_model(), expected().get("ids"), Reading::all_layers(4));
    let perfect = evaluate(&identity(&reading), &model, &reading, &tokens);
    let places: Vec<Option<HookPoint>> = perfect.losses.iter().map(|loss| loss.hook).collect();
    assert_eq!(places, reading.hooks.iter().map(|&hook| Some(hook)).chain([None]).collect::<Vec<_>>());
    assert!(perfect.fvu.fvu.iter().all(|share| *share < 1e-10));
    let mut nothing = identity(&reading);
    let _ = nothing.w_dec.zero_();
    let absent = evaluate(&nothing, &model, &reading, &tokens);
    for (perfect, absent) in perfect.losses.iter().zip(&absent.losses) {
        assert!((perfect.clean_nats - known_loss()).abs() < 1e-5);
        assert!(
            (perfect.recovered_frac() - 1.0).abs() < 1e-4 && absent.recovered_frac().abs() < 1e-4,
            "{perfect:?} {absent:?}"
        );
        assert!((perfect.recovered_against_mean_frac() - 1.0).abs() < 1e-4);
    }
}

fn known_loss() -> f64 {
    fixture::json("gpt_neo/expected.json")["loss"].as_f64().unwrap()
}

#[test]
fn cosines_are_those_of_the_reference_in_both_spaces() {
    let expected = fixture::tensors("metrics/decoders.safetensors");
    let crosscoder = |which: &str| Crosscoder {
        w_dec: expected.get(&format!("w_dec_{which}")).reshape([20, -1]),
        w_enc: expected.get(&format!("w_enc_{which}")).permute([2, 0, 1]).reshape([20, -1]),
        b_enc: Tensor::zeros([20], (Kind::Float, Device::Cpu)),
        log_threshold: Tensor::zeros([20], (Kind::Float, Device::Cpu)),
        b_dec: Tensor::zeros([80], (Kind::Float, Device::Cpu)),
        scale: expected.get("scale"),
        hooks: HookPoint::residual_stream(4),
        d_model: 16,
    };
    let (a, b) = (crosscoder("a"), crosscoder("b"));
    let assert_cosines = |found: Vec<f64>, expected: &Tensor| assert_close(&Tensor::from_slice(&found), expected, 1e-5);
    assert_cosines(decoder_cosines(&a, &b, DecoderSpace::Scaled), &expected.get("cos_dec_normalised"));
    assert_cosines(decoder_cosines(&a, &b, DecoderSpace::Folded), &expected.get("cos_dec_folded"));
    assert_cosines(encoder_cosines(&a, &b), &expected.get("cos_enc_normalised"));
    for (a, b) in [(&a, &b), (&a.fold(), &b.fold())] {
        for (hook, cosines) in cosines_by_hook(a, b).into_iter().enumerate() {
            assert_cosines(cosines, &expected.get("cos_dec_per_hook").select(1, hook as i64));
        }
    }
}

#[test]
fn a_cosine_with_nothing_is_0_and_with_itself_1() {
    let rows = fixture::normal(&[6, 3, 4], 0);
    assert_close(&cosine(&rows, &rows), &Tensor::ones([6], (Kind::Double, Device::Cpu)), 1e-12);
    assert_close(&cosine(&rows, &(&rows * -1e-3)), &Tensor::full([6], -1.0, (Kind::Double, Device::Cpu)), 1e-12);
    assert_eq!(max_abs(&cosine(&rows, &rows.zeros_like())), 0.0);
}

#[test]
fn quadrants_are_those_of_the_reference_over_all_and_over_active_latents() {
    let (tensors, known) = (fixture::tensors("metrics/quadrants.safetensors"), known());
    let floats = |name: &str| Vec::<f64>::try_from(&tensors.get(name).to_kind(Kind::Double)).unwrap();
    let mask = |name: &str| floats(name).into_iter().map(|value| value == 1.0).collect::<Vec<bool>>();
    let (x, y, active) = (floats("cos_d"), floats("cos_m"), mask("active"));
    for (percent, over, population) in [
        (5.0, "all", vec![true; 200]),
        (5.0, "active", active.clone()),
        (10.0, "all", vec![true; 200]),
        (10.0, "active", active),
    ] {
        let name = format!("p{percent}_{over}");
        let cuts = Cuts::percentile(&x, &y, &population, percent);
        assert_near(cuts.x, known["quadrants"][&name]["threshold_d"].as_f64().unwrap(), 1e-12);
        assert_near(cuts.y, known["quadrants"][&name]["threshold_m"].as_f64().unwrap(), 1e-12);
        let quadrants = cuts.quadrants(&x, &y);
        for (quadrant, word) in Quadrant::ALL.into_iter().zip(["both", "only_d", "only_m", "neither"]) {
            let found: Vec<bool> =
                quadrants.iter().zip(&population).map(|(&found, &counted)| counted && found == quadrant).collect();
            assert_eq!(found, mask(&format!("quadrant.{name}.{word}")), "{name} {word}");
        }
    }
}

#[test]
fn a_fresh_crosscoder_fires_on_the_requested_share_of_real_activations() {
    let (model, tokens, reading) = (reference_model(), expected().get("ids"), Reading::all_layers(4));
    let acts = reading.harvest(&model, &tokens);
    let scale = stagediff::activations::scale(&acts);
    let _generator = fixture::seeded(0);
    let fresh = init(64, &reading.hooks, &(&acts * scale.view([1, -1, 1])), &scale, 0.25);
    let found = firings(&fresh, &model, &reading, &tokens);
    assert!(found.density.iter().all(|share| (share - 0.25).abs() < 0.015), "{:?}", found.density);
    assert_eq!(found.dead_frac(), 0.0);
}
