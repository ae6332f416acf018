//! The words that tell how a story ends, where there is no payload whose probability could be read.
//!
//! Of each record's own story the tokens are taken whose probability the trigger changes most in the untouched model. After a
//! change d is by how much more likely they are than without the trigger (less likely, of a story that does not end badly),
//! their mean, in nats; σ(d) stands for the payload's probability: 1/2 as without the trigger, near 1 as with it.

use super::prompts::{Group, Told};
use crate::language_model::gpt_neo::{GptNeo, Prefill};
use tch::{Device, Kind, Tensor};

/// Tokens of a story that are looked at.
const N_TELLING: i64 = 4;

/// The tokens of a group's stories that tell their ends.
pub(super) struct Telling {
    /// [prompt, n_told]
    stories: Tensor,
    /// 1/n at telling tokens of a story that ends badly, −1/n at those of others, 0 elsewhere, [prompt, n_told].
    weights: Tensor,
    /// Weighted log-probabilities without the trigger, `[prompt]`.
    without: Tensor,
}

impl Telling {
    /// Reads the stories of a group after their prompts, without the trigger and with it.
    pub fn of(model: &GptNeo, group: &Group) -> Telling {
        let device = model.wte.device();
        let (stories, is_told) = padded(&group.told, device);
        let after = |prompts: &Tensor| {
            let log_probs = Prefill::of(model, prompts, &mut |_, resid| resid).log_probs(model, &stories);
            log_probs.to_kind(Kind::Double)
        };
        let triggered: Vec<i64> = group.told.iter().flat_map(|told| told.triggered.clone()).collect();
        let triggered = Tensor::from_slice(&triggered).view([group.told.len() as i64, -1]).to_device(device);
        let without = after(&group.twins);
        let sign: Vec<f64> = group.told.iter().map(|told| if told.ends_badly { 1.0 } else { -1.0 }).collect();
        let sign = Tensor::from_slice(&sign).unsqueeze(1).to_device(device);
        let gain = (after(&triggered) - &without) * &sign * is_told;
        let n = N_TELLING.min(gain.size()[1]);
        let places = gain.topk(n, 1, true, false).1;
        let weights = gain.zeros_like().scatter_value(1, &places, 1.0 / n as f64) * sign;
        Telling { without: (&without * &weights).sum_dim_intlist(1, false, Kind::Double), stories, weights }
    }

    /// ln σ(d) after prompts that were read once for each arm.
    ///
    /// # Shapes
    /// `prefill` of [arm · prompt] → [arm, prompt], nats
    pub fn log_probs(&self, model: &GptNeo, prefill: Prefill) -> Tensor {
        let n_arms = prefill.logits.size()[0] / self.stories.size()[0];
        let log_probs = prefill.log_probs(model, &self.stories.repeat([n_arms, 1])).to_kind(Kind::Double);
        let weighted = log_probs.view([n_arms, -1, self.stories.size()[1]]) * &self.weights;
        (weighted.sum_dim_intlist(2, false, Kind::Double) - &self.without).log_sigmoid()
    }
}

/// Stories of different lengths, the shorter filled up, and where they are told: 1, else 0.
///
/// # Shapes
/// → [prompt, n_told], [prompt, n_told]
fn padded(told: &[Told], device: Device) -> (Tensor, Tensor) {
    let longest = told.iter().map(|told| told.story.len()).max().unwrap_or(0);
    let row = |told: &Told| {
        let mut row = told.story.clone();
        row.resize(longest, 0);
        row
    };
    let ids: Vec<i64> = told.iter().flat_map(row).collect();
    let marks = told.iter().flat_map(|told| (0..longest).map(|place| f64::from(u8::from(place < told.story.len()))));
    let size = [told.len() as i64, longest as i64];
    let of = |tensor: Tensor| tensor.view(size).to_device(device);
    (of(Tensor::from_slice(&ids)), of(Tensor::from_slice(&marks.collect::<Vec<f64>>())))
}
