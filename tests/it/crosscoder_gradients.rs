//! The hand-written backward pass against libtorch's autograd and finite differences.

use crate::crosscoder::{self, inputs, with_params};
use crate::fixture;
use crate::parity::crosscoder::{PARAMS, variant};
use crate::rounding::{assert_within, of_largest, share};
use stagediff::crosscoder::jumprelu::Backward;
use stagediff::crosscoder::loss;
use stagediff::crosscoder::loss::PreActTarget;
use stagediff::crosscoder::{Crosscoder, LossConfig, Losses, Precision, gradients, total_loss};
use tch::{Kind, Tensor};

fn in_double() -> (Crosscoder, Tensor) {
    let (crosscoder, acts) = inputs();
    (crosscoder::in_double(&crosscoder), acts.to_kind(Kind::Double))
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
    let cases = ["corrected", "reference", "ste_to_input"].map(variant);
    for cfg in cases.into_iter().flat_map(|cfg| [cfg, LossConfig { lambda_p: 0.1, ..cfg }]) {
        let params: Vec<Tensor> =
            crosscoder.params().iter().map(|param| param.copy().set_requires_grad(true)).collect();
        let loss = straight_through_loss(&with_params(&crosscoder, &params), &acts, &cfg);
        let autograd = Tensor::run_backward(&[&loss], &params, false, false);
        for (found, expected) in gradients(&crosscoder, &acts, &cfg).grads.iter().zip(autograd) {
            assert_within(found, &expected, &of_largest(10.0 * share(60 + 24 + 16, Kind::Double), &expected));
        }
    }
}

/// How far a parameter moves for a finite difference.
const H: f64 = 1e-6;

/// Central difference of `loss` when parameter `i` moves along `direction`.
fn central_difference(crosscoder: &Crosscoder, i: usize, direction: &Tensor, loss: impl Fn(&Crosscoder) -> f64) -> f64 {
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
    let backward = Backward { bandwidth: 1e-12, chain_rule: true, to_input: false };
    for (lambda_s, lambda_p) in [(0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.5, 0.1)] {
        for pre_act_target in [PreActTarget::PreActs, PreActTarget::Latents] {
            let products = Precision::Float32;
            let cfg = LossConfig { lambda_s, lambda_p, tanh_scale: 4.0, pre_act_target, backward, products };
            let step = gradients(&crosscoder, &acts, &cfg);
            // Each of the two losses is off by a share of itself.
            let rounding = share(acts.numel() as i64, Kind::Double) * Losses::read(&step.losses).total / H;
            for (i, grad) in step.grads.iter().enumerate() {
                let direction = fixture::normal(&grad.size(), i as u64).to_kind(Kind::Double);
                let along = (grad * &direction).sum(Kind::Double).double_value(&[]);
                let measured = central_difference(&crosscoder, i, &direction, |moved| {
                    total_loss(moved, &acts, &cfg).double_value(&[])
                });
                let error = (along - measured).abs();
                assert!(error <= rounding + 1e-6 * along.abs(), "{}: {along} {measured}", PARAMS[i]);
            }
        }
    }
}

#[test]
fn a_silent_latent_is_reached_through_its_pre_activations_alone() {
    let (crosscoder, acts) = in_double();
    let d_b_enc = |name: &str| gradients(&crosscoder, &acts, &variant(name)).grads[1].double_value(&[0]);
    assert_eq!(d_b_enc("reference"), 0.0);
    assert!(d_b_enc("corrected") < 0.0, "descent raises its bias");
}

#[test]
fn both_recipes_have_the_published_constants() {
    for cfg in ["corrected", "reference"].map(variant) {
        assert_eq!((cfg.lambda_p, cfg.tanh_scale, cfg.backward.bandwidth), (3e-6, 4.0, 2.0));
    }
}
