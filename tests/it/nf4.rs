//! NF4: what holds whatever the values.

use crate::fixture::{self, max_abs};
use stagediff::language_model::nf4::Nf4;
use tch::{Device, Kind, Tensor};

#[test]
fn zeros_stay_zero() {
    let nf4 = Nf4::quantise(&Tensor::zeros([3, 50], (Kind::Float, Device::Cpu)));
    assert_eq!(max_abs(&nf4.dequantise()), 0.0);
}

#[test]
fn a_value_takes_a_little_over_four_bits() {
    let square = Nf4::quantise(&fixture::normal(&[768, 768], 0));
    assert!((square.bits_per_value() - 4.127).abs() < 0.5e-3, "{square:?}");
}

#[test]
fn rows_are_laid_one_after_the_other_whatever_the_strides() {
    let x = fixture::normal(&[40, 30], 1);
    assert_eq!(Nf4::quantise(&x.tr().contiguous().tr()), Nf4::quantise(&x));
}
