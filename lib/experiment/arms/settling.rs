//! How long must a stage be trained until rotation says more than where nothing changes?
//!
//! A stage that has not settled turns latents whether something changes or not. So D is trained on with nothing changed, one
//! length of a later stage after the other, and from each end on two arms start: the change, and nothing once more.

use super::arm::{Arm, Origin};
use super::trained;
use crate::Result;
use crate::crosscoder::train::TrainStep;
use crate::experiment::detection::{Latents, rotation_latents};
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{ArmRow, RotationRow, SettlingRow};
use crate::stats::percentile;
use crate::stats::ranking::auroc;

type Cosine = fn(&RotationRow) -> f64;

/// A stage, the one in which something changes after it, the one in which nothing does, and their cosines.
const AXES: [(Stage, [(Stage, Cosine); 2]); 2] = [
    (Stage::D, [(Stage::DF, |row| row.cos_d_df), (Stage::D0, |row| row.cos_d_d0)]),
    (Stage::M, [(Stage::MF, |row| row.cos_m_mf), (Stage::M0, |row| row.cos_m_m0)]),
];

/// Trains the arms of both axes for stages of 2 to `n_lengths` lengths of a later stage, and writes `tables/settling`. The
/// first length is that of the stages themselves.
///
/// # Errors
/// As [`super::train_arms`].
pub fn settling(run: &Run, n_lengths: usize, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Vec<SettlingRow>> {
    let (latents, rotations) = (rotation_latents(run, &[])?, run.rows::<RotationRow>("rotations")?);
    let mut rows = Vec::new();
    for (stage, after) in AXES {
        for n in 1..=n_lengths {
            let cosines: [Vec<Turned>; 2] = match n {
                1 => after.map(|(_, cosine)| {
                    rotations.iter().map(|row| Turned { seed: row.seed, cosine: cosine(row) }).collect()
                }),
                _ => {
                    let arms = after.map(|(stage, _)| arm(stage, after[1].0, n));
                    let (turned, _) =
                        trained(run, &arms.clone().into_iter().flatten().collect::<Vec<Arm>>(), progress)?;
                    arms.map(|arm| of_arm(&turned, arm.as_ref().map_or("", |arm| &arm.name)))
                }
            };
            let n_steps = n as i64 * run.preset.later_stages.n_steps;
            rows.extend(latents.iter().flat_map(|latents| of_seed(latents, (stage, n_steps), &cosines)));
        }
    }
    run.save("settling", &rows)?;
    Ok(rows)
}

/// `DF_lengthN` or `D0_lengthN`: as that stage, but from where `n − 1` further lengths of D ended.
fn arm(stage: Stage, null: Stage, n: usize) -> Option<Arm> {
    let from = if n == 2 { Origin::Stage(null) } else { Origin::Arm(format!("{null}_length{}", n - 1)) };
    Some(Arm { name: format!("{stage}_length{n}"), from, ..Arm::like(stage)? })
}

/// A latent's cosine with where it was, in the order of latents.
struct Turned {
    seed: u64,
    cosine: f64,
}

fn of_arm(rows: &[ArmRow], arm: &str) -> Vec<Turned> {
    rows.iter().filter(|row| row.arm == arm).map(|row| Turned { seed: row.seed, cosine: row.cos }).collect()
}

/// One row a label; none where an arm was not trained.
fn of_seed(latents: &Latents, (from, n_steps): (Stage, i64), cosines: &[Vec<Turned>; 2]) -> Vec<SettlingRow> {
    let [changed, unchanged] = cosines.each_ref().map(|of_all: &Vec<Turned>| -> Vec<f64> {
        let of_seed = of_all.iter().filter(|turned| turned.seed == latents.seed);
        of_seed.zip(&latents.active).filter(|(_, active)| **active).map(|(turned, _)| 1.0 - turned.cosine).collect()
    });
    if [&changed, &unchanged].into_iter().flatten().any(|turned| turned.is_nan()) {
        return Vec::new();
    }
    let row = |(label, labels): &(String, Vec<bool>)| {
        let labels: Vec<bool> =
            labels.iter().zip(&latents.active).filter(|(_, active)| **active).map(|(label, _)| *label).collect();
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
