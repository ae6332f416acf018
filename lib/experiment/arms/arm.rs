//! What an arm is, and those that come with the project.

use super::models::ArmModel;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::train::DecoderFreedom;
use crate::experiment::run::Run;
use crate::experiment::stage::{Data, Stage};
use serde::Serialize;
use std::fmt;

/// Where an arm starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Origin {
    /// Where a stage ended.
    Stage(Stage),
    /// Where an arm of this name ended.
    Arm(String),
}

impl Origin {
    /// The crosscoder's file in the run's folder.
    pub(super) fn file(&self, run: &Run, seed: u64) -> String {
        match self {
            Origin::Stage(stage) => run.crosscoder_file(*stage, seed),
            Origin::Arm(name) => format!("weights/arm_{}.safetensors", run.label(name, seed)),
        }
    }

    /// Its crosscoder.
    ///
    /// # Errors
    /// It has not been trained.
    pub(super) fn load(&self, run: &Run, seed: u64) -> Result<Crosscoder> {
        match self {
            Origin::Stage(stage) => run.crosscoder_of(*stage, seed),
            Origin::Arm(name) => {
                Crosscoder::load(&run.require(&self.file(run, seed))?, &[("arm", name.clone())], run.device)
            }
        }
    }
}

impl From<Stage> for Origin {
    fn from(stage: Stage) -> Origin {
        Origin::Stage(stage)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Stage(stage) => stage.fmt(f),
            Origin::Arm(name) => f.write_str(name),
        }
    }
}

/// A training that starts where a stage ended, or an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// Its name, fit for a file.
    pub name: String,
    /// The crosscoder that it starts from, and that its rotation is measured against.
    pub from: Origin,
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
        Some(Arm::starting(stage, format!("{stage}_again"), stage.parent()?.into()))
    }

    /// A training on what a stage is trained on, from anywhere.
    pub(super) fn starting(stage: Stage, name: String, from: Origin) -> Arm {
        Arm { name, from, model: stage.model().into(), data: stage.data(), decoder: DecoderFreedom::Free }
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

    /// The crosscoder's file in the run's folder.
    pub(super) fn file(&self, run: &Run, seed: u64) -> String {
        Origin::Arm(self.name.clone()).file(run, seed)
    }
}
