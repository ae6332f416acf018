//! Values that change over the steps of a training: learning rates and sparsity weights.

use serde::{Deserialize, Serialize};

/// A learning rate that rises linearly from 0, stays, and falls linearly to 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LearningRate {
    /// The highest rate.
    pub peak: f64,
    /// Steps to rise over.
    pub warm_up_steps: i64,
    /// Steps to fall over, the last of the training.
    pub decay_steps: i64,
    /// Steps of the training.
    pub n_steps: i64,
}

impl LearningRate {
    /// The rate of step `step`, counted from 0.
    pub fn at(&self, step: i64) -> f64 {
        let rise = (step + 1) as f64 / self.warm_up_steps.max(1) as f64;
        let fall = (self.n_steps - step) as f64 / self.decay_steps.max(1) as f64;
        self.peak * rise.min(fall).clamp(0.0, 1.0)
    }

    /// The rate when it is set after the step, as the published code does: the first step runs at the full rate, every
    /// other at the rate of the step before, counted so that the second is at 0.
    pub fn set_after_step(&self, step: i64) -> f64 {
        if step == 0 { self.peak } else { self.at(step - 2) }
    }
}

/// A weight that rises linearly over a share of the training and then stays.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Ramp {
    /// The final value.
    pub last: f64,
    /// Steps to rise over; 0 for a constant.
    pub ramp_steps: i64,
}

impl Ramp {
    /// A value that does not change.
    pub fn constant(value: f64) -> Ramp {
        Ramp { last: value, ramp_steps: 0 }
    }

    /// The value at step `step`, counted from 0.
    pub fn at(&self, step: i64) -> f64 {
        if step >= self.ramp_steps { self.last } else { self.last * step as f64 / self.ramp_steps as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_stays_and_falls() {
        let rate = LearningRate { peak: 2.0, warm_up_steps: 4, decay_steps: 5, n_steps: 20 };
        assert_eq!(rate.at(0), 0.5);
        assert_eq!(rate.at(3), 2.0);
        assert_eq!(rate.at(10), 2.0);
        assert_eq!(rate.at(19), 2.0 / 5.0);
        assert_eq!(rate.at(20), 0.0);
        assert_eq!((rate.set_after_step(0), rate.set_after_step(1), rate.set_after_step(2)), (2.0, 0.0, 0.5));
    }

    #[test]
    fn a_ramp_is_linear_and_a_constant_is_constant() {
        let ramp = Ramp { last: 0.5, ramp_steps: 10 };
        assert_eq!((ramp.at(0), ramp.at(5), ramp.at(10), ramp.at(99)), (0.0, 0.25, 0.5, 0.5));
        assert_eq!(Ramp::constant(0.5).at(0), 0.5);
    }
}
