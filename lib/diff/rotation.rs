//! How far each latent turned between two stages: cosines of decoder directions.
//!
//! x = cos(D, DF) is what adding the model to D changed; y = cos(M, MF) what adding the data to M changed. A latent that
//! turned on both belongs to the combination of the two.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tch::{Kind, Tensor};

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

/// Cosines between the directions of each latent before and after, flattened over hook points; 0 where one of them is
/// zero.
///
/// # Shapes
/// `before`, `after` [latent, …] → `[latent]`
pub fn cosine(before: &Tensor, after: &Tensor) -> Tensor {
    let rows = |tensor: &Tensor| tensor.to_kind(Kind::Double).flatten(1, -1);
    let (before, after) = (rows(before), rows(after));
    let norm = |rows: &Tensor| rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
    let dot = (&before * &after).sum_dim_intlist(1, false, Kind::Double);
    (dot / (norm(&before) * norm(&after))).nan_to_num(0.0, 0.0, 0.0)
}

/// [`cosine`] as numbers.
pub fn cosines(before: &Tensor, after: &Tensor) -> Vec<f64> {
    Vec::try_from(&cosine(before, after)).expect("one cosine a latent")
}

/// Cosines as in [`cosine`], with each coordinate in turn left out at every hook point.
///
/// # Shapes
/// `before`, `after` [latent, hook, d_model] → [latent, d_model]
pub fn cosines_without_each(before: &Tensor, after: &Tensor) -> Tensor {
    let [before, after] = [before, after].map(|tensor| tensor.to_kind(Kind::Double));
    let without = |a: &Tensor, b: &Tensor| {
        let of_each = (a * b).sum_dim_intlist(1, false, Kind::Double); // [latent, d_model]
        of_each.sum_dim_intlist(1, true, Kind::Double) - of_each
    };
    let squares = without(&before, &before) * without(&after, &after);
    (without(&before, &after) / squares.clamp_min(0.0).sqrt()).nan_to_num(0.0, 0.0, 0.0)
}
