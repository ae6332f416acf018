//! A checkpoint as it is read: all of it is checked before a training takes any of it.

use super::State;
use crate::files::weights::Weights;
use crate::training::adam::Adam;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::path::Path;
use tch::{Device, Tensor};

/// The content of a checkpoint that fits a training.
pub(super) struct TakenUp<Line> {
    params: Vec<Tensor>,
    exp_avg: Vec<Tensor>,
    exp_avg_sq: Vec<Tensor>,
    since_line: Vec<Tensor>,
    n_steps: i64,
    log: Vec<Line>,
}

impl<Line: DeserializeOwned> TakenUp<Line> {
    /// Reads a file of the training `fingerprint` of `n_steps` in all.
    ///
    /// # Errors
    /// It is no whole checkpoint, one of another training, or something in it does not fit: it is named.
    pub fn read(path: &Path, fingerprint: &str, state: &State<Line>, n_steps: i64) -> Result<TakenUp<Line>> {
        let device = state.params.first().map_or(Device::Cpu, Tensor::device);
        let file = Weights::read(path, device)?;
        if file.about("training")? != fingerprint {
            return Err(Error::invalid(path, "is of another training (other settings, inputs or version)"));
        }
        let like = |name: &str, tensors: &[Tensor]| -> Result<Vec<Tensor>> {
            tensors.iter().enumerate().map(|(i, tensor)| sound(&file, path, &format!("{name}.{i}"), tensor)).collect()
        };
        let no = |what: &str, e: &dyn Display| Error::invalid(path, format!("is damaged: {what} ({e})"));
        let done: i64 = file.about("n_steps")?.parse().map_err(|e| no("n_steps is no number", &e))?;
        if !(0..=n_steps).contains(&done) {
            return Err(no("n_steps", &format!("{done}, expected 0 to {n_steps}")));
        }
        let params = like("param", state.params)?;
        let (exp_avg, exp_avg_sq) = (like("exp_avg", state.params)?, like("exp_avg_sq", state.params)?);
        let log = serde_json::from_str(file.about("log")?).map_err(|e| no("its log", &e))?;
        let since_line = like("since_line", state.since_line)?;
        Ok(TakenUp { params, exp_avg, exp_avg_sq, since_line, n_steps: done, log })
    }

    /// Puts all of it where the training keeps it.
    pub fn put(self, state: State<Line>, adam: &mut Adam) {
        let _no_grad = tch::no_grad_guard();
        let copy = |to: &mut [Tensor], from: &[Tensor]| to.iter_mut().zip(from).for_each(|(to, from)| to.copy_(from));
        copy(state.params, &self.params);
        copy(&mut adam.exp_avg, &self.exp_avg);
        copy(&mut adam.exp_avg_sq, &self.exp_avg_sq);
        copy(state.since_line, &self.since_line);
        adam.n_steps = self.n_steps;
        *state.log = self.log;
    }
}

/// The tensor of a name, of the shape and type of `like` and finite.
fn sound(file: &Weights, path: &Path, name: &str, like: &Tensor) -> Result<Tensor> {
    let tensor = file.get(name, &like.size())?;
    if tensor.kind() != like.kind() {
        let reason = format!("tensor {name:?} has type {:?}, expected {:?}", tensor.kind(), like.kind());
        return Err(Error::invalid(path, reason));
    }
    if !bool::try_from(tensor.isfinite().all())? {
        return Err(Error::invalid(path, format!("tensor {name:?} holds what is no number")));
    }
    Ok(tensor)
}
