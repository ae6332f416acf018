//! A published state dict: its tensors by names without the letters of their dimensions.

use crate::crosscoder::formats::tensors::Tensors;
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Stems of the scales: one at first, then one for what is read and one for what is written.
const SCALES: [&str; 3] = ["folded_scaling_factors", "folded_scaling_factors_in", "folded_scaling_factors_out"];

/// A file's tensors by their stems.
pub(super) struct StateDict {
    pub tensors: Tensors,
    names: BTreeMap<String, String>,
    device: Device,
}

impl StateDict {
    pub fn read(path: &Path, device: Device) -> Result<StateDict> {
        let (tensors, mut names) = (Tensors::read(path, device)?, BTreeMap::new());
        for name in tensors.file.tensors.keys() {
            if let Some(other) = names.insert(stem(name), name.clone()) {
                return Err(Error::invalid(path, format!("has both {other:?} and {name:?}, which are one parameter")));
            }
        }
        Ok(StateDict { tensors, names, device })
    }

    /// The name in the file.
    pub fn name(&self, stem: &str) -> String {
        self.names.get(stem).cloned().unwrap_or(stem.into())
    }

    fn has(&self, stem: &str) -> bool {
        self.names.contains_key(stem)
    }

    pub fn take(&mut self, stem: &str, shape: &[i64]) -> Result<Tensor> {
        self.tensors.take(&self.name(stem), shape)
    }

    /// A bias, which the library can be told to do without.
    pub fn take_or_zero(&mut self, stem: &str, shape: &[i64]) -> Result<Tensor> {
        match self.has(stem) {
            true => self.take(stem, shape),
            false => Ok(Tensor::zeros(shape, (Kind::Float, self.device))),
        }
    }

    /// The scale of a folded crosscoder.
    pub fn scale(&mut self, n_hooks: i64) -> Result<Option<Tensor>> {
        let is_folded = match self.has("is_folded") {
            true => self.tensors.flag(&self.name("is_folded"))?,
            false => false,
        };
        if !is_folded {
            return self.pass_over_scales();
        }
        let one = self.has("folded_scaling_factors");
        let stems: &[&str] = if one { &["folded_scaling_factors"] } else { &SCALES[1..] };
        let mut scales = Vec::new();
        for stem in stems {
            scales.push(self.tensors.take_positive(&self.name(stem), &[1, n_hooks])?);
        }
        for (scale, stem) in scales.iter().zip(stems).skip(1) {
            let expected = format!("the same numbers as {}", self.name(stems[0]));
            self.tensors.require(&self.name(stem), scale, &scale.eq_tensor(&scales[0]), &expected)?;
        }
        Ok(Some(scales[0].reshape([n_hooks])))
    }

    /// Where nothing is folded the scales are placeholders, if the file says so.
    fn pass_over_scales(&mut self) -> Result<Option<Tensor>> {
        for name in SCALES.iter().filter(|stem| self.has(stem)).map(|stem| self.name(stem)).collect::<Vec<_>>() {
            if !self.has("is_folded") {
                let reason = format!("has {name:?} and no is_folded, so that the scale may be folded in or not");
                return Err(Error::invalid(self.tensors.file.path(), reason));
            }
            self.tensors.pass_over(&name);
        }
        Ok(None)
    }
}

/// A tensor's name without the module that it lies in and the letters of its dimensions.
fn stem(name: &str) -> String {
    let own = name.rsplit('.').next().unwrap_or(name).trim_start_matches('_');
    match own.rsplit_once('_') {
        Some((stem, dims)) if dims.starts_with(|c: char| c.is_ascii_uppercase()) => stem.into(),
        _ => own.into(),
    }
}
