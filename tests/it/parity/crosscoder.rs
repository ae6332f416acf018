//! crosscoder/: the dictionary against an independent implementation in float64.

mod training;

use super::case::Case;
use super::folder;
use crate::rounding::{self, share, size_of_product};
use stagediff::crosscoder::harvest;
use stagediff::crosscoder::jumprelu::{Backward, backward, jumprelu};
use stagediff::crosscoder::{Crosscoder, tied};
use stagediff::language_model::HookPoint;
use tch::{Device, Kind, Tensor};

pub use training::variant;

pub const TESTS: &[fn()] = &[
    the_forward_pass_is_that_of_the_reference,
    jumprelu_is_that_of_the_reference_on_its_edges,
    the_scale_is_that_of_the_reference,
    fresh_weights_are_those_of_the_reference,
    folding_and_unfolding_are_those_of_the_reference,
    training::losses_and_norms_are_those_of_the_reference,
    training::gradients_are_those_of_the_reference,
    training::steps_of_adam_are_those_of_torch,
    training::clipping_and_adam_alone_are_those_of_torch,
];

/// The parameters in the order of [`Crosscoder::params`], under the files' names.
pub const PARAMS: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

/// A tensor of the files in the library's layout: one row a latent, hooks one after the other.
pub fn laid_out(param: &str, tensor: &Tensor) -> Tensor {
    match param {
        "w_enc" => tensor.permute([2, 0, 1]).contiguous().flatten(1, 2), // from [hook, d_model, latent]
        "w_dec" => tensor.flatten(1, 2),                                 // from [latent, hook, d_model]
        _ => tensor.reshape([-1]),
    }
}

/// The crosscoder of parameters in the files' layout, on the residual stream.
pub fn crosscoder(param: impl Fn(&str) -> Tensor, scale: Option<Tensor>) -> Crosscoder {
    let (_, n_hooks, d_model) = param("w_dec").size3().expect("w_dec [latent, hook, d_model]");
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = PARAMS.map(|name| laid_out(name, &param(name)));
    let scale = scale.unwrap_or_else(|| Tensor::ones([n_hooks], (Kind::Float, Device::Cpu)));
    Crosscoder { hooks: hooks(n_hooks), d_model, w_enc, b_enc, w_dec, b_dec, log_threshold, scale }
}

pub fn hooks(n_hooks: i64) -> Vec<HookPoint> {
    HookPoint::residual_stream(n_hooks as usize - 1)
}

/// The crosscoder and the activations of inputs.safetensors.
fn inputs() -> (Crosscoder, Tensor) {
    let inputs = folder::tensors("crosscoder/inputs.safetensors");
    (crosscoder(|name| inputs.get(name), None), inputs.get("x"))
}

/// Latents for which `fires` is not zero, as a list.
fn latents_that(fires: &Tensor) -> serde_json::Value {
    serde_json::json!(Vec::<i64>::try_from(&fires.nonzero().view(-1)).unwrap())
}

/// `inputs.safetensors`, `forward.safetensors`; `l0`, `never_fire`, `always_fire`.
#[test]
fn the_forward_pass_is_that_of_the_reference() {
    let ((crosscoder, acts), expected) = (inputs(), folder::tensors("crosscoder/forward.safetensors"));
    let encoding = crosscoder.encode(&acts);
    let (n_inputs, n_latents) = (crosscoder.b_dec.size()[0], crosscoder.n_latents());
    for (name, found, n_terms) in [
        ("pre", &encoding.pre_acts, n_inputs + 1),
        ("f", &encoding.latents, n_inputs + 1),
        ("recon", &crosscoder.decode(&encoding.latents), n_inputs + n_latents + 2),
        ("recon", &crosscoder.reconstruct(&acts), n_inputs + n_latents + 4),
        ("dec_norms", &crosscoder.dec_norms(), n_inputs),
        ("theta", &crosscoder.thresholds(), 4),
    ] {
        Case::new(format!("crosscoder/forward {name}, of the largest"), share(n_terms, Kind::Float))
            .relative(name, found, &expected.get(name))
            .check();
    }
    let (known, fires) = (folder::json("crosscoder/expected.json"), encoding.latents.gt(0.0));
    let l0 = fires.sum(Kind::Int64).double_value(&[]) / acts.size()[0] as f64;
    let ever = fires.any_dim(0, false);
    Case::new("crosscoder/forward l0", share(2, Kind::Double)).number("l0", l0, folder::number(&known, "l0")).check();
    Case::exact("crosscoder/forward, which latents fire")
        .equal("never_fire", &latents_that(&ever.logical_not()), &known["never_fire"])
        .equal("always_fire", &latents_that(&fires.all_dim(0, false)), &known["always_fire"])
        .check();
}

/// `jumprelu_edges.safetensors`.
#[test]
fn jumprelu_is_that_of_the_reference_on_its_edges() {
    let edges = folder::tensors("crosscoder/jumprelu_edges.safetensors");
    let bandwidth = folder::number(&folder::json("crosscoder/expected.json")["jumprelu_edges"], "eps");
    let pre_acts = edges.get("pre");
    // Rounded once: pre-activations lie on these thresholds exactly.
    let thresholds = rounding::in_double(&edges.get("log_threshold")).exp().to_kind(Kind::Float);
    let n_terms = pre_acts.size()[0] + 4;
    let mut case = Case::new("crosscoder/jumprelu_edges, of the largest", share(n_terms, Kind::Float));
    case.relative("f", &jumprelu(&pre_acts, &thresholds), &edges.get("f"));
    for (name, chain_rule, to_input) in
        [("chain", true, false), ("no_chain", false, false), ("chain_ste_to_input", true, true)]
    {
        let cfg = Backward { bandwidth, chain_rule, to_input };
        let (d_pre_acts, d_log_threshold) = backward(&pre_acts, &thresholds, &edges.get("upstream"), cfg);
        case.relative(name, &d_pre_acts, &edges.get(&format!("{name}.d_pre")));
        case.relative(name, &d_log_threshold, &edges.get(&format!("{name}.d_log_threshold")));
    }
    case.check();
}

/// `scale.safetensors`.
#[test]
fn the_scale_is_that_of_the_reference() {
    let expected = folder::tensors("crosscoder/scale.safetensors");
    let acts = expected.get("acts_raw");
    let scale = harvest::scale(&acts);
    let n_terms = acts.size()[0] + acts.size()[2] + 4;
    let mut case = Case::new("crosscoder/scale, relative", share(n_terms, Kind::Float));
    case.by_slice("scale", &scale.unsqueeze(1), &expected.get("scale").unsqueeze(1));
    case.by_slice("acts_scaled", &(acts * scale.view([1, -1, 1])), &expected.get("acts_scaled")).check();
}

/// `init.safetensors`, for each firing share in it.
#[test]
fn fresh_weights_are_those_of_the_reference() {
    let expected = folder::tensors("crosscoder/init.safetensors");
    let (acts, w_dec) = (expected.get("x_scaled"), laid_out("w_dec", &expected.get("w_dec")));
    let hooks = hooks(acts.size()[1]);
    let scale = Tensor::ones([acts.size()[1]], (Kind::Float, Device::Cpu));
    let shares: Vec<&str> =
        expected.names().into_iter().filter_map(|name| name.strip_prefix('p')?.strip_suffix(".b_enc")).collect();
    for share in shares {
        let fresh = tied(&w_dec, &hooks, &acts, &scale, share.parse().unwrap());
        let w_enc = laid_out("w_enc", &expected.get("w_enc"));
        let sums = size_of_product(&acts.flatten(1, 2), &w_enc.tr()).amax([0i64].as_slice(), false);
        let bound = (sums + fresh.thresholds()) * rounding::share(w_enc.size()[1] + 4, Kind::Float);
        let quantile = fresh.thresholds() - &fresh.b_enc;
        Case::bounded(format!("crosscoder/init, firing on {share}"))
            .within("w_enc", &fresh.w_enc, &w_enc, &(w_enc.abs() * rounding::share(3, Kind::Float)))
            .within("b_enc", &fresh.b_enc, &expected.get(&format!("p{share}.b_enc")), &bound)
            .within("quantile", &quantile, &expected.get(&format!("p{share}.quantile")), &bound)
            .check();
        Case::exact(format!("crosscoder/init, firing on {share}, constants"))
            .absolute("log_threshold", &fresh.log_threshold, &expected.get("log_threshold"))
            .absolute("b_dec", &fresh.b_dec, &fresh.b_dec.zeros_like())
            .check();
    }
}

/// `fold.safetensors`.
#[test]
fn folding_and_unfolding_are_those_of_the_reference() {
    let expected = folder::tensors("crosscoder/fold.safetensors");
    let (scale, acts) = (expected.get("scale"), expected.get("acts_raw"));
    let unfolded = crosscoder(|name| expected.get(&format!("unfolded.{name}")), Some(scale.copy()));
    let folded = unfolded.fold();
    let few = share(4, Kind::Float); // a factor and its product, on either side
    let mut params = Case::bounded("crosscoder/fold parameters");
    let again = folded.unfold(&scale);
    for (name, (folded, (again, unfolded))) in
        PARAMS.iter().zip(folded.params().iter().zip(again.params().iter().zip(unfolded.params())))
    {
        let known = laid_out(name, &expected.get(&format!("folded.{name}")));
        params.within(name, folded, &known, &(known.abs() * few));
        params.within(&format!("{name} unfolded again"), again, &unfolded, &(unfolded.abs() * few));
    }
    params.equal("scale of the folded one", folded.scale.equal(&scale.ones_like()), true).check();

    let encoding = unfolded.encode(&(&acts * scale.view([1, -1, 1])));
    let (n_inputs, n_latents) = (unfolded.b_dec.size()[0], unfolded.n_latents());
    Case::new("crosscoder/fold latents, of the largest", share(n_inputs + 4, Kind::Float))
        .relative("latents", &encoding.latents, &expected.get("latents"))
        .relative("latents of the folded one", &folded.encode(&acts).latents, &expected.get("latents"))
        .check();

    let n_terms = n_inputs + n_latents + 6;
    let mut recon =
        Case::new("crosscoder/fold reconstructions, of the hook point's largest", share(n_terms, Kind::Float));
    recon.relative("recon_scaled", &unfolded.decode(&encoding.latents), &expected.get("recon_scaled"));
    for (name, crosscoder) in [("unfolded", &unfolded), ("folded", &folded)] {
        let (found, known) = (crosscoder.reconstruct(&acts), expected.get("recon_raw"));
        for hook in 0..known.size()[1] {
            recon.relative(&format!("{name}, hook {hook}"), &found.select(1, hook), &known.select(1, hook));
        }
    }
    recon.check();
}
