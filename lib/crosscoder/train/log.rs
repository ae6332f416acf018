//! The log of a training: a line now and then, of means since the line before.

use crate::crosscoder::{Crosscoder, Losses, StepReport};
use crate::training::LogLine;
use serde::{Deserialize, Serialize};
use std::time::Instant;
use tch::{Device, Kind, Tensor};

/// One line of the training log: means since the line before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainStep {
    /// Steps done.
    pub step: i64,
    /// Steps of the whole training; 0 in logs of before this was noted.
    #[serde(default)]
    pub n_steps: i64,
    /// Activations seen.
    pub n_activations: i64,
    /// Whole loss.
    pub loss: f64,
    /// Reconstruction term.
    pub loss_recon: f64,
    /// Sparsity term, unweighted.
    pub loss_sparsity: f64,
    /// Pre-activation term, unweighted.
    pub loss_pre_act: f64,
    /// λ_s of the last step.
    pub lambda_s: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Latents above threshold an activation.
    pub l0_mean: f64,
    /// Share of latents that fired on no activation since the line before.
    pub dead_frac: f64,
    /// Activations a second; differs from run to run.
    pub activations_per_s: f64,
}

impl LogLine for TrainStep {
    fn step(&self) -> i64 {
        self.step
    }

    fn n_steps(&self) -> i64 {
        self.n_steps
    }
}

impl std::fmt::Display for TrainStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TrainStep { loss_recon, l0_mean, dead_frac, lambda_s, .. } = self;
        write!(
            f,
            "{}   reconstruction {loss_recon:8.2}   L0 {l0_mean:6.1}   silent {:4.1} %   λ_s {lambda_s:.3}",
            self.place(),
            100.0 * dead_frac
        )
    }
}

/// Seconds of a training by the lines of its log: activations so far, and how many a second since the line before. What was
/// done before a checkpoint counts; of the line in which it was taken up again only what came after.
pub fn wall_s(log: impl IntoIterator<Item = (i64, f64)>) -> f64 {
    let mut n_before = 0;
    log.into_iter().map(|(n, per_s)| (n - std::mem::replace(&mut n_before, n)) as f64 / per_s).sum()
}

/// Running sums between two lines of the log.
pub(super) struct Sums {
    /// As [`StepReport::losses`]; how often each latent fired; steps and activations.
    pub tensors: [Tensor; 3],
    started: Instant,
}

impl Sums {
    pub fn new(crosscoder: &Crosscoder) -> Sums {
        let zeros = |n: i64, kind: Kind| Tensor::zeros([n], (kind, crosscoder.b_enc.device()));
        let counts = Tensor::zeros([2], (Kind::Int64, Device::Cpu));
        let tensors = [zeros(4, Kind::Double), zeros(crosscoder.n_latents(), Kind::Int64), counts];
        Sums { tensors, started: Instant::now() }
    }

    pub fn add(&mut self, report: &StepReport, n_acts: i64) {
        let [losses, n_fired, counts] = &mut self.tensors;
        *losses += &report.losses;
        *n_fired += &report.n_fired;
        *counts += Tensor::from_slice(&[1, n_acts]);
    }

    pub fn line(&self, n_done: i64, of: i64, lambda_s: f64, lr: f64) -> TrainStep {
        let [losses, n_fired, counts] = &self.tensors;
        let [n_steps, n_acts] = [0, 1].map(|i| counts.int64_value(&[i]));
        let (n, sums) = (n_steps as f64, Losses::read(losses));
        TrainStep {
            step: n_done,
            n_steps: of,
            n_activations: n_done * n_acts / n_steps,
            loss: sums.total / n,
            loss_recon: sums.recon / n,
            loss_sparsity: sums.sparsity / n,
            loss_pre_act: sums.pre_act / n,
            lambda_s,
            lr,
            l0_mean: n_fired.sum(Kind::Int64).int64_value(&[]) as f64 / n_acts as f64,
            dead_frac: n_fired.eq(0).to_kind(Kind::Float).mean(Kind::Float).double_value(&[]),
            activations_per_s: n_acts as f64 / self.started.elapsed().as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wall_s;

    #[test]
    fn lines_of_a_log_add_up_to_the_seconds_of_a_training() {
        assert_eq!(wall_s([(100, 50.0), (200, 25.0), (250, 100.0)]), 2.0 + 4.0 + 0.5);
        assert_eq!(wall_s([]), 0.0);
    }
}
