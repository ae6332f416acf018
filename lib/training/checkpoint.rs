//! Where a long training stands, so that it goes on after an interruption as if there had been none.

use crate::files::weights::Weights;
use crate::training::adam::Adam;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tch::Tensor;

/// Between two checkpoints: long enough to cost nothing, short enough to lose little.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Writes and reads the state of one training: parameters, Adam's moments, the step, and the log so far.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// What is trained, on what, how: a checkpoint of another training is not taken up.
    fingerprint: String,
    every: Duration,
    written: Instant,
}

impl Checkpoint {
    /// A checkpoint at `path` of the training that `fingerprint` describes.
    pub fn new(path: impl Into<PathBuf>, fingerprint: String) -> Checkpoint {
        Checkpoint { path: path.into(), fingerprint, every: INTERVAL, written: Instant::now() }
    }

    /// The same, written every `interval` instead of every [`INTERVAL`].
    pub fn every(self, interval: Duration) -> Checkpoint {
        Checkpoint { every: interval, ..self }
    }

    /// Takes up the state of an interrupted training, if there is one of this fingerprint: fills `params` and `adam`
    /// and returns the log. The next step is `adam.n_steps`.
    ///
    /// # Errors
    /// The file is there but damaged.
    pub fn resume<Log: DeserializeOwned>(&self, params: &mut [Tensor], adam: &mut Adam) -> Result<Option<Vec<Log>>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let state = Weights::read(&self.path, params[0].device())?;
        if state.about("training")? != self.fingerprint {
            return Ok(None);
        }
        for (i, param) in params.iter_mut().enumerate() {
            let size = param.size();
            tch::no_grad(|| -> Result<()> {
                param.copy_(&state.get(&format!("param.{i}"), &size)?);
                adam.exp_avg[i].copy_(&state.get(&format!("exp_avg.{i}"), &size)?);
                adam.exp_avg_sq[i].copy_(&state.get(&format!("exp_avg_sq.{i}"), &size)?);
                Ok(())
            })?;
        }
        let damaged =
            |e: &dyn std::fmt::Display| Error::invalid(&self.path, format!("damaged checkpoint ({e}): remove it"));
        adam.n_steps = state.about("n_steps")?.parse().map_err(|e| damaged(&e))?;
        Ok(Some(read_log(state.about("log")?).map_err(|e| damaged(&e))?))
    }

    /// Writes the state, if the last time was long enough ago.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_if_due<Log: Serialize>(&mut self, params: &[Tensor], adam: &Adam, log: &[Log]) -> Result<()> {
        if self.written.elapsed() < self.every {
            return Ok(());
        }
        self.written = Instant::now();
        self.save(params, adam, log)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save<Log: Serialize>(&self, params: &[Tensor], adam: &Adam, log: &[Log]) -> Result<()> {
        let mut state = Weights::new();
        for (i, param) in params.iter().enumerate() {
            state.insert(format!("param.{i}"), param);
            state.insert(format!("exp_avg.{i}"), &adam.exp_avg[i]);
            state.insert(format!("exp_avg_sq.{i}"), &adam.exp_avg_sq[i]);
        }
        state.describe("training", &self.fingerprint);
        state.describe("n_steps", adam.n_steps);
        state.describe("log", log_text(log).map_err(|e| Error::invalid(&self.path, e.to_string()))?);
        state.write(&self.path)
    }

    /// Removes the file after the training's result has been written.
    pub fn clear(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A log of numbers as JSON in which fractions are texts: Rust reads its own spelling of a number back bit for bit,
/// serde_json may miss the last bit.
///
/// # Errors
/// A line is no plain data.
pub fn log_text<Log: Serialize>(log: &[Log]) -> serde_json::Result<String> {
    let spelt = |leaf: Value| match leaf.as_f64() {
        Some(number) if leaf.is_f64() => Value::String(number.to_string()),
        _ => leaf,
    };
    Ok(map_leaves(serde_json::to_value(log)?, &spelt).to_string())
}

/// Reads what [`log_text`] wrote.
///
/// # Errors
/// The text is no such log.
pub fn read_log<Log: DeserializeOwned>(text: &str) -> serde_json::Result<Vec<Log>> {
    let number = |leaf: Value| match leaf.as_str().and_then(|text| text.parse::<f64>().ok()) {
        Some(number) => number.into(),
        None => leaf,
    };
    serde_json::from_value(map_leaves(serde_json::from_str(text)?, &number))
}

fn map_leaves(value: Value, leaf: &dyn Fn(Value) -> Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| map_leaves(item, leaf)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, field)| (name, map_leaves(field, leaf))).collect(),
        other => leaf(other),
    }
}
