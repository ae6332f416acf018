//! Where a long training stands, so that it goes on after an interruption as if there had been none.
//!
//! A checkpoint serves one training and is never needed: one that is damaged, of another training, or cannot be written
//! costs a line and the time since the last one, not the training.

mod taken_up;
mod together;

use crate::files::weights::Weights;
use crate::training::adam::Adam;
use crate::training::notice::notice;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use taken_up::TakenUp;
use tch::Tensor;

/// Between two checkpoints in the long run: enough to cost nothing, short enough to lose little.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// Seconds between two checkpoints, in the place of times that grow to [`INTERVAL`].
const EVERY: &str = "STAGEDIFF_CHECKPOINT_S";

/// Before the first checkpoint; from one to the next the time doubles up to [`INTERVAL`].
const FIRST: Duration = Duration::from_secs(2);

/// What a training has to keep: its parameters, what it sums up until the next line of its log, and the log.
#[derive(Debug)]
pub struct State<'a, Line> {
    /// The parameters.
    pub params: &'a mut [Tensor],
    /// Sums since the last line of the log.
    pub since_line: &'a mut [Tensor],
    /// The lines so far.
    pub log: &'a mut Vec<Line>,
}

/// Writes and reads the state of one training, with Adam's moments and the step.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    /// What is trained, on what, how: a checkpoint of another training is not taken up.
    fingerprint: String,
    longest: Duration,
    wait: Duration,
    written: Instant,
    has_warned: bool,
}

impl Checkpoint {
    /// A checkpoint at `path` of the training that `fingerprint` describes.
    pub fn new(path: impl Into<PathBuf>, fingerprint: String) -> Checkpoint {
        let (longest, written) = (interval(), Instant::now());
        Checkpoint { path: path.into(), fingerprint, longest, wait: FIRST.min(longest), written, has_warned: false }
    }

    /// The same, written every `interval` instead of after times that grow to [`INTERVAL`].
    pub fn every(self, interval: Duration) -> Checkpoint {
        Checkpoint { longest: interval, wait: self.wait.min(interval), ..self }
    }

    /// Takes up the state of an interrupted training of `n_steps`, if there is one of this fingerprint. The next step is
    /// `adam.n_steps`. A file that is damaged or of another training is set aside as `NAME.set-aside` and named in a
    /// line: the training begins anew.
    pub fn resume<Line: DeserializeOwned>(&self, state: State<Line>, adam: &mut Adam, n_steps: i64) {
        if !self.path.exists() {
            return;
        }
        match TakenUp::read(&self.path, &self.fingerprint, &state, n_steps) {
            Ok(taken) => taken.put(state, adam),
            Err(error) => self.set_aside(&error),
        }
    }

    fn set_aside(&self, why: &Error) {
        let mut aside = self.path.as_os_str().to_owned();
        aside.push(".set-aside");
        let kept = match std::fs::rename(&self.path, &aside) {
            Ok(()) => format!("it is kept as {}", Path::new(&aside).display()),
            Err(error) => format!("it cannot be set aside ({error})"),
        };
        notice(format!("no checkpoint to go on from, the training begins at step 0: {why}; {kept}"));
    }

    /// Writes the state, if the last time was long enough ago. Where it cannot be written, a line says so once and the
    /// training goes on.
    pub fn save_if_due<Line: Serialize>(&mut self, state: &State<Line>, adam: &Adam) {
        if self.is_due() {
            self.save_or_say(state, adam);
        }
    }

    /// Whether the last time was long enough ago.
    pub(crate) fn is_due(&self) -> bool {
        self.written.elapsed() >= self.wait
    }

    /// Writes the state. Where it cannot be written, a line says so once and the training goes on.
    pub(crate) fn save_or_say<Line: Serialize>(&mut self, state: &State<Line>, adam: &Adam) {
        let saved = self.save(state, adam);
        self.wait = (2 * self.wait).min(self.longest);
        self.written = Instant::now();
        if let (Err(error), false) = (saved, self.has_warned) {
            self.has_warned = true;
            notice(format!("no checkpoint can be written, the training goes on without: {error}"));
        }
    }

    /// Writes the state, unless a parameter is no number any more: the last checkpoint then is the last good one.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save<Line: Serialize>(&self, state: &State<Line>, adam: &Adam) -> Result<()> {
        let is_finite = |param: &Tensor| bool::try_from(param.isfinite().all()).unwrap_or(false);
        if !state.params.iter().all(is_finite) {
            return Err(Error::invalid(&self.path, "a parameter is no number any more, the file stays as it was"));
        }
        let mut file = Weights::new();
        for (i, param) in state.params.iter().enumerate() {
            file.insert(format!("param.{i}"), param);
            file.insert(format!("exp_avg.{i}"), &adam.exp_avg[i]);
            file.insert(format!("exp_avg_sq.{i}"), &adam.exp_avg_sq[i]);
        }
        state.since_line.iter().enumerate().for_each(|(i, sum)| file.insert(format!("since_line.{i}"), sum));
        file.describe("training", &self.fingerprint);
        file.describe("n_steps", adam.n_steps);
        file.describe("log", serde_json::to_string(state.log).map_err(|e| Error::invalid(&self.path, e.to_string()))?);
        file.write(&self.path)
    }

    /// Removes the file, after the training's result has been written.
    pub fn clear(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// What is trained, on what, how.
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// [`INTERVAL`], or what [`EVERY`] says.
pub(crate) fn interval() -> Duration {
    let seconds = std::env::var(EVERY).ok().and_then(|text| text.parse().ok());
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(INTERVAL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::adam::AdamConfig;

    #[test]
    fn a_log_comes_back_bit_for_bit() {
        let mut log: Vec<(i64, f64)> =
            (0..500).map(|i| (i, (i as f64).exp() / 3.0 * 10f64.powi(i as i32 % 60 - 300))).collect();
        let path = std::env::temp_dir().join(format!("stagediff_log_{}.safetensors", std::process::id()));
        let checkpoint = Checkpoint::new(&path, "logged".into());
        let mut adam = Adam::new(&[], AdamConfig::default());
        checkpoint.save(&State { params: &mut [], since_line: &mut [], log: &mut log }, &adam).unwrap();
        let mut found: Vec<(i64, f64)> = Vec::new();
        checkpoint.resume(State { params: &mut [], since_line: &mut [], log: &mut found }, &mut adam, 1);
        checkpoint.clear();
        assert_eq!(found, log);
    }
}
