//! How far each latent turned between two stages: cosines of decoder directions.
//!
//! x = cos(D, DF) is what adding the model to D changed; y = cos(M, MF) what adding the data to M changed. A latent that
//! turned on both belongs to the combination of the two.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::metrics::cosine;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The space in which decoder directions are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderSpace {
    /// The scaled space that the crosscoder was trained in: every hook point weighs the same.
    Scaled,
    /// The model's own space, where hook points of high norm weigh more.
    Folded,
}

impl fmt::Display for DecoderSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecoderSpace::Scaled => "scaled",
            DecoderSpace::Folded => "folded",
        })
    }
}

impl FromStr for DecoderSpace {
    type Err = Error;

    fn from_str(name: &str) -> Result<DecoderSpace> {
        let known = || Error::setting("space", name, "expected scaled or folded");
        [DecoderSpace::Scaled, DecoderSpace::Folded]
            .into_iter()
            .find(|space| space.to_string() == name)
            .ok_or_else(known)
    }
}

/// Cosines between the decoder directions of the same latent in two crosscoders, flattened over hook points; 0 where one
/// of them is zero.
///
/// # Shapes
/// → [latent]
pub fn decoder_cosines(before: &Crosscoder, after: &Crosscoder, space: DecoderSpace) -> Vec<f64> {
    let cosines = match space {
        DecoderSpace::Scaled => cosine(&before.w_dec, &after.w_dec),
        DecoderSpace::Folded => cosine(&before.fold().w_dec, &after.fold().w_dec),
    };
    Vec::try_from(&cosines).expect("one cosine a latent")
}

/// The same for encoder directions, in the scaled space.
///
/// # Shapes
/// → [latent]
pub fn encoder_cosines(before: &Crosscoder, after: &Crosscoder) -> Vec<f64> {
    Vec::try_from(&cosine(&before.w_enc, &after.w_enc)).expect("one cosine a latent")
}

/// Cosines at each hook point alone; scaling does not change them.
///
/// # Shapes
/// → [hook][latent]
pub fn cosines_by_hook(before: &Crosscoder, after: &Crosscoder) -> Vec<Vec<f64>> {
    let (before_by_hook, after_by_hook) = (before.w_dec_by_hook(), after.w_dec_by_hook());
    let at = |hook: i64| cosine(&before_by_hook.select(1, hook), &after_by_hook.select(1, hook));
    (0..before.hooks.len() as i64).map(|hook| Vec::try_from(&at(hook)).expect("one cosine a latent")).collect()
}
