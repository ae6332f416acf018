//! The latents that changed most, and what they fire on.

use crate::Result;
use crate::diff::null_q_values;
use crate::experiment::axes::{Axis, each};
use crate::experiment::furthest;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{ChangedRow, RotationRow, TopTokenRow};

/// The latents of each crosscoder that turned furthest on both axes together, at most `n_latents` of each, written as
/// `tables/changed`.
///
/// # Errors
/// The folder cannot be written to.
pub fn changed_rows(
    run: &Run,
    rotations: &[RotationRow],
    top_tokens: &[TopTokenRow],
    n_latents: usize,
) -> Result<Vec<ChangedRow>> {
    let of_seed = rotations.chunk_by(|a, b| a.seed == b.seed);
    let rows: Vec<ChangedRow> = of_seed.flat_map(|rows| of_crosscoder(rows, top_tokens, n_latents)).collect();
    run.save("changed", &rows)?;
    Ok(rows)
}

fn of_crosscoder(rotations: &[RotationRow], top_tokens: &[TopTokenRow], n_latents: usize) -> Vec<ChangedRow> {
    let [x, y] = Axis::both(rotations);
    let q_values =
        (x.has_null() && y.has_null()).then(|| null_q_values(x.arms(), y.arms(), &each(rotations, |row| row.active)));
    let q = |axis: usize, latent: u32| q_values.as_ref().map_or(f64::NAN, |q| q[axis][latent as usize]);
    let tokens = |row: &RotationRow, stage: Stage| {
        let is_its = |token: &&TopTokenRow| (token.seed, token.latent, token.stage) == (row.seed, row.latent, stage);
        let tokens: Vec<&str> = top_tokens.iter().filter(is_its).map(|token| token.token.as_str()).collect();
        tokens.join(" · ")
    };
    let row = |row: RotationRow| ChangedRow {
        seed: row.seed,
        latent: row.latent,
        cos_d_df: row.cos_d_df,
        cos_m_mf: row.cos_m_mf,
        q_model: q(0, row.latent),
        q_data: q(1, row.latent),
        density_df: row.density_df,
        density_mf: row.density_mf,
        tokens_df: tokens(&row, Stage::DF),
        tokens_mf: tokens(&row, Stage::MF),
        labelled: row.is_relevant(),
    };
    furthest(rotations, n_latents).into_iter().map(row).collect()
}
