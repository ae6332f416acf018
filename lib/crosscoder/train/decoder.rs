//! How far a training may move the decoder: dictionaries whose decoder is frozen or kept near where it was explain nearly
//! as much as trained ones (Korznikov et al. 2026, arXiv 2602.14111), so a rotation is read beside them.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// How far decoder directions may turn in a training.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderFreedom {
    /// Anywhere.
    #[default]
    Free,
    /// No further from where each began than this cosine.
    Within(f64),
    /// Not at all; norms stay, too.
    Frozen,
}

impl DecoderFreedom {
    /// Puts back in place what a step moved too far.
    ///
    /// # Shapes
    /// `start`, `w_dec` [latent, …]
    pub(super) fn hold(self, start: &Tensor, w_dec: &mut Tensor) {
        match self {
            DecoderFreedom::Free => {}
            DecoderFreedom::Frozen => w_dec.copy_(start),
            DecoderFreedom::Within(cosine) => hold_within(cosine, start, w_dec),
        }
    }
}

/// Turns each row that is further from `start` back to the cone's edge, its norm kept.
fn hold_within(cosine: f64, start: &Tensor, w_dec: &mut Tensor) {
    let (start_rows, rows) = (start.flatten(1, -1), w_dec.flatten(1, -1));
    let norm = |rows: &Tensor| rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(f64::MIN_POSITIVE);
    let axis = &start_rows / norm(&start_rows);
    let along = (&rows * &axis).sum_dim_intlist(1, true, Kind::Float);
    let across = &rows - &along * &axis;
    let length = norm(&rows);
    let turned_back = (&axis * cosine + &across / norm(&across) * (1.0 - cosine * cosine).sqrt()) * &length;
    let is_within = (&along / &length).ge(cosine);
    w_dec.copy_(&rows.where_self(&is_within, &turned_back).view_as(w_dec));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn rows(values: &[[f32; 2]]) -> Tensor {
        Tensor::from_slice(values.as_flattened()).view([-1, 2])
    }

    #[test]
    fn what_turned_too_far_comes_back_to_the_edge_with_its_norm() {
        let start = rows(&[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]);
        let mut w_dec = rows(&[[1.0, 0.5], [0.0, 3.0], [-4.0, 0.0]]);
        DecoderFreedom::Within(0.8).hold(&start, &mut w_dec);
        let off = (w_dec - rows(&[[1.0, 0.5], [2.4, 1.8], [-2.4, 3.2]])).abs().max().double_value(&[]);
        assert!(off < 1e-6, "{off}");
    }

    #[test]
    fn a_frozen_one_stays_and_a_free_one_goes() {
        let start = Tensor::zeros([3, 2], (Kind::Float, Device::Cpu));
        let moved = start.ones_like();
        let (mut frozen, mut free) = (moved.copy(), moved.copy());
        DecoderFreedom::Frozen.hold(&start, &mut frozen);
        DecoderFreedom::Free.hold(&start, &mut free);
        assert!(frozen.equal(&start) && free.equal(&moved));
    }
}
