//! Where a long training stands, so that it goes on after an interruption as if there had been none.

use crate::files::weights::Weights;
use crate::training::adam::Adam;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tch::{Device, Tensor};

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
        let device = params.first().map_or(Device::Cpu, Tensor::device);
        let state = Weights::read(&self.path, device)?;
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
        Ok(Some(serde_json::from_str(state.about("log")?).map_err(|e| damaged(&e))?))
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
        state.describe("log", serde_json::to_string(log).map_err(|e| Error::invalid(&self.path, e.to_string()))?);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::adam::AdamConfig;

    #[test]
    fn a_log_comes_back_bit_for_bit() {
        let log: Vec<(i64, f64)> =
            (0..500).map(|i| (i, (i as f64).exp() / 3.0 * 10f64.powi(i as i32 % 60 - 300))).collect();
        let path = std::env::temp_dir().join(format!("stagediff_log_{}.safetensors", std::process::id()));
        let checkpoint = Checkpoint::new(&path, "logged".into());
        let mut adam = Adam::new(&[], AdamConfig::default());
        checkpoint.save(&[], &adam, &log).unwrap();
        let found = checkpoint.resume::<(i64, f64)>(&mut [], &mut adam).unwrap().unwrap();
        checkpoint.clear();
        assert_eq!(found, log);
    }
}
