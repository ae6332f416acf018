//! Losses, gradients and steps of the optimiser, for each case and variant that expected.json names.

use super::{PARAMS, inputs, laid_out};
use crate::crosscoder;
use crate::parity::case::Case;
use crate::parity::folder;
use crate::rounding::{self, share, unit};
use serde_json::Value;
use stagediff::crosscoder::jumprelu::Backward;
use stagediff::crosscoder::{Backprop, Crosscoder, LossConfig, Losses, Optimiser, gradients, total_loss};
use stagediff::experiment::Recipe;
use stagediff::training::adam::{Adam, AdamConfig, global_norm};
use tch::{Kind, Tensor};

/// The loss that a variant of the files stands for: the corrected recipe, the published one (`reference`), and the
/// corrected one with the rectangle passed on to the pre-activations.
pub fn variant(name: &str) -> LossConfig {
    let recipe = match name {
        "corrected" | "ste_to_input" => Recipe::corrected(),
        "reference" => Recipe::published(),
        other => panic!("variant {other:?}, known are corrected, reference and ste_to_input"),
    };
    let cfg = recipe.loss_config();
    LossConfig { backward: Backward { to_input: name == "ste_to_input", ..cfg.backward }, ..cfg }
}

/// The loss of a variant with the constants of a case.
fn config(name: &str, known: &Value, case: &Value) -> LossConfig {
    let cfg = variant(name);
    LossConfig {
        lambda_s: folder::number(case, "lambda_s"),
        lambda_p: folder::number(case, "lambda_p"),
        tanh_scale: folder::number(known, "c"),
        backward: Backward { bandwidth: folder::number(known, "eps"), ..cfg.backward },
        ..cfg
    }
}

/// Constants of the optimiser, and its learning rate.
fn constants(known: &Value) -> (AdamConfig, f64) {
    let known = &known["optimizer"];
    let betas = folder::numbers(known, "betas");
    let (eps, clip_norm) = (folder::number(known, "eps"), folder::number(known, "max_norm"));
    (AdamConfig { beta1: betas[0], beta2: betas[1], eps, clip_norm }, folder::number(known, "lr"))
}

/// Case, variant, its loss and what expected.json says of it.
fn each_variant(check: impl Fn(&str, &str, &LossConfig, &Value)) {
    let known = folder::json("crosscoder/expected.json");
    for (case, of_case) in folder::fields(&known, "cases") {
        for (variant, of_variant) in folder::fields(of_case, "variants") {
            check(case, variant, &config(variant, &known, of_case), of_variant);
        }
    }
}

/// The inputs in float64.
fn in_double() -> (Crosscoder, Tensor) {
    let (crosscoder, acts) = inputs();
    (crosscoder::in_double(&crosscoder), rounding::in_double(&acts))
}

/// Terms of the sums that a gradient passes through: encoder, decoder, ⟨g, W_dec⟩ and the batch.
fn n_terms(crosscoder: &Crosscoder, acts: &Tensor) -> i64 {
    2 * crosscoder.b_dec.size()[0] + crosscoder.n_latents() + acts.size()[0]
}

/// Terms of a gradient's smaller slices cancel to a sixteenth of their size.
const CANCELLATION: f64 = 16.0;

/// A gradient cut into the slices on whose own scale it is judged: a latent's row at a hook point, or one entry.
fn slices(param: &str, grad: &Tensor, crosscoder: &Crosscoder) -> Tensor {
    let (n_hooks, d_model) = (crosscoder.hooks.len() as i64, crosscoder.d_model);
    match param {
        "w_enc" | "w_dec" => grad.view([-1, n_hooks, d_model]),
        "b_dec" => grad.view([n_hooks, d_model]),
        _ => grad.unsqueeze(-1),
    }
}

/// `loss`, `loss_recon`, `loss_sparsity`, `loss_pre_act` and `grad_norm` of every case and variant.
#[test]
pub fn losses_and_norms_are_those_of_the_reference() {
    let (float, double) = (inputs(), in_double());
    each_variant(|case, variant, cfg, known| {
        for ((crosscoder, acts), precision) in [(&float, "float32"), (&double, "float64")] {
            let step = gradients(crosscoder, acts, cfg);
            let (losses, norm) = (Losses::read(&step.losses), global_norm(&step.grads).double_value(&[]));
            let total = total_loss(crosscoder, acts, cfg).double_value(&[]);
            let n_terms = n_terms(crosscoder, acts) + acts.numel() as i64;
            let allowed = share(n_terms, acts.kind());
            Case::new(format!("crosscoder/{case} {variant} losses, relative, {precision}"), allowed)
                .number("loss", losses.total, folder::number(known, "loss"))
                .number("loss, by its terms", total, folder::number(known, "loss"))
                .number("loss_recon", losses.recon, folder::number(known, "loss_recon"))
                .number("loss_sparsity", losses.sparsity, folder::number(known, "loss_sparsity"))
                .number("loss_pre_act", losses.pre_act, folder::number(known, "loss_pre_act"))
                .number("grad_norm", norm, folder::number(known, "grad_norm"))
                .check();
        }
    });
}

/// `grads_<case>_<variant>.safetensors`, by dense products and as a training does it. The files are rounded to float32,
/// so float64 cannot be closer than that.
#[test]
pub fn gradients_are_those_of_the_reference() {
    let (float, double) = (inputs(), in_double());
    each_variant(|case, variant, cfg, _| {
        let file = format!("crosscoder/grads_{case}_{variant}");
        let expected = folder::tensors(&format!("{file}.safetensors"));
        let training = Backprop::default().gradients(&float.0, &float.1, cfg);
        for (way, step, kind) in [
            ("float32", gradients(&float.0, &float.1, cfg), Kind::Float),
            ("float32 in training", training, Kind::Float),
            ("float64", gradients(&double.0, &double.1, cfg), Kind::Double),
        ] {
            let (stored, off) = (unit(Kind::Float), share(n_terms(&float.0, &float.1), kind));
            let mut by_tensor = Case::new(format!("{file}, of the tensor's largest, {way}"), stored + off);
            let mut by_slice = Case::new(format!("{file}, of the slice's largest, {way}"), stored + CANCELLATION * off);
            for (name, grad) in PARAMS.iter().zip(step.grads) {
                let known = laid_out(name, &expected.get(&format!("grad.{name}")));
                by_tensor.relative(name, &grad, &known);
                by_slice.by_slice(name, &slices(name, &grad, &float.0), &slices(name, &known, &float.0));
            }
            by_tensor.check();
            by_slice.check();
        }
    });
}

/// `adam_<case>_corrected.safetensors`; `adam.steps`, `adam.loss_after_last_step`.
#[test]
pub fn steps_of_adam_are_those_of_torch() {
    let known = folder::json("crosscoder/expected.json");
    for (case, of_case) in folder::fields(&known, "cases") {
        let file = format!("crosscoder/adam_{case}_corrected");
        let expected = folder::tensors(&format!("{file}.safetensors"));
        let (cfg, (crosscoder, acts)) = (config("corrected", &known, of_case), inputs());
        let (mut crosscoder, (constants, lr)) = (crosscoder, constants(&known));
        let mut optimiser = Optimiser::new(&crosscoder, constants);
        let steps = of_case["adam"]["steps"].as_array().expect("a list of steps");
        let off = share(n_terms(&crosscoder, &acts), Kind::Float);
        let of_losses = share(n_terms(&crosscoder, &acts) + acts.numel() as i64, Kind::Float);
        let mut losses = Case::new(format!("{file} losses and norms, relative"), of_losses);
        let mut weights = Case::bounded(format!("{file} parameters"));
        // However small a gradient, its step is about as long as lr: rounding is large beside it where it is small beside
        // the tensor's largest. A wrong step is off by lr.
        let bound = |name: &str, param: &Tensor| {
            let squares = laid_out(name, &expected.get(&format!("exp_avg_sq{}.{name}", steps.len())));
            let root = squares.sqrt() + constants.eps;
            let way = steps.len() as f64 * lr * CANCELLATION * off;
            root.max() / root * way + param.abs() * (4.0 * unit(Kind::Float))
        };
        let mut compare_losses = |known: &Value, losses_found: &Tensor| {
            let found = Losses::read(losses_found);
            losses.number("loss", found.total, folder::number(known, "loss"));
            losses.number("recon", found.recon, folder::number(known, "recon"));
            losses.number("sparsity", found.sparsity, folder::number(known, "sparsity"));
            losses.number("pre_act", found.pre_act, folder::number(known, "pre_act"));
        };
        let mut norms = Vec::new();
        for (done, known) in steps.iter().enumerate() {
            let descent = optimiser.step(&mut crosscoder, &acts, &cfg, lr);
            compare_losses(known, &descent.losses);
            norms.push((descent.grad_norm.double_value(&[]), folder::number(known, "grad_norm")));
            for (name, param) in PARAMS.iter().zip(&crosscoder.params()) {
                let stored = format!("step{}.{name}", done + 1);
                if expected.has(&stored) {
                    weights.within(&stored, param, &laid_out(name, &expected.get(&stored)), &bound(name, param));
                }
            }
        }
        compare_losses(&of_case["adam"]["loss_after_last_step"], &gradients(&crosscoder, &acts, &cfg).losses);
        for (found, known) in norms {
            losses.number("grad_norm", found, known);
        }
        losses.check();
        weights.check();
        let mut state = Case::new(format!("{file} moments, of the tensor's largest"), 2.0 * off);
        for (moment, tensors) in [("exp_avg", &optimiser.adam.exp_avg), ("exp_avg_sq", &optimiser.adam.exp_avg_sq)] {
            for (name, tensor) in PARAMS.iter().zip(tensors) {
                let stored = format!("{moment}{}.{name}", steps.len());
                state.relative(&stored, tensor, &laid_out(name, &expected.get(&stored)));
            }
        }
        state.check();
    }
}

/// `optimizer.safetensors`: clipping and Adam on given gradients.
#[test]
pub fn clipping_and_adam_alone_are_those_of_torch() {
    let expected = folder::tensors("crosscoder/optimizer.safetensors");
    let known = folder::json("crosscoder/expected.json");
    let (constants, lr) = constants(&known);
    let mut params = [expected.get("p0").copy()];
    let mut adam = Adam::new(&params, constants);
    let (n_steps, n_params) = expected.get("grads").size2().expect("[step, parameter]");
    let mut weights = Case::new("crosscoder/optimizer parameters, of the largest", share(2 * n_steps, Kind::Float));
    let mut norm = Case::new("crosscoder/optimizer norms, relative", share(n_params + 2, Kind::Float));
    for (step, known) in folder::numbers(&known["optimizer"], "grad_norm").into_iter().enumerate() {
        let part = format!("step {}", step + 1);
        let found = adam.step(&mut params, &[expected.get("grads").get(step as i64)], lr);
        norm.number(&part, found.double_value(&[]), known);
        weights.relative(&part, &params[0], &expected.get("params_after_step").get(step as i64));
    }
    weights.check();
    norm.check();
}
