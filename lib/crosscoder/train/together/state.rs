//! Checkpoints of a training that several processes do: the first one writes and reads them, as if it were alone, and the
//! others get from it what they go on from. So a training may go on in another number of processes.

use super::{Split, Together};
use crate::Result;
use crate::crosscoder::Optimiser;
use crate::crosscoder::parts::{gathered, scatter};
use crate::crosscoder::train::TrainStep;
use crate::distributed::ProcessGroup;
use crate::training::adam::{Adam, AdamConfig};
use crate::training::checkpoint::{Checkpoint, State};
use tch::Tensor;

/// What a training keeps: as it lies in this process.
pub(in crate::crosscoder::train) struct Kept<'a> {
    pub params: &'a mut [Tensor; 5],
    pub sums: &'a mut [Tensor; 3],
    pub log: &'a mut Vec<TrainStep>,
    pub optimiser: &'a mut Optimiser,
}

impl Together<'_> {
    /// Goes on from the first process's checkpoint, if there is one.
    pub fn resume(&self, checkpoint: &Checkpoint, kept: &mut Kept, n_steps: i64) -> Result<()> {
        if self.split == Split::Batch {
            let state = State { params: &mut *kept.params, since_line: &mut *kept.sums, log: &mut *kept.log };
            return checkpoint.resume_together(Some(self.group), state, &mut kept.optimiser.adam, n_steps);
        }
        let mut whole = Whole::of(self, kept);
        if let Some(whole) = &mut whole {
            let Whole { params, sums, adam, log } = whole;
            checkpoint.resume(State { params, since_line: sums, log }, adam, n_steps);
        }
        let whole = whole.as_ref();
        let n_done = self.group.of_first(&whole.map_or(0, |whole| whole.adam.n_steps))?;
        if n_done == 0 {
            return Ok(());
        }
        let [_, n_fired, _] = kept.sums;
        let Adam { exp_avg, exp_avg_sq, .. } = &mut kept.optimiser.adam;
        scatter(self.group, whole.map(|whole| &whole.params[..]), kept.params)?;
        scatter(self.group, whole.map(|whole| &whole.adam.exp_avg[..]), exp_avg)?;
        scatter(self.group, whole.map(|whole| &whole.adam.exp_avg_sq[..]), exp_avg_sq)?;
        scatter(self.group, whole.map(|whole| &whole.sums[1..2]), std::slice::from_mut(n_fired))?;
        for i in [0, 2] {
            if let Some(whole) = whole {
                kept.sums[i].copy_(&whole.sums[i]);
            }
            self.group.broadcast(&mut kept.sums[i])?;
        }
        *kept.log = self.group.of_first(whole.map_or(&*kept.log, |whole| &whole.log))?;
        kept.optimiser.adam.n_steps = n_done;
        Ok(())
    }

    /// Writes a checkpoint, if the last time was long enough ago.
    pub fn save_if_due(&self, checkpoint: &mut Checkpoint, kept: &mut Kept) -> Result<()> {
        match self.split {
            Split::Batch if !self.group.is_first() => Ok(()),
            Split::Batch => {
                let state = State { params: kept.params, since_line: kept.sums, log: kept.log };
                checkpoint.save_if_due(&state, &kept.optimiser.adam);
                Ok(())
            }
            Split::Latents if !self.first_says(checkpoint.is_due())? => Ok(()),
            Split::Latents => {
                if let Some(Whole { mut params, mut sums, adam, mut log }) = self.gathered(kept)? {
                    let state = State { params: &mut params, since_line: &mut sums, log: &mut log };
                    checkpoint.save_or_say(&state, &adam);
                }
                Ok(())
            }
        }
    }

    /// Writes a checkpoint now.
    pub fn save(&self, checkpoint: &Checkpoint, kept: &mut Kept) -> Result<()> {
        match self.gathered(kept)? {
            None => Ok(()),
            Some(Whole { mut params, mut sums, adam, mut log }) => {
                checkpoint.save(&State { params: &mut params, since_line: &mut sums, log: &mut log }, &adam)
            }
        }
    }

    /// The state of all latents, in the first process.
    fn gathered(&self, kept: &Kept) -> Result<Option<Whole>> {
        let of_all = |group: &ProcessGroup, tensors: &[Tensor]| match self.split {
            Split::Batch => Ok(group.is_first().then(|| tensors.iter().map(Tensor::shallow_clone).collect())),
            Split::Latents => gathered(group, tensors),
        };
        let Adam { exp_avg, exp_avg_sq, n_steps, .. } = &kept.optimiser.adam;
        let (params, exp_avg) = (of_all(self.group, kept.params)?, of_all(self.group, exp_avg)?);
        let (exp_avg_sq, n_fired) = (of_all(self.group, exp_avg_sq)?, of_all(self.group, &kept.sums[1..2])?);
        let (Some(params), Some(exp_avg), Some(exp_avg_sq), Some(mut n_fired)) = (params, exp_avg, exp_avg_sq, n_fired)
        else {
            return Ok(None);
        };
        let mut adam = Adam::new(&[], AdamConfig::default());
        (adam.n_steps, adam.exp_avg, adam.exp_avg_sq) = (*n_steps, exp_avg, exp_avg_sq);
        let sums = vec![kept.sums[0].shallow_clone(), n_fired.remove(0), kept.sums[2].shallow_clone()];
        Ok(Some(Whole { params, sums, adam, log: kept.log.clone() }))
    }
}

/// The state of a training with all its latents.
struct Whole {
    params: Vec<Tensor>,
    sums: Vec<Tensor>,
    adam: Adam,
    log: Vec<TrainStep>,
}

impl Whole {
    /// Memory of the right shapes, in the first process.
    fn of(together: &Together, kept: &Kept) -> Option<Whole> {
        let like = |tensors: &[Tensor], is_whole: fn(usize) -> bool| -> Vec<Tensor> {
            let sized = |(i, tensor): (usize, &Tensor)| {
                let mut size = tensor.size();
                size[0] *= if is_whole(i) { 1 } else { together.n_parts() };
                Tensor::zeros(size, (tensor.kind(), tensor.device()))
            };
            tensors.iter().enumerate().map(sized).collect()
        };
        together.group.is_first().then(|| {
            let params = like(kept.params, |i| i == 3);
            let adam = Adam::new(&params, AdamConfig::default());
            Whole { params, sums: like(kept.sums, |i| i != 1), adam, log: Vec::new() }
        })
    }
}
