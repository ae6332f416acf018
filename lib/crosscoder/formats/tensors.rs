//! The tensors of one file, each taken and checked, or named as left over.

use crate::crosscoder::Crosscoder;
use crate::files::Weights;
use crate::files::weights::refuse_unless;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Names of the parameters, in the order of [`Crosscoder::params`].
pub(super) const PARAMETERS: [&str; 5] = ["w_enc", "b_enc", "w_dec", "b_dec", "log_threshold"];

/// A file's tensors, and which of them have been taken.
pub(super) struct Tensors {
    pub file: Weights,
    taken: BTreeSet<String>,
}

impl Tensors {
    /// Reads a file.
    pub fn read(path: &Path, device: Device) -> Result<Tensors> {
        Ok(Tensors { file: Weights::read(path, device)?, taken: BTreeSet::new() })
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.file.tensors.contains_key(name)
    }

    /// A tensor's lengths, of which there are `N` and none is 0; `expected` says what they are.
    pub fn lengths<const N: usize>(&self, name: &str, expected: &str) -> Result<[i64; N]> {
        let size = self.file.tensors.get(name).map(Tensor::size).unwrap_or_default();
        match <[i64; N]>::try_from(size.as_slice()) {
            Ok(lengths) if lengths.iter().all(|&length| length > 0) => Ok(lengths),
            _ => {
                let reason = format!("{name} has shape {size:?}, expected {expected}, each at least 1");
                Err(Error::invalid(self.file.path(), reason))
            }
        }
    }

    /// Counts a tensor as used that says nothing about the crosscoder.
    pub fn pass_over(&mut self, name: &str) {
        self.taken.insert(name.into());
    }

    /// A truth value.
    pub fn flag(&mut self, name: &str) -> Result<bool> {
        let flag = self.file.get(name, &[])?;
        self.pass_over(name);
        match flag.kind() {
            Kind::Bool => Ok(bool::try_from(flag)?),
            kind => Err(self.refused(name, format!("has type {kind:?}, expected a truth value"))),
        }
    }

    /// Numbers, as float32.
    ///
    /// # Errors
    /// There are none of that name, they have another shape or are no floating-point numbers, or one is NaN or beyond
    /// float32.
    pub fn take(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.pass_over(name);
        self.file.floats(name, shape)
    }

    /// Numbers above 0.
    pub fn take_positive(&mut self, name: &str, shape: &[i64]) -> Result<Tensor> {
        let tensor = self.take(name, shape)?;
        self.require(name, &tensor, &tensor.gt(0.0), "numbers above 0")?;
        Ok(tensor)
    }

    /// Logarithms of thresholds that are finite themselves.
    pub fn take_log_threshold(&mut self, name: &str, n_latents: i64) -> Result<Tensor> {
        let tensor = self.take(name, &[n_latents])?;
        self.require(name, &tensor, &tensor.exp().isfinite(), "t with a finite threshold exp(t)")?;
        Ok(tensor)
    }

    /// Refuses a tensor with an element of which `holds` is false.
    pub fn require(&self, name: &str, tensor: &Tensor, holds: &Tensor, expected: &str) -> Result<()> {
        refuse_unless(holds, tensor, name, self.file.path(), expected)
    }

    /// Refuses the file if a tensor has not been taken.
    pub fn nothing_left(&self) -> Result<()> {
        let left: Vec<String> = self
            .file
            .tensors
            .keys()
            .filter(|&name| !self.taken.contains(name))
            .map(|name| format!("{name:?}"))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let reason = format!("holds {} beside a JumpReLU crosscoder, which is not supported", left.join(", "));
        Err(Error::invalid(self.file.path(), reason))
    }

    fn refused(&self, name: &str, what: String) -> Error {
        Error::invalid(self.file.path(), format!("tensor {name:?} {what}"))
    }
}

/// Checks that all parameters are finite, which a training that diverged or a scale that was folded or taken out may have
/// changed.
///
/// # Errors
/// One is not; it is named.
pub(super) fn check_finite(crosscoder: &Crosscoder, path: &Path) -> Result<()> {
    for (name, param) in PARAMETERS.iter().zip(crosscoder.params()) {
        if !bool::try_from(param.isfinite().all())? {
            let scale = Vec::<f64>::try_from(crosscoder.scale.to_kind(Kind::Double))?;
            return Err(Error::invalid(path, format!("{name} would not be finite, with the scale {scale:?}")));
        }
    }
    Ok(())
}
