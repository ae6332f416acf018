//! A training step over active pairs alone against the dense one, from silent to half active.

use crate::fixture::{self, assert_close, assert_near, assert_same, max_abs};
use stagediff::crosscoder::{
    Crosscoder, Gradients, LossConfig, Losses, Optimiser, Products, Step, encoder_bias, gradients, init,
};
use stagediff::experiment::recipe::Recipe;
use stagediff::language_model::HookPoint;
use stagediff::training::adam::{Adam, AdamConfig};
use tch::{Device, Kind, Tensor};

const N_LATENTS: i64 = 77;

/// Activations, and a crosscoder with weights away from their start whose latents fire on this share of them.
fn case(firing_frac: f64) -> (Crosscoder, Tensor) {
    let hooks = HookPoint::residual_stream(2);
    let acts = fixture::normal(&[70, 3, 20], 1);
    let fresh = init(N_LATENTS, &hooks, &acts, &Tensor::ones([3], (Kind::Float, Device::Cpu)), 0.5);
    let w_enc = fixture::normal(&[N_LATENTS, 60], 3) * 0.3;
    let log_threshold = fixture::normal(&[N_LATENTS], 4) * 0.2;
    let b_enc = encoder_bias(&acts.flatten(1, 2), &w_enc, &log_threshold.exp(), firing_frac);
    let w_dec = fixture::normal(&[N_LATENTS, 60], 5) * 0.2;
    let b_dec = fixture::normal(&[60], 6) * 0.1;
    (Crosscoder { w_enc, b_enc, w_dec, b_dec, log_threshold, ..fresh }, acts)
}

fn configs() -> impl Iterator<Item = LossConfig> {
    let recipes = [Recipe::corrected(), Recipe::published()];
    recipes.into_iter().flat_map(|recipe| {
        let cfg = LossConfig::new(0.5, &recipe);
        [cfg, LossConfig { lambda_p: 0.1, ..cfg }].into_iter().flat_map(|cfg| {
            [0.05, 2.0].map(|bandwidth| LossConfig {
                backward: stagediff::crosscoder::jumprelu::Backward { bandwidth, ..cfg.backward },
                ..cfg
            })
        })
    })
}

#[test]
fn sparse_and_dense_steps_agree() {
    for firing_frac in [0.0, 0.01, 0.1, 0.5] {
        let (crosscoder, acts) = case(firing_frac);
        for cfg in configs() {
            let (dense, sparse) =
                (gradients(&crosscoder, &acts, &cfg), Gradients::default().step(&crosscoder, &acts, &cfg));
            assert_same(&sparse.n_fired, &dense.n_fired);
            for (found, expected) in sparse.grads.iter().zip(&dense.grads) {
                let error = max_abs(&(found - expected));
                assert!(
                    error <= 1e-5 * max_abs(expected),
                    "{error} of {} at {firing_frac}, {cfg:?}",
                    max_abs(expected)
                );
            }
            let losses = |step: &Step| {
                let Losses { total, recon, sparsity, pre_act } = Losses::read(&step.losses);
                [total, recon, sparsity, pre_act]
            };
            for (found, expected) in losses(&sparse).into_iter().zip(losses(&dense)) {
                assert_near(found, expected, 1e-5);
            }
        }
    }
}

/// Five steps, so that moments count, of the optimiser and of dense gradients with Adam.
#[test]
fn the_optimiser_goes_where_dense_gradients_and_adam_go() {
    for firing_frac in [0.0, 0.01, 0.1, 0.5] {
        let (crosscoder, acts) = case(firing_frac);
        for cfg in configs() {
            let (mut moved, reference) = (crosscoder.copy(), crosscoder.copy());
            let mut optimiser = Optimiser::new(&moved, AdamConfig::default());
            let mut params = reference.params();
            let mut adam = Adam::new(&params, AdamConfig::default());
            for _ in 0..5 {
                let expected = gradients(&reference, &acts, &cfg);
                let norm = adam.step(&mut params, &expected.grads, 1e-2);
                let found = optimiser.step(&mut moved, &acts, &cfg, 1e-2);
                assert_same(&found.n_fired, &expected.n_fired);
                assert_near(Losses::read(&found.losses).total, Losses::read(&expected.losses).total, 1e-5);
                assert_near(found.grad_norm.double_value(&[]), norm.double_value(&[]), 1e-5);
            }
            assert_eq!(optimiser.adam.n_steps, 5);
            for (found, expected) in moved.params().iter().zip(&params) {
                assert_close(found, expected, 2e-4);
            }
            let moments = |adam: Adam| adam.exp_avg.into_iter().chain(adam.exp_avg_sq);
            for (found, expected) in moments(optimiser.adam).zip(moments(adam)) {
                let error = max_abs(&(found - &expected));
                assert!(error <= 1e-4 * max_abs(&expected), "moments: {error} at {firing_frac}, {cfg:?}");
            }
        }
    }
}

#[test]
fn a_step_does_not_depend_on_the_one_before() {
    let (crosscoder, acts) = case(0.05);
    let cfg = LossConfig::new(0.5, &Recipe::corrected());
    let mut used = Gradients::default();
    used.step(&crosscoder, &(&acts * 3.0), &cfg);
    let (again, fresh) = (used.step(&crosscoder, &acts, &cfg), Gradients::default().step(&crosscoder, &acts, &cfg));
    again.grads.iter().zip(&fresh.grads).for_each(|(again, fresh)| assert_same(again, fresh));
}

#[test]
fn weights_that_are_no_numbers_show_in_the_loss() {
    let (crosscoder, acts) = case(0.05);
    let _ = crosscoder.b_enc.get(3).fill_(f64::NAN);
    let step = Gradients::default().step(&crosscoder, &acts, &LossConfig::new(0.5, &Recipe::corrected()));
    assert!(Losses::read(&step.losses).total.is_nan());
}

#[test]
fn products_in_bfloat16_come_near() {
    for firing_frac in [0.05, 0.5] {
        let (crosscoder, acts) = case(firing_frac);
        let exact = LossConfig::new(0.5, &Recipe::corrected());
        let rounded = LossConfig { products: Products::Bf16, ..exact };
        let (expected, found) =
            (gradients(&crosscoder, &acts, &exact), Gradients::default().step(&crosscoder, &acts, &rounded));
        assert_near(Losses::read(&found.losses).total, Losses::read(&expected.losses).total, 0.01);
        for (found, expected) in found.grads.iter().zip(&expected.grads) {
            assert_eq!(found.kind(), Kind::Float);
            let cosine = (found * expected).sum(Kind::Float) / (found.norm() * expected.norm());
            assert!(cosine.double_value(&[]) > 0.995, "{cosine:?} at {firing_frac}");
            assert!(max_abs(&(found - expected)) > 0.0, "rounded");
        }
    }
}
