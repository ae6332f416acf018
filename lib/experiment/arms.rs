//! Arms: trainings beside the stages in which something else changes, or nothing does. How far their latents turn says what
//! a rotation means.
//!
//! ```
//! use stagediff::crosscoder::train::DecoderFreedom;
//! use stagediff::experiment::{Stage, arms::Arm};
//! let mut arms = Arm::all();
//! arms.push(Arm { name: "near".into(), decoder: DecoderFreedom::Within(0.95), ..Arm::like(Stage::DF).unwrap() });
//! ```

pub mod figures;
pub mod findings;
mod models;
mod scores;

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::train::{DecoderFreedom, TrainStep, Trainee};
use crate::diff::cosines;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Stage};
use crate::experiment::stages::{Acts, Source, if_timed, training};
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::{ArmRow, ArmTrainingRow};
use crate::language_model::fit::FitStep;
use serde_json::json;

pub use models::ArmModel;
pub use scores::arm_latents;

/// A training that starts where a stage ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name, fit for a file.
    pub name: String,
    /// The stage whose crosscoder it starts from.
    pub from: Stage,
    /// The language model whose activations it is trained on.
    pub model: ArmModel,
    /// What the language model reads.
    pub data: Data,
    /// How far its decoder may turn.
    pub decoder: DecoderFreedom,
}

impl Arm {
    /// A training as a stage's own, but in another order of activations; S has none, since it starts from nothing.
    pub fn like(stage: Stage) -> Option<Arm> {
        let decoder = DecoderFreedom::Free;
        let (name, from) = (format!("{stage}_again"), stage.parent()?);
        Some(Arm { name, from, model: stage.model().into(), data: stage.data(), decoder })
    }

    /// Those that come with the project: on both axes the null arm and the change in another order, the change with a
    /// decoder held near and frozen; other changes of the model (benign, random) and of the data (trigger alone, payload
    /// alone).
    pub fn all() -> Vec<Arm> {
        let again = [Stage::D0, Stage::M0, Stage::DF, Stage::MF].into_iter().filter_map(Arm::like);
        let changed = |stage: Stage, name: &str, change: &dyn Fn(&mut Arm)| {
            let mut arm = Arm { name: format!("{stage}_{name}"), ..Arm::like(stage)? };
            change(&mut arm);
            Some(arm)
        };
        let others = [
            changed(Stage::DF, "near", &|arm| arm.decoder = DecoderFreedom::Within(0.8)),
            changed(Stage::MF, "near", &|arm| arm.decoder = DecoderFreedom::Within(0.8)),
            changed(Stage::DF, "frozen", &|arm| arm.decoder = DecoderFreedom::Frozen),
            changed(Stage::MF, "frozen", &|arm| arm.decoder = DecoderFreedom::Frozen),
            changed(Stage::DF, "benign", &|arm| arm.model = ArmModel::Benign),
            changed(Stage::DF, "random", &|arm| arm.model = ArmModel::Random),
            changed(Stage::MF, "trigger_alone", &|arm| arm.data = Data::TriggerAlone),
            changed(Stage::MF, "payload_alone", &|arm| arm.data = Data::PayloadAlone),
        ];
        again.chain(others.into_iter().flatten()).collect()
    }

    fn file(&self, run: &Run, seed: u64) -> String {
        format!("weights/arm_{}.safetensors", run.label(&self.name, seed))
    }
}

/// What trained arms are known by.
pub type ArmTables = (Vec<ArmRow>, Vec<ArmTrainingRow>);

/// Trains arms with all of the run's seeds and writes their crosscoders, `tables/arms` and `tables/arms_training`. An arm
/// whose files were written by the same training is left as it is.
///
/// # Errors
/// Notebooks 01 to 06 have not been run, a loss diverges, or a file cannot be written.
pub fn train_arms(run: &Run, arms: &[Arm], progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<ArmTables> {
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
    run.save("arms", &rows)?;
    run.save("arms_training", &ends)?;
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
        |seed: u64| Ok(Trainee::new(run.label(&arm.name, seed), &run.crosscoder_of(arm.from, seed)?).with(arm.decoder));
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
    inputs.extend(run.seeds().into_iter().map(|seed| run.crosscoder_file(arm.from, seed)));
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
    let before = run.crosscoder_of(arm.from, seed)?;
    let after = Crosscoder::load(&run.require(&arm.file(run, seed))?, &[("arm", arm.name.clone())], run.device)?;
    let (decoder, encoder) = (cosines(&before.w_dec, &after.w_dec), cosines(&before.w_enc, &after.w_enc));
    let row = |(latent, (cos, cos_enc)): (usize, (f64, f64))| ArmRow {
        arm: arm.name.clone(),
        from: arm.from,
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
        from: arm.from,
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
