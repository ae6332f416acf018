//! A training step over active pairs alone and a dense one against float64, from silent to half active.

use crate::crosscoder::{forgetful_optimiser, in_double, training_gradients};
use crate::fixture::{self, assert_same, max_abs};
use crate::rounding::{self, assert_near, assert_within, of_largest, share, size_of_product, unit};
use stagediff::crosscoder::jumprelu::Backward;
use stagediff::crosscoder::{
    BatchGradients, Crosscoder, LossConfig, Losses, Optimiser, Precision, encoder_bias, gradients, init,
};
use stagediff::experiment::Recipe;
use stagediff::language_model::HookPoint;
use stagediff::processor::generator::seeded;
use stagediff::training::adam::{Adam, AdamConfig, global_norm};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 70;
const N_INPUTS: i64 = 60;
const N_LATENTS: i64 = 77;

/// Terms of the sums that a gradient passes through: encoder, decoder, ⟨g, W_dec⟩ and the batch.
const N_TERMS: i64 = N_INPUTS + N_LATENTS + N_INPUTS + BATCH;

/// Activations, and a crosscoder with weights away from their start whose latents fire on this share of them.
fn case(firing_frac: f64) -> (Crosscoder, Tensor) {
    let hooks = HookPoint::residual_stream(2);
    let acts = fixture::normal(&[BATCH, 3, 20], 1);
    let fresh = {
        let _generator = seeded(0);
        init(N_LATENTS, &hooks, &acts, &Tensor::ones([3], (Kind::Float, Device::Cpu)), 0.5)
    };
    let w_enc = fixture::normal(&[N_LATENTS, N_INPUTS], 3) * 0.3;
    let log_threshold = fixture::normal(&[N_LATENTS], 4) * 0.2;
    let b_enc = encoder_bias(&acts.flatten(1, 2), &w_enc, &log_threshold.exp(), firing_frac);
    let w_dec = fixture::normal(&[N_LATENTS, N_INPUTS], 5) * 0.2;
    let b_dec = fixture::normal(&[N_INPUTS], 6) * 0.1;
    (Crosscoder { w_enc, b_enc, w_dec, b_dec, log_threshold, ..fresh }, acts)
}

/// Moves biases until each pre-activation lies clearly on one side of its threshold and of both edges of the window: on
/// which side one lies that is nearer than rounding moves it, is chance.
fn decide(crosscoder: &mut Crosscoder, acts: &Tensor, cfg: &LossConfig) {
    let (exact, w_enc) = (in_double(crosscoder), crosscoder.w_enc.tr());
    let pre_acts = exact.encode(&rounding::in_double(acts)).pre_acts;
    let size = size_of_product(&acts.flatten(1, 2), &w_enc) + crosscoder.b_enc.abs() + exact.thresholds();
    let gap = 4.0 * max_abs(&size) * share(N_INPUTS + 2, Kind::Float);
    let from_threshold = Vec::<Vec<f64>>::try_from(&(pre_acts - exact.thresholds()).tr()).unwrap();
    let edges = [0.0, cfg.backward.bandwidth / 2.0, -cfg.backward.bandwidth / 2.0];
    let is_clear = |of_latent: &[f64], shift: f64| {
        of_latent.iter().all(|place| edges.iter().all(|edge| (place + shift - edge).abs() > gap))
    };
    let shift = |of_latent: Vec<f64>| {
        (0..1000).map(|i| f64::from(i) * gap).find(|&shift| is_clear(&of_latent, shift)).expect("a place between")
    };
    let shifts: Vec<f64> = from_threshold.into_iter().map(shift).collect();
    crosscoder.b_enc += Tensor::from_slice(&shifts).to_kind(Kind::Float);
}

/// As a training takes it: by active pairs where few fire.
fn training_step(crosscoder: &Crosscoder, acts: &Tensor, cfg: &LossConfig) -> BatchGradients {
    training_gradients(&mut forgetful_optimiser(crosscoder), crosscoder, acts, cfg)
}

fn configs() -> impl Iterator<Item = LossConfig> {
    let recipes = [Recipe::corrected(), Recipe::published()];
    recipes.into_iter().flat_map(|recipe| {
        let cfg = recipe.loss_config();
        [cfg, LossConfig { lambda_p: 0.1, ..cfg }].into_iter().flat_map(|cfg| {
            [0.05, 2.0].map(|bandwidth| LossConfig { backward: Backward { bandwidth, ..cfg.backward }, ..cfg })
        })
    })
}

/// Losses, firings and gradients are those of float64 but for rounding. The smallest term of all gradients, what the
/// pre-activations at λ_p = 0.1 add to ∂L/∂N, is ten thousand times the bound.
#[track_caller]
fn assert_is_step(found: &BatchGradients, exact: &BatchGradients) {
    assert_same(&found.n_fired, &exact.n_fired);
    for (found, exact) in found.grads.iter().zip(&exact.grads) {
        assert_within(found, exact, &of_largest(share(N_TERMS, Kind::Float), exact));
    }
    let losses = |step: &BatchGradients| {
        let Losses { total, recon, sparsity, pre_act } = Losses::read(&step.losses);
        [total, recon, sparsity, pre_act]
    };
    for (found, exact) in losses(found).into_iter().zip(losses(exact)) {
        assert_near(found, exact, share(N_TERMS, Kind::Float));
    }
}

#[test]
fn sparse_and_dense_steps_are_those_of_float64() {
    for firing_frac in [0.0, 0.01, 0.1, 0.5] {
        let (mut crosscoder, acts) = case(firing_frac);
        for cfg in configs() {
            decide(&mut crosscoder, &acts, &cfg);
            let exact = gradients(&in_double(&crosscoder), &rounding::in_double(&acts), &cfg);
            assert_is_step(&gradients(&crosscoder, &acts, &cfg), &exact);
            assert_is_step(&training_step(&crosscoder, &acts, &cfg), &exact);
        }
    }
}

/// Whole numbers, whose pre-activations nothing rounds: many lie on the threshold 1 and on the window's edges 0 and 2.
#[test]
fn what_lies_on_an_edge_is_on_the_same_side_in_every_way() {
    let whole = |size: &[i64], seed: u64| fixture::normal(size, seed).round();
    for bias in [0.0, -12.0] {
        let (fresh, _) = case(0.5);
        let acts = whole(&[BATCH, 3, 20], 1);
        let (b_enc, log_threshold) = (Tensor::full_like(&fresh.b_enc, bias), fresh.log_threshold.zeros_like());
        let (w_enc, w_dec) = (whole(&[N_LATENTS, N_INPUTS], 3), whole(&[N_LATENTS, N_INPUTS], 5));
        let crosscoder = Crosscoder { w_enc, w_dec, b_enc, log_threshold, ..fresh };
        let pre_acts = crosscoder.encode(&acts).pre_acts;
        for edge in [0.0, 1.0, 2.0] {
            assert!(pre_acts.eq(edge).sum(Kind::Int64).int64_value(&[]) > 10, "some lie on {edge}");
        }
        for cfg in configs() {
            let exact = gradients(&in_double(&crosscoder), &rounding::in_double(&acts), &cfg);
            assert_is_step(&gradients(&crosscoder, &acts, &cfg), &exact);
            assert_is_step(&training_step(&crosscoder, &acts, &cfg), &exact);
        }
    }
}

/// What Adam makes of one parameter: the parameter, its moments and its gradient before clipping.
struct Moved {
    param: Tensor,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
}

const LR: f64 = 1e-2;

/// The parameter was moved along `grad` times `clip`: moments follow from those before, and the step from the moments. By
/// way of the gradient alone the step could not be told: where that is hardly more than rounding, the step has any size.
#[track_caller]
fn assert_is_adam(found: &Moved, before: &Moved, grad: &Tensor, clip: f64, n_steps: i32) {
    let AdamConfig { beta1, beta2, eps, .. } = AdamConfig::default();
    let grad = grad * clip;
    let off = max_abs(&grad) * share(2 * N_TERMS, Kind::Float); // the gradient, and the norm that clips it
    let few = share(6, Kind::Float);
    let exp_avg = &before.exp_avg * beta1 + &grad * (1.0 - beta1);
    assert_within(&found.exp_avg, &exp_avg, &(before.exp_avg.abs() * few + off * (1.0 - beta1)));
    let exp_avg_sq = &before.exp_avg_sq * beta2 + grad.square() * (1.0 - beta2);
    let of_square = (grad.abs() * 2.0 + off) * off * (1.0 - beta2);
    assert_within(&found.exp_avg_sq, &exp_avg_sq, &(&exp_avg_sq * few + of_square));
    let root = (&found.exp_avg_sq / (1.0 - beta2.powi(n_steps))).sqrt() + eps;
    let step = &found.exp_avg / (1.0 - beta1.powi(n_steps)) / root * LR;
    let bound = step.abs() * share(12, Kind::Float) + before.param.abs() * unit(Kind::Float) * 2.0;
    assert_within(&found.param, &(&before.param - step), &bound);
}

/// Five steps, so that moments count.
#[test]
fn a_step_of_the_optimiser_is_adam_on_the_gradients_of_float64() {
    let state = |crosscoder: &Crosscoder, adam: &Adam| -> Vec<Moved> {
        let moments = adam.exp_avg.iter().zip(&adam.exp_avg_sq);
        let double = rounding::in_double;
        let moved = |(param, (m, v)): (&Tensor, (&Tensor, &Tensor))| Moved {
            param: double(param),
            exp_avg: double(m),
            exp_avg_sq: double(v),
        };
        crosscoder.params().iter().zip(moments).map(moved).collect()
    };
    for firing_frac in [0.0, 0.01, 0.1, 0.5] {
        let (start, acts) = case(firing_frac);
        for cfg in configs() {
            let mut crosscoder = start.copy();
            let mut optimiser = Optimiser::new(&crosscoder, AdamConfig::default());
            for n_steps in 1..=5 {
                decide(&mut crosscoder, &acts, &cfg);
                let before = state(&crosscoder, &optimiser.adam);
                let exact = gradients(&in_double(&crosscoder), &rounding::in_double(&acts), &cfg);
                let norm = global_norm(&exact.grads).double_value(&[]);
                let found = optimiser.step(&mut crosscoder, &acts, &cfg, LR);
                assert_same(&found.n_fired, &exact.n_fired);
                let (total, exact_total) = (Losses::read(&found.losses).total, Losses::read(&exact.losses).total);
                assert_near(total, exact_total, share(N_TERMS, Kind::Float));
                assert_near(found.grad_norm.double_value(&[]), norm, share(N_TERMS, Kind::Float));
                let clip = (AdamConfig::default().clip_norm / (norm + 1e-6)).min(1.0);
                let moved = state(&crosscoder, &optimiser.adam);
                for ((found, before), grad) in moved.iter().zip(&before).zip(&exact.grads) {
                    assert_is_adam(found, before, grad, clip, n_steps);
                }
            }
            assert_eq!(optimiser.adam.n_steps, 5);
        }
    }
}

#[test]
fn a_step_does_not_depend_on_the_one_before() {
    let (crosscoder, acts) = case(0.05);
    let cfg = LossConfig::default();
    let mut used = forgetful_optimiser(&crosscoder);
    training_gradients(&mut used, &crosscoder, &(&acts * 3.0), &cfg);
    let again = training_gradients(&mut used, &crosscoder, &acts, &cfg);
    let fresh = training_step(&crosscoder, &acts, &cfg);
    again.grads.iter().zip(&fresh.grads).for_each(|(again, fresh)| assert_same(again, fresh));
}

#[test]
fn weights_that_are_no_numbers_show_in_the_loss() {
    let (crosscoder, acts) = case(0.05);
    let _ = crosscoder.b_enc.get(3).fill_(f64::NAN);
    let step = training_step(&crosscoder, &acts, &LossConfig::default());
    assert!(Losses::read(&step.losses).total.is_nan());
}

/// Rounding factors to bfloat16 may carry one active pair in a hundred across its threshold. What it adds to a gradient is
/// missing then: a hundredth of the squares, a tenth of the norm.
#[test]
fn products_in_bfloat16_come_near() {
    for firing_frac in [0.05, 0.5] {
        let (crosscoder, acts) = case(firing_frac);
        let exact = LossConfig::default();
        let rounded = LossConfig { products: Precision::Bf16, ..exact };
        let (expected, found) = (gradients(&crosscoder, &acts, &exact), training_step(&crosscoder, &acts, &rounded));
        assert_near(Losses::read(&found.losses).total, Losses::read(&expected.losses).total, 0.01);
        for (found, expected) in found.grads.iter().zip(&expected.grads) {
            assert_eq!(found.kind(), Kind::Float);
            let error = ((found - expected).norm() / expected.norm()).double_value(&[]);
            assert!((f64::MIN_POSITIVE..0.1).contains(&error), "{error} at {firing_frac}");
        }
    }
}
