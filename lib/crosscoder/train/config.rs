//! How long and how fast a crosscoder is trained.

use crate::crosscoder::precision::Precision;
use crate::training::schedule::{LearningRate, Ramp};
use serde::{Deserialize, Serialize};

/// How a crosscoder is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Activations a step.
    pub batch: i64,
    /// Steps.
    pub n_steps: i64,
    /// Highest learning rate.
    pub lr: f64,
    /// Share of the steps over which it rises.
    pub warm_up_frac: f64,
    /// Share of the steps, the last, over which it falls to 0.
    pub decay_frac: f64,
    /// Final weight λ_s of the sparsity term.
    pub lambda_s: f64,
    /// Whether λ_s rises linearly over the whole training (stage S) or is constant (later stages).
    pub ramp_lambda_s: bool,
    /// The precision of matrix products: `float32`, or `bf16` where the machine is faster at it. Runs from before there
    /// was a choice had `float32`.
    #[serde(default)]
    pub products: Precision,
}

impl TrainConfig {
    /// Stage S as published: 10.24 M activations.
    pub fn published_s() -> TrainConfig {
        TrainConfig {
            batch: 256,
            n_steps: 40_000,
            lr: 5e-4,
            warm_up_frac: 0.05,
            decay_frac: 0.25,
            lambda_s: 0.5,
            ramp_lambda_s: true,
            products: Precision::Float32,
        }
    }

    /// The later stages as published: 2.56 M activations each.
    pub fn published_later() -> TrainConfig {
        TrainConfig {
            batch: 256,
            n_steps: 10_000,
            lr: 1e-4,
            warm_up_frac: 0.0,
            decay_frac: 0.2,
            lambda_s: 0.5,
            ramp_lambda_s: false,
            products: Precision::Float32,
        }
    }

    pub(super) fn learning_rate(&self) -> LearningRate {
        let steps = |share: f64| (share * self.n_steps as f64).round() as i64;
        LearningRate {
            peak: self.lr,
            warm_up_steps: steps(self.warm_up_frac),
            decay_steps: steps(self.decay_frac),
            n_steps: self.n_steps,
        }
    }

    pub(super) fn sparsity_weight(&self) -> Ramp {
        if self.ramp_lambda_s {
            Ramp { last: self.lambda_s, ramp_steps: self.n_steps }
        } else {
            Ramp::constant(self.lambda_s)
        }
    }
}
