//! One latent of each kind: with the same tokens in DF and in MF, with other ones, and with tokens in one of them alone.

use crate::diff::Quadrant;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{MatchRow, RotationRow, TopTokenRow};
use crate::table::rows;

/// Values of one latent that correlate less in both dictionaries are of other tokens.
const SAME: f64 = 0.5;

rows! {
    /// A latent that shows what may become of one number on two paths.
    pub struct Example {
        /// `same tokens` (correlation at least .5), of the corner if one is there; `other tokens`; `DF alone` or `MF alone`.
        kind: String,
        /// The latent.
        latent: u32,
        /// Correlation of its values in DF and in MF; null where it fires in one alone.
        correlation: f64,
        /// Cosine of its directions.
        cos: f64,
        /// Its strongest tokens in DF.
        tokens_df: String,
        /// In MF.
        tokens_mf: String,
    }
}

/// The examples among the latents of one seed; a kind that no latent is of is left out.
pub fn examples(matches: &[MatchRow], rotations: &[RotationRow], tokens: &[TopTokenRow], seed: u64) -> Vec<Example> {
    let of_seed: Vec<(&MatchRow, &RotationRow)> =
        matches.iter().zip(rotations).filter(|(row, _)| row.seed == seed).collect();
    let in_both = |is_meant: fn(f64) -> bool| of_seed.iter().filter(move |(row, _)| is_meant(row.correlation));
    let is_in_corner = |rotation: &RotationRow| rotation.quadrant == Quadrant::Both;
    let same = in_both(|correlation| correlation >= SAME).max_by(|(a, of_a), (b, of_b)| {
        is_in_corner(of_a).cmp(&is_in_corner(of_b)).then(a.correlation.total_cmp(&b.correlation))
    });
    let other =
        in_both(|correlation| correlation < SAME).min_by(|(a, _), (b, _)| a.correlation.total_cmp(&b.correlation));
    let rate = |rotation: &RotationRow| rotation.density_df + rotation.density_mf;
    let in_one = of_seed.iter().filter(|(_, rotation)| (rotation.density_df > 0.0) != (rotation.density_mf > 0.0));
    let alone = in_one.max_by(|(_, a), (_, b)| rate(a).total_cmp(&rate(b)));
    let stage = |rotation: &RotationRow| if rotation.density_df > 0.0 { "DF alone" } else { "MF alone" };
    let kinds = [
        same.map(|pair| ("same tokens", pair)),
        other.map(|pair| ("other tokens", pair)),
        alone.map(|pair| (stage(pair.1), pair)),
    ];
    let example = |(kind, (row, _)): (&str, &(&MatchRow, &RotationRow))| Example {
        kind: kind.into(),
        latent: row.latent,
        correlation: row.correlation,
        cos: row.cos,
        tokens_df: strongest(tokens, Stage::DF, row),
        tokens_mf: strongest(tokens, Stage::MF, row),
    };
    kinds.into_iter().flatten().map(example).collect()
}

fn strongest(tokens: &[TopTokenRow], stage: Stage, of: &MatchRow) -> String {
    let rows = tokens.iter().filter(|row| (row.stage, row.seed, row.latent) == (stage, of.seed, of.latent));
    rows.map(|row| row.token.as_str()).collect::<Vec<&str>>().join(" · ")
}
