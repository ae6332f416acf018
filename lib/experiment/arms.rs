//! Arms: trainings beside the stages in which something else changes, or nothing does. How far their latents turn says what
//! a rotation means.
//!
//! ```
//! use stagediff::crosscoder::train::DecoderFreedom;
//! use stagediff::experiment::{Stage, arms::Arm};
//! let mut arms = Arm::all();
//! arms.push(Arm { name: "near".into(), decoder: DecoderFreedom::Within(0.95), ..Arm::like(Stage::DF).unwrap() });
//! ```

mod arm;
pub mod figures;
pub mod findings;
mod models;
mod scores;
mod settling;

use crate::Result;
use crate::crosscoder::train::{DecoderFreedom, TrainStep, Trainee};
use crate::diff::cosines;
use crate::experiment::run::{Part, Run};
use crate::experiment::stages::{Acts, Source, if_timed, training};
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::{ArmRow, ArmTrainingRow};
use crate::language_model::fit::FitStep;
use serde_json::json;

pub use arm::{Arm, Origin};
pub use models::ArmModel;
pub use scores::arm_latents;
pub use settling::settling;

/// What trained arms are known by.
pub type ArmTables = (Vec<ArmRow>, Vec<ArmTrainingRow>);

/// Trains arms with all of the run's seeds and writes their crosscoders, `tables/arms` and `tables/arms_training`. An arm
/// whose files were written by the same training is left as it is.
///
/// # Errors
/// Notebooks 01 to 06 have not been run, a loss diverges, or a file cannot be written.
pub fn train_arms(run: &Run, arms: &[Arm], progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<ArmTables> {
    let (rows, ends) = trained(run, arms, progress)?;
    run.save("arms", &rows)?;
    run.save("arms_training", &ends)?;
    Ok((rows, ends))
}

fn trained(run: &Run, arms: &[Arm], progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<ArmTables> {
    let (mut rows, mut ends) = (Vec::new(), Vec::new());
    for arm in arms {
        arm.model.make(run, &mut |_: &str, _: &FitStep| ())?;
        let step = step(run, arm)?;
        let files = run.seeds().into_iter().map(|seed| arm.file(run, seed)).collect();
        ends.extend(step.once(files, || train(run, arm, &step, progress))?.iter().map(|end| training_row(arm, end)));
        for seed in run.seeds() {
            rows.extend(rotations(run, arm, seed)?);
        }
    }
    Ok((rows, ends))
}

/// The last line of each seed's log.
fn train(
    run: &Run,
    arm: &Arm,
    step: &Step,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<Vec<(u64, TrainStep)>> {
    let model = run.load_model(arm.model.name())?;
    let (tokens, reading) = (run.sequences(Part::Train, arm.data)?, run.hook_config(&model)?);
    let seed = run.seed_for(&format!("stream of arm {}", arm.name));
    let source = Source { acts: Acts::Read { models: (&model).into(), tokens: &tokens, reading: &reading }, seed };
    let trainee =
        |seed: u64| Ok(Trainee::new(run.label(&arm.name, seed), &arm.from.load(run, seed)?).with(arm.decoder));
    let mut trainees = run.seeds().into_iter().map(trainee).collect::<Result<Vec<Trainee>>>()?;
    source.train(run, &mut trainees, &training(run, &run.preset.later_stages, step), progress)?;
    let mut ends = Vec::new();
    for (seed, trainee) in run.seeds().into_iter().zip(trainees) {
        trainee
            .crosscoder
            .save(&run.path(&arm.file(run, seed)), &[("arm", arm.name.clone()), ("seed", seed.to_string())])?;
        ends.extend(trainee.log.last().map(|end| (seed, if_timed(run, *end))));
    }
    Ok(ends)
}

fn step<'a>(run: &'a Run, arm: &Arm) -> Result<Step<'a>> {
    let mut inputs = vec![format!("weights/{}/model.safetensors", arm.model.name()), Part::Train.file().into()];
    inputs.extend(run.seeds().into_iter().map(|seed| arm.from.file(run, seed)));
    let settings = json!([
        arm.from,
        arm.data,
        arm.decoder,
        run.preset.later_stages,
        run.recipe,
        run.seeds(),
        run.preset.hooks,
        run.preset.seq
    ]);
    Step::new(run, &format!("arm_{}", arm.name), of_organism(&run.organism, settings), &inputs)
}

fn rotations(run: &Run, arm: &Arm, seed: u64) -> Result<Vec<ArmRow>> {
    let before = arm.from.load(run, seed)?;
    let after = Origin::Arm(arm.name.clone()).load(run, seed)?;
    let (decoder, encoder) = (cosines(&before.w_dec, &after.w_dec), cosines(&before.w_enc, &after.w_enc));
    let row = |(latent, (cos, cos_enc)): (usize, (f64, f64))| ArmRow {
        arm: arm.name.clone(),
        from: arm.from.to_string(),
        seed,
        latent: latent as u32,
        cos,
        cos_enc,
    };
    Ok(decoder.into_iter().zip(encoder).enumerate().map(row).collect())
}

fn training_row(arm: &Arm, (seed, end): &(u64, TrainStep)) -> ArmTrainingRow {
    ArmTrainingRow {
        arm: arm.name.clone(),
        from: arm.from.to_string(),
        seed: *seed,
        model: arm.model.name().into(),
        data: arm.data.to_string(),
        decoder: match arm.decoder {
            DecoderFreedom::Free => "free".into(),
            DecoderFreedom::Within(cosine) => format!("within cosine {cosine}"),
            DecoderFreedom::Frozen => "frozen".into(),
        },
        loss_recon: end.loss_recon,
        l0_mean: end.l0_mean,
        dead_frac: end.dead_frac,
    }
}
