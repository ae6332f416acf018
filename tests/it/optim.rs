//! Adam with clipping against torch.optim.Adam.

use crate::fixture::{self, assert_close, assert_near, assert_same};
use stagediff::optim::{Adam, AdamConfig};

#[test]
fn given_gradients_move_parameters_as_in_torch() {
    let expected = fixture::tensors("crosscoder/optimizer.safetensors");
    let known = fixture::json("crosscoder/expected.json")["optimizer"].clone();
    let mut params = [expected.get("p0").copy()];
    let mut adam = Adam::new(&params, AdamConfig::default());
    for (step, norm) in fixture::numbers(&known["grad_norm"]).into_iter().enumerate() {
        let grad = expected.get("grads").get(step as i64);
        let found = adam.step(&mut params, &[grad], known["lr"].as_f64().unwrap());
        assert_near(found, norm, 1e-6);
        assert_close(&params[0], &expected.get("params_after_step").get(step as i64), 1e-6);
    }
}

#[test]
fn a_step_changes_every_handle_on_a_parameter_and_no_copy() {
    let handle = fixture::normal(&[10], 0);
    let copy = handle.copy();
    let mut params = [handle.shallow_clone()];
    Adam::new(&params, AdamConfig::default()).step(&mut params, &[fixture::normal(&[10], 1)], 0.1);
    assert_same(&handle, &params[0]);
    assert!(!handle.equal(&copy));
}
