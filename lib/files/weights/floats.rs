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
    refuse_unless(&converted.isfinite(), tensor, name, path, &format!("finite {} numbers", dtype_name(kind)))?;
    Ok(converted)
}

/// Refuses the tensor called `name` of a file if `holds` is false of an element.
///
/// # Errors
/// It is: the element is named with its place, and what was `expected`.
pub(crate) fn refuse_unless(holds: &Tensor, tensor: &Tensor, name: &str, path: &Path, expected: &str) -> Result<()> {
    if bool::try_from(holds.all())? {
        return Ok(());
    }
    let index = Vec::<i64>::try_from(holds.logical_not().nonzero().get(0))?;
    let value = tensor.to_kind(Kind::Double).double_value(&index);
    Err(Error::invalid(path, format!("tensor {name:?} has {value} at {index:?}, expected {expected}")))
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
