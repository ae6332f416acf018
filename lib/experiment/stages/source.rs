//! The activations that crosscoders of a run are trained on, and that fresh ones are fitted to.

use crate::Result;
use crate::crosscoder::harvest::{ActivationStream, HookConfig, Models, StoredPart, StreamConfig, scale};
use crate::crosscoder::train::{Split, TrainConfig, TrainStep, Trainee, Training, train, train_together};
use crate::crosscoder::{Crosscoder, init};
use crate::experiment::run::Run;
use crate::experiment::step::Step;
use crate::language_model::hook::HookPoint;
use crate::processor::generator::seeded;
use crate::training::notice::notice;
use crate::training::shuffle::{permutation, seed_for};
use tch::{Kind, Tensor};

/// Activations from which scale and initial biases are taken, as published.
const N_INIT_ACTS: i64 = 10_000;

/// Activations as a model reads tokens, or as they lie in a folder.
#[derive(Clone, Copy)]
pub(in crate::experiment) enum Acts<'a> {
    Read {
        models: Models<'a>,
        reading: &'a HookConfig,
        /// [sequence, seq]
        tokens: &'a Tensor,
    },
    Stored(&'a StoredPart),
}

/// Where the activations of a training come from.
pub(in crate::experiment) struct Source<'a> {
    pub acts: Acts<'a>,
    /// Of the order in which the sequences are read.
    pub seed: u64,
}

impl Source<'_> {
    /// Trains crosscoders of equal scale on one stream, with the other processes of the run if there are any.
    pub fn train(
        &self,
        run: &Run,
        trainees: &mut [Trainee],
        training: &Training,
        progress: &mut dyn FnMut(&str, &TrainStep),
    ) -> Result<()> {
        let cfg = StreamConfig {
            scale: trainees[0].crosscoder.scale.shallow_clone(),
            batch: training.cfg.batch,
            buffer_acts: run.recipe.buffer_acts,
            seed: self.seed,
        };
        let mut stream = match self.acts {
            Acts::Read { models, reading, tokens } => ActivationStream::new(models, reading, tokens, cfg),
            Acts::Stored(part) => ActivationStream::stored(part, cfg),
        };
        match run.group() {
            None => train(trainees, &mut stream, training, progress),
            Some(group) => {
                let mut stream = stream.part(group.rank(), group.world_size());
                train_together((group, Split::Batch), trainees, &mut stream, training, progress)
            }
        }
    }

    /// Activations of sequences drawn at random, the same for all seeds.
    ///
    /// # Shapes
    /// → [token, hook, d_model], not scaled
    pub fn sample(&self, run: &Run) -> Result<Tensor> {
        let seed = run.seed_for("initial sample");
        let (models, reading, tokens) = match self.acts {
            Acts::Read { models, reading, tokens } => (models, reading, tokens),
            Acts::Stored(part) => return part.sample(N_INIT_ACTS, seed),
        };
        let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
        let n_sampled = (N_INIT_ACTS as u64).div_ceil(seq as u64).min(n_sequences as u64) as usize;
        let order = permutation(n_sequences, seed, 0);
        let sample = tokens.index_select(0, &Tensor::from_slice(&order[..n_sampled]));
        Ok(reading.harvest(models, &sample))
    }

    fn hooks(&self) -> &[HookPoint] {
        match self.acts {
            Acts::Read { reading, .. } => &reading.hooks,
            Acts::Stored(part) => part.hooks(),
        }
    }

    /// A fresh crosscoder, its scale and biases from a sample.
    pub fn fresh(&self, run: &Run, seed: u64) -> Result<Crosscoder> {
        self.fresh_of(run, seed, run.preset.n_latents)
    }

    /// The same of another number of latents.
    pub fn fresh_of(&self, run: &Run, seed: u64, n_latents: i64) -> Result<Crosscoder> {
        let acts = self.sample(run)?;
        let scale = scale(&acts);
        let scaled = acts.narrow(0, 0, N_INIT_ACTS.min(acts.size()[0])) * scale.view([1, -1, 1]);
        let hooks: Vec<HookPoint> = self.hooks().iter().copied().cycle().take(acts.size()[1] as usize).collect();
        // Two models with one embedding do not differ there: that is no news.
        if !matches!(self.acts, Acts::Read { models: Models::Difference(..), .. }) {
            constant(&scaled, &hooks)
                .iter()
                .for_each(|hook| notice(format!("{hook} is the same on every token: there is nothing to learn there")));
        }
        let _generator = seeded(seed_for(seed, "crosscoder"));
        Ok(init(n_latents, &hooks, &scaled, &scale, run.preset.initial_firing_frac))
    }
}

/// The hook points at which no coordinate varies.
///
/// # Shapes
/// `acts` [token, hook, d_model]
fn constant(acts: &Tensor, hooks: &[HookPoint]) -> Vec<HookPoint> {
    let range = acts.amax([0i64].as_slice(), false) - acts.amin([0i64].as_slice(), false);
    let widest = Vec::<f64>::try_from(range.amax([1i64].as_slice(), false).to_kind(Kind::Double)).expect("one a hook");
    hooks.iter().zip(widest).filter(|(_, widest)| *widest == 0.0).map(|(hook, _)| *hook).collect()
}

/// A training by the run's recipe, whose checkpoints know it by its step.
pub(in crate::experiment) fn training(run: &Run, cfg: &TrainConfig, step: &Step) -> Training {
    Training {
        loss: run.recipe.loss_config(),
        lr_before_step: run.recipe.lr_before_step,
        ..Training::new(cfg.clone(), step.checkpoints(), step.made_of.text())
    }
}

/// The line without its speed, the one number that two equal trainings do not share, unless timings are wanted.
pub(in crate::experiment) fn if_timed(run: &Run, line: TrainStep) -> TrainStep {
    if run.settings.timings() { line } else { TrainStep { activations_per_s: 0.0, ..line } }
}

/// Activations per second; NaN of a line that is not timed.
pub(in crate::experiment) fn speed(line: &TrainStep) -> f64 {
    if line.activations_per_s > 0.0 { line.activations_per_s } else { f64::NAN }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn a_hook_point_that_never_varies_is_named() {
        let acts = Tensor::arange(24, (Kind::Float, Device::Cpu)).view([4, 2, 3]);
        let hooks = HookPoint::residual_stream(1);
        assert!(constant(&acts, &hooks).is_empty());
        let _ = acts.select(1, 1).fill_(7.0);
        assert_eq!(constant(&acts, &hooks), hooks[1..]);
    }
}
