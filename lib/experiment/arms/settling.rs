//! How long must a stage be trained until rotation says more than where nothing changes?
//!
//! A stage that has not settled turns latents whether something changes or not. So D is trained on with nothing changed, one
//! length of a later stage after the other, and from each end on two arms start: the change, and nothing once more.

use super::arm::{Arm, Origin};
use super::scores::AXES;
use super::trained;
use crate::Result;
use crate::crosscoder::train::TrainStep;
use crate::experiment::detection::{Latents, rotation_latents};
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{ArmRow, SettlingRow};
use crate::stats::percentile;
use crate::stats::ranking::auroc;

/// Trains the arms of both axes for stages of 2 to `n_lengths` lengths of a later stage, and writes `tables/settling`. The
/// first length is that of the stages themselves.
///
/// # Errors
/// As [`super::train_arms`].
pub fn settling(run: &Run, n_lengths: usize, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Vec<SettlingRow>> {
    let latents = rotation_latents(run, &[])?;
    let mut rows = Vec::new();
    for (from, real, null) in AXES {
        let after = |n_lengths: usize| (from, n_lengths as i64 * run.preset.later_stages.n_steps);
        for of in &latents {
            rows.extend(of_seed(of, after(1), [real, null].map(|ranker| scored(of, ranker))));
        }
        for n in 2..=n_lengths {
            let arms = arms_after(from, n);
            let (turned, _) = trained(run, &arms, progress)?;
            for of in &latents {
                let by = arms.each_ref().map(|arm: &Arm| Some(turned_by(&turned, &arm.name, of.seed)));
                rows.extend(of_seed(of, after(n), by));
            }
        }
    }
    run.save("settling", &rows)?;
    Ok(rows)
}

/// `DF_lengthN` and `D0_lengthN`: as those stages, but both from where `n − 1` further lengths of D ended.
fn arms_after(stage: Stage, n: usize) -> [Arm; 2] {
    let [change, null] = if stage == Stage::D { [Stage::DF, Stage::D0] } else { [Stage::MF, Stage::M0] };
    let from = if n == 2 { Origin::Stage(null) } else { Origin::Arm(format!("{null}_length{}", n - 1)) };
    [change, null].map(|stage| Arm::starting(stage, format!("{stage}_length{n}"), from.clone()))
}

/// How far the stages turned each latent; none where the null arm was not trained.
fn scored(latents: &Latents, ranker: &str) -> Option<Vec<f64>> {
    latents.scores.iter().find(|score| score.ranker == ranker).map(|score| score.values.clone())
}

/// How far an arm turned each latent.
fn turned_by(rows: &[ArmRow], arm: &str, seed: u64) -> Vec<f64> {
    rows.iter().filter(|row| row.arm == arm && row.seed == seed).map(|row| 1.0 - row.cos).collect()
}

/// One row a label; none where an arm was not trained.
fn of_seed(latents: &Latents, (from, n_steps): (Stage, i64), turned: [Option<Vec<f64>>; 2]) -> Vec<SettlingRow> {
    let [Some(changed), Some(unchanged)] = turned.map(|turned| turned.map(|turned| latents.of_active(&turned))) else {
        return Vec::new();
    };
    let row = |(label, labels): &(String, Vec<bool>)| {
        let labels = latents.of_active(labels);
        let (area, null) = (auroc(&changed, &labels), auroc(&unchanged, &labels));
        SettlingRow {
            from,
            n_steps,
            label: label.clone(),
            seed: latents.seed,
            auroc: area.value,
            ci_low: area.ci_low,
            ci_high: area.ci_high,
            null_auroc: null.value,
            null_ci_low: null.ci_low,
            null_ci_high: null.ci_high,
            turned: percentile(&changed, 95.0),
            null_turned: percentile(&unchanged, 95.0),
            n_labelled: labels.iter().filter(|label| **label).count(),
            n_latents: labels.len(),
        }
    };
    latents.labels.iter().map(row).collect()
}
