//! `tables/rotations` by axis: on the first the model changes (D→DF), on the second the data do (M→MF).

use crate::diff::Arms;
use crate::experiment::tables::RotationRow;
use crate::stats::ranking::ranks;
use std::borrow::Borrow;

/// The columns of one axis, one number a latent.
pub(super) struct Axis {
    /// Cosines where something changed.
    pub real: Vec<f64>,
    /// Cosines of the null arm; NaN where it was not trained.
    pub null: Vec<f64>,
    /// Firing rates in the stage at the axis' end.
    pub density: Vec<f64>,
}

impl Axis {
    pub fn both<R: Borrow<RotationRow>>(rows: &[R]) -> [Axis; 2] {
        let model = Axis {
            real: each(rows, |row| row.cos_d_df),
            null: each(rows, |row| row.cos_d_d0),
            density: each(rows, |row| row.density_df),
        };
        let data = Axis {
            real: each(rows, |row| row.cos_m_mf),
            null: each(rows, |row| row.cos_m_m0),
            density: each(rows, |row| row.density_mf),
        };
        [model, data]
    }

    pub fn has_null(&self) -> bool {
        !self.null.iter().any(|cosine| cosine.is_nan())
    }

    pub fn arms(&self) -> Arms<'_> {
        Arms { real: &self.real, null: &self.null, density: &self.density }
    }
}

/// One value of each latent.
pub(super) fn each<R: Borrow<RotationRow>, T>(rows: &[R], value: impl Fn(&RotationRow) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row.borrow())).collect()
}

/// The sum of the ranks among active latents by two scores; NaN of the others, and where a score is missing.
pub(super) fn rank_sum(a: &[f64], b: &[f64], active: &[bool]) -> Vec<f64> {
    let latents: Vec<usize> = (0..active.len()).filter(|&latent| active[latent]).collect();
    let [a, b] = [a, b].map(|values| latents.iter().map(|&latent| values[latent]).collect::<Vec<f64>>());
    let mut sums = vec![f64::NAN; active.len()];
    if !a.iter().chain(&b).any(|value| value.is_nan()) {
        let by_latent = latents.iter().zip(ranks(&a).into_iter().zip(ranks(&b)));
        by_latent.for_each(|(&latent, (a, b))| sums[latent] = a + b);
    }
    sums
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diff::Quadrant;

    /// An active latent that turned so far on the axes; there are no null arms.
    pub fn rotation(seed: u64, latent: u32, cos_d_df: f64, cos_m_mf: f64, relevant_df: bool) -> RotationRow {
        RotationRow {
            latent,
            cos_d_df,
            cos_m_mf,
            cos_raw_d_df: cos_d_df,
            cos_raw_m_mf: cos_m_mf,
            cos_d_d0: f64::NAN,
            cos_m_m0: f64::NAN,
            active: true,
            relevant_df,
            relevant_mf: false,
            quadrant: Quadrant::Neither,
            density_df: 0.1,
            density_mf: 0.1,
            top_token_df: None,
            top_token_mf: None,
            cos_enc_d_df: cos_d_df,
            cos_enc_m_mf: cos_m_mf,
            seed,
            in_span_df: false,
            in_span_mf: false,
        }
    }
}
