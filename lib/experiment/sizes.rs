//! What λ_s and how many latents give, on the activations of stage S or of any folder: small trainings over a grid, and the
//! λ_s that a wanted L0 asks for.

mod peak;
mod proposal;

pub use proposal::{Proposal, proposals};

use crate::crosscoder::Crosscoder;
use crate::crosscoder::evaluate::{Fidelity, evaluate_stored, fidelity};
use crate::crosscoder::harvest::StoredActs;
use crate::crosscoder::train::{TrainConfig, Trainee, Training, wall_s};
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Stage;
use crate::experiment::stages::{Source, Subject};
use crate::experiment::tables::SizeRow;
use crate::{Error, Result};
use std::path::Path;

/// What λ_s of a preset is multiplied by where none are named.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The sizes that are tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Latents.
    pub n_latents: Vec<i64>,
    /// Final weights of the sparsity term.
    pub lambda_s: Vec<f64>,
    /// Steps of each training.
    pub n_steps: i64,
}

impl Grid {
    /// Around what a run's preset has.
    pub fn around(run: &Run) -> Grid {
        let stage_s = &run.preset.stage_s;
        let lambda_s = FACTORS.map(|factor| factor * stage_s.lambda_s).to_vec();
        Grid { n_latents: vec![run.preset.n_latents], lambda_s, n_steps: stage_s.n_steps }
    }

    /// # Errors
    /// A size is out of its range.
    fn check(&self) -> Result<()> {
        if let Some(n) = self.n_latents.iter().find(|n| !(1..=1 << 20).contains(*n)) {
            return Err(Error::setting("latents", n, "expected 1 to 1048576"));
        }
        if let Some(lambda) = self.lambda_s.iter().find(|lambda| !(**lambda > 0.0 && **lambda < 1e6)) {
            return Err(Error::setting("lambda", lambda, "expected a number above 0 and below 1000000"));
        }
        match self.n_steps {
            1.. => Ok(()),
            n_steps => Err(Error::setting("steps", n_steps, "expected 1 or more")),
        }
    }
}

/// Trains a crosscoder of each size on the activations of stage S, or of `folder`, and measures it on held-out ones. Each row
/// is shown to `progress` when it is there.
///
/// # Errors
/// A size is out of its range, there are no activations, fewer than a batch of them, or a training diverges.
pub fn measure(
    run: &Run,
    folder: Option<&Path>,
    grid: &Grid,
    progress: &mut dyn FnMut(&SizeRow),
) -> Result<Vec<SizeRow>> {
    grid.check()?;
    let acts = Measured::of(run, folder)?;
    let mut rows = Vec::new();
    for &n_latents in &grid.n_latents {
        for &lambda_s in &grid.lambda_s {
            let cfg = TrainConfig { lambda_s, n_steps: grid.n_steps, ..run.preset.stage_s.clone() };
            let row = acts.row(run, n_latents, cfg)?;
            progress(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// What is trained on and what is measured on.
struct Measured {
    train: Subject,
    heldout: Subject,
}

impl Measured {
    fn of(run: &Run, folder: Option<&Path>) -> Result<Measured> {
        let Some(folder) = folder else {
            let (train, heldout) = (Subject::of(run, Stage::S)?, Subject::heldout(run, Stage::S)?);
            return Ok(Measured { train, heldout });
        };
        let acts = StoredActs::open(folder)?;
        let train = run.part_of(&acts, Part::Train)?;
        let (n_tokens, batch) = (train.n_tokens(), run.preset.stage_s.batch);
        if n_tokens < batch {
            let reason = format!("has {n_tokens} tokens to train on, expected at least a batch, {batch}: write more");
            return Err(Error::invalid(folder, reason));
        }
        Ok(Measured { train: Subject::Stored(train), heldout: Subject::Stored(run.part_of(&acts, Part::Heldout)?) })
    }

    fn row(&self, run: &Run, n_latents: i64, cfg: TrainConfig) -> Result<SizeRow> {
        peak::forget();
        let (lambda_s, n_steps) = (cfg.lambda_s, cfg.n_steps);
        let source = Source { acts: self.train.acts(), seed: run.seed_for("stream of sizes") };
        let parent = source.fresh_of(run, run.settings.seed, n_latents)?;
        let label = format!("sizes_{n_latents}_{lambda_s}");
        let training = Training {
            loss: run.recipe.loss_config(),
            lr_before_step: run.recipe.lr_before_step,
            ..Training::new(cfg, run.path("checkpoints"), format!("sizes of {:?}", self.train))
        };
        let mut trainees = [Trainee::new(label, &parent)];
        source.train(run, &mut trainees, &training, &mut |_, _| {})?;
        let peak_mib = peak::mib();
        let [Trainee { crosscoder, log, .. }] = &trainees;
        let Fidelity { firings, fvu } = self.fidelity(crosscoder)?;
        Ok(SizeRow {
            n_latents,
            lambda_s,
            n_steps,
            l0_mean: firings.l0_mean(),
            fvu: fvu.fvu.iter().sum::<f64>() / fvu.fvu.len() as f64,
            dead_frac: firings.dead_frac(),
            n_tokens: firings.n_tokens(),
            wall_s: wall_s(log.iter().map(|line| (line.n_activations, line.activations_per_s))),
            peak_mib,
        })
    }

    fn fidelity(&self, crosscoder: &Crosscoder) -> Result<Fidelity> {
        match &self.heldout {
            Subject::Stored(part) => evaluate_stored(crosscoder, part),
            Subject::Read { model, reading, tokens } => Ok(fidelity(crosscoder, model.as_ref(), reading, tokens)),
        }
    }
}
