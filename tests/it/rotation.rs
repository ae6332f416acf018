//! How far directions turned, in the plain cases.

use crate::fixture::{self, max_abs};
use crate::rounding::{self, assert_within, share};
use stagediff::diff::cosine;
use tch::{Device, Kind, Tensor};

#[test]
fn a_cosine_with_nothing_is_0_and_with_itself_1() {
    let rows = rounding::in_double(&fixture::normal(&[6, 3, 4], 0));
    let (one, bound) = (Tensor::ones([6], (Kind::Double, Device::Cpu)), Tensor::from(share(2 * 12 + 4, Kind::Double)));
    assert_within(&cosine(&rows, &rows), &one, &bound);
    assert_within(&cosine(&rows, &(&rows * -1e-3)), &-one, &bound);
    assert_eq!(max_abs(&cosine(&rows, &rows.zeros_like())), 0.0);
}
