//! How far two ways of computing the same numbers may lie apart.
//!
//! A sum of n products depends on the order of its terms, and the order on the processor, the number of threads and the
//! shape of the whole. Whatever it is (Higham, *Accuracy and Stability of Numerical Algorithms*, § 3.1),
//! ```text
//! |computed − exact| ≤ γ(n) Σ |a| |b|        γ(n) = n u, but no more than 8 √n u
//! ```
//! with u half the distance from 1 to the next number of that precision. n roundings add up to n u at most; they go up
//! and down, so that one sum in 10¹³ exceeds 8 √n u (Higham & Mary 2019, theorem 2.4 with λ = 8).
//!
//! Where numbers pass through many sums, one after the other, n counts the terms of all of them, and the largest number
//! of the result stands for Σ |a| |b|: partial sums are about as large as what comes out. The exact result is one in
//! float64 wherever there is one.

use tch::{Kind, Tensor};

/// u, the share of a number by which one rounding moves it at most.
pub fn unit(kind: Kind) -> f64 {
    match kind {
        Kind::Double => f64::EPSILON / 2.0,
        Kind::Float => f64::from(f32::EPSILON) / 2.0,
        Kind::Half => 2f64.powi(-11),
        Kind::BFloat16 => 2f64.powi(-8),
        other => panic!("{other:?} is no precision"),
    }
}

/// γ(n): the share of its terms' size by which a sum is off after `n` roundings.
pub fn share(n: i64, kind: Kind) -> f64 {
    let n = n as f64;
    n.min(8.0 * n.sqrt()) * unit(kind)
}

/// Σ |a| |b| of each element of a product, in float64.
///
/// # Shapes
/// [m, k], [k, n] → [m, n]
pub fn size_of_product(a: &Tensor, b: &Tensor) -> Tensor {
    in_double(a).abs().matmul(&in_double(b).abs())
}

/// `share` of the largest magnitude of `exact`, for all of its elements.
pub fn of_largest(share: f64, exact: &Tensor) -> Tensor {
    in_double(exact).abs().max() * share
}

/// No element is further from the exact one than its bound: one for each, or one for all.
#[track_caller]
pub fn assert_within(found: &Tensor, exact: &Tensor, bound: &Tensor) {
    assert_eq!(found.size(), exact.size());
    let errors = (in_double(found) - in_double(exact)).abs();
    let excess = (&errors - bound).max().double_value(&[]);
    let (error, bound) = (errors.max().double_value(&[]), bound.max().double_value(&[]));
    assert!(excess <= 0.0, "off by up to {error:e}, bounds go up to {bound:e}, one is exceeded by {excess:e}");
}

/// Two numbers agree but for this share of the exact one.
#[track_caller]
pub fn assert_near(found: f64, exact: f64, share: f64) {
    let error = (found - exact).abs();
    assert!(error <= share * exact.abs(), "{found} is not {exact}: off by {error:e}, share {share:e}");
}

/// The same numbers in float64, apart from autograd.
pub fn in_double(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(Kind::Double)
}
