//! Floating-point numbers in and out of files, every one of them finite.

use super::Weights;
use crate::{Error, Result};
use std::path::Path;
use tch::{Kind, Tensor};

impl Weights {
    /// The tensor called `name` as float32.
    ///
    /// # Errors
    /// There is none of that name, it has another shape than `shape` or another type than floats, or a number that is not
    /// finite in float32.
    pub(crate) fn floats(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let stored = self.get(name, shape)?;
        if !stored.is_floating_point() {
            let reason = format!("tensor {name:?} has type {:?}, expected floating-point numbers", stored.kind());
            return Err(Error::invalid(self.path(), reason));
        }
        as_floats(&stored, Kind::Float, name, self.path())
    }
}

/// The tensor called `name` of a file as numbers of `kind`.
///
/// # Errors
/// A number is not finite in `kind`; it is named with its place.
pub(crate) fn as_floats(tensor: &Tensor, kind: Kind, name: &str, path: &Path) -> Result<Tensor> {
    let converted = tensor.to_kind(kind);
    let lost = converted.isfinite().logical_not();
    if !bool::try_from(lost.any())? {
        return Ok(converted);
    }
    let index = Vec::<i64>::try_from(lost.nonzero().get(0))?;
    let value = tensor.to_kind(Kind::Double).double_value(&index);
    let reason = format!("tensor {name:?} has {value} at {index:?}, expected finite numbers of {}", dtype_name(kind));
    Err(Error::invalid(path, reason))
}

/// PyTorch's name of a type of floats.
pub(crate) fn dtype_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Half => "float16",
        Kind::BFloat16 => "bfloat16",
        Kind::Double => "float64",
        _ => "float32",
    }
}
