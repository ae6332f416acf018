//! What a score costs: activations to train the dictionaries it needs and to measure them, and the seconds of both.

use crate::Result;
use crate::crosscoder::train::wall_s;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::TrainingRow;

/// A cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// Activations read.
    pub n_activations: i64,
    /// Seconds; NaN where no timings were asked for.
    pub wall_s: f64,
}

impl Price {
    /// What a training took, by the lines of its log: the activations so far, and how many a second since the line before.
    pub(super) fn of_training(log: impl Iterator<Item = (i64, f64)>) -> Price {
        let log: Vec<(i64, f64)> = log.collect();
        Price { n_activations: log.last().map_or(0, |line| line.0), wall_s: wall_s(log) }
    }

    pub(super) fn plus(self, other: Price) -> Price {
        Price { n_activations: self.n_activations + other.n_activations, wall_s: self.wall_s + other.wall_s }
    }

    /// The same activations of `n` models.
    pub(super) fn times(self, n: i64) -> Price {
        Price { n_activations: n * self.n_activations, ..self }
    }
}

/// What the stages of a run cost.
pub(super) struct Prices {
    training: Vec<TrainingRow>,
}

impl Prices {
    pub fn of(run: &Run) -> Result<Prices> {
        Ok(Prices { training: run.rows("training")? })
    }

    /// Training `stages` and all that they start from, and measuring on `n_measured` activations.
    pub fn price(&self, seed: u64, stages: &[Stage], n_measured: i64) -> Price {
        let is_needed = |stage: Stage| stages.iter().any(|&wanted| with_parents(wanted).contains(&stage));
        let needed =
            Stage::ALL.into_iter().filter(|&stage| is_needed(stage)).map(|stage| self.training_of(seed, stage));
        needed.fold(Price { n_activations: n_measured, wall_s: 0.0 }, Price::plus)
    }

    fn training_of(&self, seed: u64, stage: Stage) -> Price {
        let log = self.training.iter().filter(|row| (row.seed, row.stage) == (seed, stage));
        Price::of_training(log.map(|row| (row.n_activations, row.activations_per_s)))
    }
}

/// A stage and those before it.
fn with_parents(stage: Stage) -> Vec<Stage> {
    std::iter::successors(Some(stage), |stage| stage.parent()).collect()
}
