//! A training that several processes do together.

mod state;

pub(super) use state::Kept;

use super::{TrainStep, Trainee, Training};
use crate::Result;
use crate::crosscoder::harvest::ActivationStream;
use crate::crosscoder::{Crosscoder, LossConfig, Optimiser, StepReport};
use crate::distributed::ProcessGroup;
use crate::files::hash::sha256_of_tensors;
use std::collections::BTreeMap;
use tch::Tensor;

/// What processes share out among themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The activations of each batch: each process reads its part of the stream and has whole crosscoders, all alike.
    Batch,
    /// The latents, for dictionaries that no single device holds: each process reads the whole stream and has its
    /// [`Crosscoder::part`].
    Latents,
}

/// Who trains together, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Together<'a> {
    pub group: &'a ProcessGroup,
    pub split: Split,
}

/// A batch of a step, or this process's share of it.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    /// [share of batch, hook, d_model], scaled
    pub acts: &'a Tensor,
    /// Activations of the whole batch.
    pub n_acts: i64,
    pub together: Option<Together<'a>>,
}

impl Batch<'_> {
    /// Latents of the whole dictionary.
    pub fn n_latents(&self, crosscoder: &Crosscoder) -> i64 {
        crosscoder.n_latents() * self.together.map_or(1, |together| together.n_parts())
    }

    /// A step of the optimiser.
    pub fn step(
        &self,
        optimiser: &mut Optimiser,
        crosscoder: &mut Crosscoder,
        loss: &LossConfig,
        lr: f64,
    ) -> Result<StepReport> {
        match self.together {
            None => Ok(optimiser.step(crosscoder, self.acts, loss, lr)),
            Some(Together { group, split: Split::Batch }) => {
                optimiser.step_on_share(group, crosscoder, (self.acts, self.n_acts), loss, lr)
            }
            Some(Together { group, split: Split::Latents }) => {
                optimiser.step_on_latents(group, crosscoder, self.acts, loss, lr)
            }
        }
    }
}

impl Together<'_> {
    /// Into how many parts the latents are cut.
    pub fn n_parts(&self) -> i64 {
        if self.split == Split::Latents { self.group.world_size() as i64 } else { 1 }
    }

    /// Holds against each other what all are about to do.
    ///
    /// # Errors
    /// Something differs: it is named.
    pub fn agree(&self, trainees: &[Trainee], stream: &ActivationStream, training: &Training) -> Result<()> {
        let Training { cfg, loss, activation, lr_before_step, fingerprint, .. } = training;
        let mut on = BTreeMap::from([
            ("version", env!("CARGO_PKG_VERSION").to_string()),
            ("what is shared out", format!("{:?}", self.split)),
            ("training", format!("{cfg:?}, {loss:?}, {activation:?}, {lr_before_step}")),
            ("inputs and settings of the run", fingerprint.clone()),
            ("crosscoders", trainees.iter().map(|trainee| self.described(trainee)).collect::<Vec<_>>().join(", ")),
        ]);
        on.extend(stream.described());
        self.group.agree(&on)
    }

    fn described(&self, Trainee { label, crosscoder, .. }: &Trainee) -> String {
        let params = crosscoder.params();
        let same = if self.split == Split::Batch { &params[..] } else { &params[3..4] };
        format!("{label} {crosscoder:?} {}", sha256_of_tensors(same))
    }

    /// Whether the first process says so.
    fn first_says(&self, so: bool) -> Result<bool> {
        Ok(self.group.largest((so && self.group.is_first()).into())? != 0)
    }

    /// A line of the log that stands for all latents, from those of the parts.
    pub fn line(&self, line: TrainStep) -> Result<TrainStep> {
        if self.split == Split::Batch {
            return Ok(line);
        }
        let mut sums = Tensor::from_slice(&[line.l0_mean, line.dead_frac]);
        self.group.sum(&mut sums)?;
        let dead_frac = sums.double_value(&[1]) / self.n_parts() as f64;
        Ok(TrainStep { l0_mean: sums.double_value(&[0]), dead_frac, ..line })
    }
}
