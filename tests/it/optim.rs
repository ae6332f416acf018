//! What a step of the optimiser changes.

use crate::fixture::{self, assert_same};
use stagediff::training::adam::{Adam, AdamConfig};

#[test]
fn a_step_changes_every_handle_on_a_parameter_and_no_copy() {
    let handle = fixture::normal(&[10], 0);
    let copy = handle.copy();
    let mut params = [handle.shallow_clone()];
    let _norm = Adam::new(&params, AdamConfig::default()).step(&mut params, &[fixture::normal(&[10], 1)], 0.1);
    assert_same(&handle, &params[0]);
    assert!(!handle.equal(&copy));
}
