//! The hand-written backward pass against stored gradients, libtorch's autograd and finite differences; five steps of Adam.

use crate::crosscoder::{D_MODEL, N_HOOKS, N_LATENTS, PARAMS, inputs, laid_out};
use crate::fixture::{self, assert_close, assert_close_by_slice, assert_near, max_abs};
use stagediff::crosscoder::{Crosscoder, LossConfig, gradients, total_loss};
use stagediff::jumprelu::Backward;
use stagediff::loss;
use stagediff::optim::{Adam, AdamConfig, global_norm};
use stagediff::recipe::{PreActTarget, Recipe};
use tch::{Kind, Tensor};

const CASES: [(&str, f64); 2] = [("lp3e-6", 3e-6), ("lp0.1", 0.1)];
const VARIANTS: [&str; 3] = ["corrected", "reference", "ste_to_input"];

fn config(variant: &str, lambda_p: f64) -> LossConfig {
    let is_reference = variant == "reference";
    LossConfig {
        lambda_s: 0.5,
        lambda_p,
        tanh_scale: 4.0,
        pre_act_target: if is_reference { PreActTarget::Latents } else { PreActTarget::PreActs },
        backward: Backward { bandwidth: 2.0, chain_rule: !is_reference, to_input: variant == "ste_to_input" },
    }
}

fn each_case() -> impl Iterator<Item = (&'static str, &'static str, LossConfig)> {
    let with = |(case, lambda_p)| VARIANTS.map(|variant| (case, variant, config(variant, lambda_p)));
    CASES.into_iter().flat_map(with)
}

fn in_double() -> (Crosscoder, Tensor) {
    let (crosscoder, acts) = inputs();
    let params: Vec<Tensor> = crosscoder.params().iter().map(|param| param.to_kind(Kind::Double)).collect();
    (with_params(&crosscoder, &params), acts.to_kind(Kind::Double))
}

fn with_params(crosscoder: &Crosscoder, params: &[Tensor]) -> Crosscoder {
    let [w_enc, b_enc, w_dec, b_dec, log_threshold] = [0, 1, 2, 3, 4].map(|i: usize| params[i].shallow_clone());
    Crosscoder { w_enc, b_enc, w_dec, b_dec, log_threshold, ..crosscoder.copy() }
}

/// A gradient cut into the slices on whose own scale it is judged: a latent's row at a hook point, or one entry.
fn slices(param: &str, grad: &Tensor) -> Tensor {
    match param {
        "w_enc" | "w_dec" => grad.view([N_LATENTS, N_HOOKS, D_MODEL]),
        "b_dec" => grad.view([N_HOOKS, D_MODEL]),
        _ => grad.unsqueeze(-1),
    }
}

#[test]
fn gradients_are_those_of_the_reference_in_every_variant() {
    let (float, double) = (inputs(), in_double());
    for (case, variant, cfg) in each_case() {
        let expected = fixture::tensors(&format!("crosscoder/grads_{case}_{variant}.safetensors"));
        for ((crosscoder, acts), tolerance) in [(&float, 1e-4), (&double, 2e-7)] {
            let step = gradients(crosscoder, acts, &cfg);
            for (name, grad) in PARAMS.iter().zip(&step.grads) {
                let known = laid_out(name, &expected.get(&format!("grad.{name}")));
                assert_close_by_slice(&slices(name, grad), &slices(name, &known), tolerance);
            }
        }
    }
}

#[test]
fn losses_and_norm_are_those_of_the_reference() {
    let (float, double) = (inputs(), in_double());
    let known = fixture::json("crosscoder/expected.json");
    for (case, variant, cfg) in each_case() {
        let known = &known["cases"][case]["variants"][variant];
        for ((crosscoder, acts), tolerance) in [(&float, 1e-5), (&double, 1e-12)] {
            let step = gradients(crosscoder, acts, &cfg);
            let total = total_loss(crosscoder, acts, &cfg).double_value(&[]);
            let (losses, norm) = (step.losses, global_norm(&step.grads));
            let found = [losses.total, losses.recon, losses.sparsity, losses.pre_act, total, norm];
            let names = ["loss", "loss_recon", "loss_sparsity", "loss_pre_act", "loss", "grad_norm"];
            for (found, name) in found.into_iter().zip(names) {
                assert_near(found, known[name].as_f64().unwrap(), tolerance);
            }
        }
    }
}

/// The loss with the straight-through parts as terms whose value is zero, for libtorch to differentiate.
fn straight_through_loss(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> Tensor {
    let encoding = crosscoder.encode(acts);
    let (pre_acts, thresholds) = (&encoding.pre_acts, crosscoder.thresholds());
    let only_gradient = |tensor: &Tensor| tensor - tensor.detach();
    let rect = (pre_acts - &thresholds).abs().lt(cfg.backward.bandwidth / 2.0).to_kind(Kind::Double);
    let slope = rect * thresholds.detach() / cfg.backward.bandwidth;
    let moved =
        if cfg.backward.chain_rule { only_gradient(&thresholds) } else { only_gradient(&crosscoder.log_threshold) };
    let mut latents = &encoding.latents - &slope * moved;
    if cfg.backward.to_input {
        latents += &slope * only_gradient(pre_acts);
    }
    let target = if cfg.pre_act_target == PreActTarget::PreActs { pre_acts } else { &latents };
    let dec_norms = crosscoder.dec_norms();
    loss::reconstruction(acts, &crosscoder.decode(&latents))
        + loss::sparsity(&latents, &dec_norms, cfg.tanh_scale) * cfg.lambda_s
        + loss::pre_activation(target, &thresholds, &dec_norms) * cfg.lambda_p
}

#[test]
fn autograd_with_straight_through_by_detach_agrees() {
    let (crosscoder, acts) = in_double();
    for (_, _, cfg) in each_case() {
        let params: Vec<Tensor> =
            crosscoder.params().iter().map(|param| param.copy().set_requires_grad(true)).collect();
        let loss = straight_through_loss(&with_params(&crosscoder, &params), &acts, &cfg);
        let autograd = Tensor::run_backward(&[&loss], &params, false, false);
        for (found, expected) in gradients(&crosscoder, &acts, &cfg).grads.iter().zip(autograd) {
            assert_close(found, &expected, 1e-12 * max_abs(&expected));
        }
    }
}

/// Central difference of `loss` when parameter `i` moves along `direction`.
fn central_difference(crosscoder: &Crosscoder, i: usize, direction: &Tensor, loss: impl Fn(&Crosscoder) -> f64) -> f64 {
    const H: f64 = 1e-6;
    let at = |h: f64| {
        let mut params = crosscoder.params();
        params[i] = &params[i] + direction * h;
        loss(&with_params(crosscoder, &params))
    };
    (at(H) - at(-H)) / (2.0 * H)
}

/// With a window of no width only the smooth part of the loss has a gradient, which finite differences see whole.
#[test]
fn finite_differences_confirm_every_smooth_term() {
    let (crosscoder, acts) = in_double();
    let no_window = Backward { bandwidth: 1e-12, chain_rule: true, to_input: false };
    for (lambda_s, lambda_p) in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.5, 0.1)] {
        for pre_act_target in [PreActTarget::PreActs, PreActTarget::Latents] {
            let cfg = LossConfig { lambda_s, lambda_p, tanh_scale: 4.0, pre_act_target, backward: no_window };
            let step = gradients(&crosscoder, &acts, &cfg);
            for (i, grad) in step.grads.iter().enumerate() {
                let direction = fixture::normal(&grad.size(), i as i64).to_kind(Kind::Double);
                let along = (grad * &direction).sum(Kind::Double).double_value(&[]);
                let measured = central_difference(&crosscoder, i, &direction, |moved| {
                    total_loss(moved, &acts, &cfg).double_value(&[])
                });
                assert!((along - measured).abs() <= 1e-6 * along.abs().max(1.0), "{}: {along} {measured}", PARAMS[i]);
            }
        }
    }
}

#[test]
fn a_silent_latent_is_reached_through_its_pre_activations_alone() {
    let (crosscoder, acts) = in_double();
    let d_b_enc = |variant: &str| gradients(&crosscoder, &acts, &config(variant, 0.1)).grads[1].double_value(&[0]);
    assert_eq!(d_b_enc("reference"), 0.0);
    assert!(d_b_enc("corrected") < 0.0, "descent raises its bias");
}

#[test]
fn five_steps_of_adam_are_those_of_torch() {
    for (case, lambda_p) in CASES {
        let (crosscoder, acts) = inputs();
        let expected = fixture::tensors(&format!("crosscoder/adam_{case}_corrected.safetensors"));
        let known = fixture::json("crosscoder/expected.json")["cases"][case]["adam"]["steps"].clone();
        let mut params = crosscoder.params();
        let mut adam = Adam::new(&params, AdamConfig::default());
        for (done, known) in known.as_array().unwrap().iter().enumerate() {
            let step = gradients(&crosscoder, &acts, &config("corrected", lambda_p));
            assert_near(step.losses.total, known["loss"].as_f64().unwrap(), 1e-5);
            let norm = adam.step(&mut params, &step.grads, 1e-3);
            assert_near(norm, known["grad_norm"].as_f64().unwrap(), 1e-5);
            if done == 0 || done == 4 {
                for (name, param) in PARAMS.iter().zip(&params) {
                    assert_close(param, &laid_out(name, &expected.get(&format!("step{}.{name}", done + 1))), 2e-5);
                }
            }
        }
        for (state, moments) in [("exp_avg5", &adam.exp_avg), ("exp_avg_sq5", &adam.exp_avg_sq)] {
            for (name, moment) in PARAMS.iter().zip(moments) {
                let known = laid_out(name, &expected.get(&format!("{state}.{name}")));
                assert_close(moment, &known, 1e-5 * max_abs(&known));
            }
        }
    }
}

#[test]
fn a_recipe_chooses_its_variant() {
    let corrected = LossConfig::new(0.5, &Recipe::corrected());
    let published = LossConfig::new(0.5, &Recipe::published());
    assert_eq!(corrected, config("corrected", 3e-6));
    assert_eq!(published, config("reference", 3e-6));
}
