//! metrics/: measures against an independent implementation.

use super::case::Case;
use super::crosscoder::hooks;
use super::folder::{self, Tensors};
use crate::rounding::{self, share, unit};
use serde_json::Value;
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::firing::FiringSums;
use stagediff::crosscoder::loss;
use stagediff::crosscoder::metrics::{Fvu, FvuSums, recovered_loss};
use stagediff::diff::{Cuts, Quadrant, shares};
use stagediff::diff::{cosine, cosines};
use tch::{Device, Kind, Tensor};

pub const TESTS: &[fn()] = &[
    unexplained_variance_is_that_of_the_reference,
    firings_are_those_of_the_reference,
    cosines_are_those_of_the_reference,
    quadrants_are_those_of_the_reference,
    recovered_losses_are_those_of_the_reference,
];

/// Sequences taken up at once.
const BATCH: i64 = 5;

/// How many times larger a difference's terms are than the difference.
const CANCELLATION: f64 = 16.0;

fn known() -> Value {
    folder::json("metrics/expected.json")
}

fn fvu(acts: &Tensor, recon: &Tensor) -> Fvu {
    let (_, seq, n_hooks, d_model) = acts.size4().expect("[sequence, position, hook, d_model]");
    let mut sums = FvuSums::new(seq, n_hooks, d_model);
    acts.split(BATCH, 0).iter().zip(recon.split(BATCH, 0)).for_each(|(acts, recon)| sums.add(acts, &recon));
    sums.fvu()
}

fn row(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).unsqueeze(1)
}

/// `fvu.safetensors`; the three definitions, their values for the mean and for perfection, the squared error.
#[test]
fn unexplained_variance_is_that_of_the_reference() {
    let (tensors, known) = (folder::tensors("metrics/fvu.safetensors"), known());
    let (acts, recon) = (tensors.get("x"), tensors.get("x_hat"));
    let mean = acts.to_kind(Kind::Double).mean_dim([0i64, 1].as_slice(), true, Kind::Double).expand_as(&acts);
    let (found, of_mean, perfect) = (fvu(&acts, &recon), fvu(&acts, &mean), fvu(&acts, &acts));
    let constant = |name: &str| vec![folder::number(&known, name); found.fvu.len()];
    // The library sums in float64; variance is a difference of squares.
    let mut case = Case::new("metrics/fvu, relative", CANCELLATION * share(acts.numel() as i64, Kind::Double));
    for (name, found, known) in [
        ("token_mean", &found.fvu, folder::numbers(&known, "fvu_token_mean")),
        ("dmodel_variance", &found.fvu_across_d, folder::numbers(&known, "fvu_dmodel_variance")),
        ("position_mean", &found.fvu_per_position, folder::numbers(&known, "fvu_position_mean")),
        ("token_mean of the mean", &of_mean.fvu, constant("fvu_token_mean_when_predicting_the_mean")),
        (
            "dmodel_variance of the mean",
            &of_mean.fvu_across_d,
            folder::numbers(&known, "fvu_dmodel_variance_when_predicting_the_mean"),
        ),
        ("token_mean of perfection", &perfect.fvu, constant("fvu_token_mean_when_perfect")),
    ] {
        case.by_slice(name, &row(found), &row(&known));
    }
    case.check();
    let tokens = |tensor: &Tensor| rounding::in_double(tensor).flatten(0, 1);
    let squared = loss::reconstruction(&tokens(&acts), &tokens(&recon)).double_value(&[]);
    let (name, allowed) = ("mean_squared_error_summed_over_hooks_and_dims", share(acts.numel() as i64, Kind::Double));
    Case::new("metrics/squared error, relative", allowed).number(name, squared, folder::number(&known, name)).check();
}

/// `latents.safetensors`; `l0_mean`, `l0_percentiles`, `dead_count`, `dead_indices`, `tokens`.
#[test]
fn firings_are_those_of_the_reference() {
    let (tensors, known) = (folder::tensors("metrics/latents.safetensors"), known());
    let latents = tensors.get("f");
    let (_, seq, n_latents) = latents.size3().expect("[sequence, position, latent]");
    let mut sums = FiringSums::new(seq, n_latents);
    latents.split(BATCH, 0).iter().for_each(|part| sums.add(&part.flatten(0, 1)));
    let found = sums.firings();
    let dead: Vec<bool> = found.density.iter().map(|share| *share == 0.0).collect();
    let dead_indices: Vec<usize> = (0..dead.len()).filter(|&latent| dead[latent]).collect();
    Case::exact("metrics/latents, counts")
        .equal("tokens", Some(found.n_tokens()), known["tokens"].as_i64())
        .absolute("l0_each", &Tensor::from_slice(&found.l0), &tensors.get("l0_each"))
        .each_equal("dead", &dead, &mask(&tensors, "dead"))
        .equal("dead_indices", serde_json::json!(dead_indices), known["dead_indices"].clone())
        .check();
    let mut shares = Case::new("metrics/latents, shares and percentiles", unit(Kind::Float)); // as the file is rounded
    shares.absolute("fire_fraction", &Tensor::from_slice(&found.density), &tensors.get("fire_fraction"));
    let n_dead = found.dead_frac() * n_latents as f64;
    shares.number_absolute("dead_count", n_dead, folder::number(&known, "dead_count"));
    shares.number_absolute("l0_mean", found.l0_mean(), folder::number(&known, "l0_mean"));
    for (percent, value) in folder::fields(&known, "l0_percentiles") {
        shares.number_absolute(percent, found.l0_percentile(percent.parse().unwrap()), value.as_f64().unwrap());
    }
    shares.check();
}

/// One of the two crosscoders of decoders.safetensors.
fn decoder(tensors: &Tensors, which: &str) -> Crosscoder {
    let w_dec = tensors.get(&format!("w_dec_{which}"));
    let (n_latents, n_hooks, d_model) = w_dec.size3().expect("[latent, hook, d_model]");
    let zeros = |size: i64| Tensor::zeros([size], (Kind::Float, Device::Cpu));
    Crosscoder {
        hooks: hooks(n_hooks),
        d_model,
        w_enc: tensors.get(&format!("w_enc_{which}")).permute([2, 0, 1]).flatten(1, 2), // from [hook, d_model, latent]
        b_enc: zeros(n_latents),
        w_dec: w_dec.flatten(1, 2),
        b_dec: zeros(n_hooks * d_model),
        log_threshold: zeros(n_latents),
        scale: tensors.get("scale"),
    }
}

/// `decoders.safetensors`.
#[test]
fn cosines_are_those_of_the_reference() {
    let expected = folder::tensors("metrics/decoders.safetensors");
    let (a, b) = (decoder(&expected, "a"), decoder(&expected, "b"));
    // Folding rounds in float32, and the file is in float32.
    let mut case = Case::new("metrics/cosines", share(8, Kind::Float));
    for (name, found) in [
        ("cos_dec_normalised", cosines(&a.w_dec, &b.w_dec)),
        ("cos_dec_folded", cosines(&a.fold().w_dec, &b.fold().w_dec)),
        ("cos_enc_normalised", cosines(&a.w_enc, &b.w_enc)),
    ] {
        case.absolute(name, &Tensor::from_slice(&found), &expected.get(name));
    }
    for (a, b) in [(&a, &b), (&a.fold(), &b.fold())] {
        let (a, b, known) = (a.w_dec_by_hook(), b.w_dec_by_hook(), expected.get("cos_dec_per_hook"));
        for hook in 0..known.size()[1] {
            let found = cosine(&a.select(1, hook), &b.select(1, hook));
            case.absolute("cos_dec_per_hook", &found, &known.select(1, hook));
        }
    }
    case.check();
}

fn floats(tensors: &Tensors, name: &str) -> Vec<f64> {
    Vec::try_from(&tensors.get(name).to_kind(Kind::Double)).unwrap()
}

fn mask(tensors: &Tensors, name: &str) -> Vec<bool> {
    floats(tensors, name).into_iter().map(|value| value == 1.0).collect()
}

/// `quadrants.safetensors`; thresholds and counts, for each percentile and population.
#[test]
fn quadrants_are_those_of_the_reference() {
    let (tensors, known) = (folder::tensors("metrics/quadrants.safetensors"), known());
    let (x, y, active) = (floats(&tensors, "cos_d"), floats(&tensors, "cos_m"), mask(&tensors, "active"));
    for (name, known) in folder::fields(&known, "quadrants") {
        let (percent, over) = name.strip_prefix('p').and_then(|rest| rest.split_once('_')).expect("pP_population");
        let population = match over {
            "all" => vec![true; x.len()],
            "active" => active.clone(),
            other => panic!("quadrants over {other:?}, known are all and active"),
        };
        let cuts = Cuts::percentile(&x, &y, &population, percent.parse().unwrap());
        Case::new(format!("metrics/quadrants {name} thresholds"), share(16, Kind::Double))
            .number_absolute("threshold_d", cuts.x, folder::number(known, "threshold_d"))
            .number_absolute("threshold_m", cuts.y, folder::number(known, "threshold_m"))
            .check();
        let quadrants = cuts.quadrants(&x, &y);
        let mut case = Case::exact(format!("metrics/quadrants {name}"));
        for (quadrant, word) in Quadrant::ALL.into_iter().zip(["both", "only_d", "only_m", "neither"]) {
            let found: Vec<bool> =
                quadrants.iter().zip(&population).map(|(here, counted)| *counted && *here == quadrant).collect();
            let n_found = found.iter().filter(|here| **here).count() as u64;
            case.each_equal(word, &found, &mask(&tensors, &format!("quadrant.{name}.{word}")));
            case.equal(word, Some(n_found), known["counts"][word].as_u64());
        }
        let both = &shares(&quadrants, &active, &active)[0];
        case.equal("active_in_both", Some(both.n_active as u64), known["active_in_both"].as_u64()).check();
    }
}

/// `recovered_loss`.
#[test]
fn recovered_losses_are_those_of_the_reference() {
    let mut case = Case::new("metrics/recovered_loss, relative", CANCELLATION * share(4, Kind::Double));
    for of in known()["recovered_loss"].as_array().expect("a list of cases") {
        let number = |name: &str| folder::number(of, name);
        let found = recovered_loss(number("original"), number("patched"), number("zero_ablated"));
        case.number(&of.to_string(), found, number("recovered"));
    }
    case.check();
}
