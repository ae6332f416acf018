//! What the tables `effects`, `rankers` and `detectors` say, in sentences.

mod detectors;
mod effects;

pub use detectors::{detectors, near_misses};
pub use effects::effects;

use super::latents::is_of_another_dictionary;
use super::pooled::{Pooled, ranked};
use crate::experiment::findings::distinct;
use crate::experiment::tables::{RankerRow, RivalRow};
use crate::stats::mean;

const BOTH: &str = "rotation, both axes";

/// A ranker over its seeds.
struct Ranker<'a> {
    name: &'a str,
    area: Pooled,
    precision_at_30: f64,
    n_activations: f64,
    knows_trigger: bool,
}

impl<'a> Ranker<'a> {
    fn of(rows: &'a [RankerRow], label: &str, name: &'a str) -> Option<Ranker<'a>> {
        let area = ranked(rows, label, name)?;
        let rows: Vec<&RankerRow> = rows.iter().filter(|row| row.label == label && row.ranker == name).collect();
        let mean = |value: fn(&RankerRow) -> f64| {
            let values: Vec<f64> = rows.iter().map(|row| value(row)).filter(|value| !value.is_nan()).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        Some(Ranker {
            name,
            area,
            precision_at_30: mean(|row| row.precision_at_30),
            n_activations: mean(|row| row.n_activations as f64),
            knows_trigger: rows.iter().any(|row| row.knows_trigger),
        })
    }

    fn all(rows: &'a [RankerRow], label: &str) -> Vec<Ranker<'a>> {
        let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
        names.into_iter().filter_map(|name| Ranker::of(rows, label, name)).collect()
    }

    fn said(&self) -> String {
        format!("{} {}, {:.0} % of the first 30", self.name, area(&self.area), 100.0 * self.precision_at_30)
    }
}

fn area(area: &Pooled) -> String {
    let over_seeds = match area.n_seeds {
        1 => String::new(),
        n => format!("; over {n} seeds {:.3} to {:.3}", area.lowest, area.highest),
    };
    format!("{:.3} ({:.3} to {:.3}{over_seeds})", area.value, area.ci_low, area.ci_high)
}

fn millions(n: f64) -> String {
    format!("{:.2} million", n / 1e6)
}

/// Why nothing can be ranked, where nothing can.
fn nothing(rows: &[RankerRow], label: &str) -> String {
    let n_latents = rows.iter().map(|row| row.n_latents).max().unwrap_or(0);
    match n_latents {
        0 => "No latent is active: there is nothing to rank.".into(),
        _ => format!("No active latent is `{label}`, or all are: there is nothing to tell apart."),
    }
}

/// Which score puts the labelled latents of the stages first, where rotation stands beside it, and what the first latents of
/// other dictionaries are. Areas are compared among scores of the same latents only.
pub fn rankers(rows: &[RankerRow], label: &str) -> String {
    let (others, all): (Vec<Ranker>, Vec<Ranker>) =
        Ranker::all(rows, label).into_iter().partition(|ranker| is_of_another_dictionary(ranker.name));
    let best = |knows_trigger: bool| {
        let of_kind = all.iter().filter(|ranker| ranker.knows_trigger == knows_trigger);
        of_kind.max_by(|a, b| a.area.value.total_cmp(&b.area.value))
    };
    let Some(first) = best(false) else { return nothing(rows, label) };
    let mut said = vec![format!(
        "`{label}` are {} active latents. Of the scores that need not know the trigger the first is {}",
        counts(rows, label, first.name),
        first.said()
    )];
    said.extend(best(true).map(|first| format!("of those that must know it {}", first.said())));
    let axes = [BOTH, "rotation D→DF", "rotation M→MF"].into_iter().filter(|name| *name != first.name);
    said.extend(axes.filter_map(|name| Some(Ranker::of(rows, label, name)?.said())));
    let others = other_dictionaries(rows, label, &others);
    format!("AUROC with 95 % interval. {}.{others}", said.join("; "))
}

/// How many latents a ranker had before it, seeds counted together.
fn counts(rows: &[RankerRow], label: &str, ranker: &str) -> String {
    let of_label: Vec<&RankerRow> = rows.iter().filter(|row| row.label == label && row.ranker == ranker).collect();
    let count = |value: fn(&RankerRow) -> usize| of_label.iter().map(|row| value(row)).sum::<usize>();
    format!("{} of {}", count(|row| row.n_labelled), count(|row| row.n_latents))
}

fn other_dictionaries(rows: &[RankerRow], label: &str, others: &[Ranker]) -> String {
    let said = others.iter().map(|ranker| {
        let counts = counts(rows, label, ranker.name);
        format!("{} {:.0} % (AUROC {:.3}; {counts})", ranker.name, 100.0 * ranker.precision_at_30, ranker.area.value)
    });
    let said: Vec<String> = said.collect();
    match said.is_empty() {
        true => String::new(),
        false => format!(" Of the first 30 latents of other dictionaries: {}.", said.join("; ")),
    }
}

/// Whether rotation on each axis says more than its null arm, where nothing changed.
pub fn axes(rows: &[RankerRow], label: &str) -> String {
    let axes = [("model", "D→DF", "D→D0"), ("data", "M→MF", "M→M0")];
    let said: Vec<String> =
        axes.into_iter().filter_map(|(axis, real, null)| of_axis(rows, label, axis, real, null)).collect();
    match said.is_empty() {
        true if Ranker::all(rows, label).is_empty() => nothing(rows, label),
        true => "The null arms were not trained: what rotation says when nothing changes is not known.".into(),
        false => said.join(" "),
    }
}

fn of_axis(rows: &[RankerRow], label: &str, axis: &str, real: &str, null: &str) -> Option<String> {
    let (turned, arm) = (format!("rotation {real}"), format!("null arm {null}"));
    let (at, at_null) = (Ranker::of(rows, label, &turned)?.area, Ranker::of(rows, label, &arm)?.area);
    let differences = by_seed(rows, label, &turned, &arm);
    let n_above = differences.iter().filter(|difference| **difference > 0.0).count();
    let (mean, low, high) = mean::with_interval(&differences);
    let over = |name: String| Ranker::of(rows, label, &name).map(|ranker| format!("{:.3}", ranker.area.value));
    let over: Vec<String> = [
        ("its own null", over(format!("{real} over its null"))),
        ("matched nulls", over(format!("{real} over matched nulls"))),
    ]
    .into_iter()
    .filter_map(|(what, area)| Some(format!("over {what} {}", area?)))
    .collect();
    let apart = match differences.len() {
        ..2 if at.ci_low > at_null.ci_high => "the intervals lie apart".into(),
        ..2 if at.ci_high < at_null.ci_low => "the null arm is the better one, and the intervals lie apart".into(),
        ..2 => "the intervals overlap".into(),
        n => format!("by {mean:+.3} ({low:+.3} to {high:+.3} over {n} seeds)"),
    };
    let over = if over.is_empty() { String::new() } else { format!(" Rotation {}.", over.join(", ")) };
    Some(format!(
        "On the {axis} axis rotation has AUROC {}, its null arm {}: higher at {n_above} of {} seeds, {apart}.{over}",
        area(&at),
        area(&at_null),
        differences.len()
    ))
}

/// By how much one ranker's area is larger than another's at each seed that has both: the same latents, so that what they
/// share drops out.
pub(in crate::experiment) fn by_seed(rows: &[RankerRow], label: &str, ranker: &str, than: &str) -> Vec<f64> {
    let at = |seed: u64, name: &str| {
        let is_meant = |row: &&RankerRow| (row.seed, row.label.as_str(), row.ranker.as_str()) == (seed, label, name);
        rows.iter().find(is_meant).map_or(f64::NAN, |row| row.auroc)
    };
    let seeds = distinct(rows.iter().map(|row| row.seed));
    seeds.into_iter().map(|seed| at(seed, ranker) - at(seed, than)).filter(|difference| !difference.is_nan()).collect()
}

/// What rotation costs, and what finds as much for less: by the share of labelled latents among the first 30, which also
/// compares dictionaries with one another.
pub fn price(rows: &[RankerRow], label: &str) -> String {
    let all = Ranker::all(rows, label);
    let Some(rotation) = all.iter().find(|ranker| ranker.name == BOTH) else { return nothing(rows, label) };
    let cheaper: Vec<&Ranker> = all.iter().filter(|ranker| ranker.n_activations < rotation.n_activations).collect();
    let as_good = |ranker: &&&Ranker| ranker.precision_at_30 >= rotation.precision_at_30;
    let said: Vec<String> = cheaper
        .iter()
        .filter(as_good)
        .map(|ranker| {
            let knows = if ranker.knows_trigger { ", which must know the trigger" } else { "" };
            let (share, read) = (100.0 * ranker.precision_at_30, millions(ranker.n_activations));
            format!("{} ({share:.0} % for {read}{knows})", ranker.name)
        })
        .collect();
    let said = match said.is_empty() {
        true => "none finds as many".to_string(),
        false => format!("as many or more by {}", said.join(", ")),
    };
    format!(
        "Of the first 30 latents by rotation on both axes {:.0} % are `{label}`, for {} activations read. Of {} scores that \
         read fewer, {said}.",
        100.0 * rotation.precision_at_30,
        millions(rotation.n_activations),
        cheaper.len()
    )
}

/// How the dictionaries over both models came out.
pub fn rivals(rows: &[RivalRow]) -> String {
    let kinds = distinct(rows.iter().map(|row| row.rival.as_str()));
    let said = kinds.into_iter().map(|kind| {
        let rows: Vec<&RivalRow> = rows.iter().filter(|row| row.rival == kind).collect();
        let mean = |value: fn(&RivalRow) -> f64| rows.iter().map(|row| value(row)).sum::<f64>() / rows.len() as f64;
        let (l0, silent) = (mean(|row| row.l0_mean), 100.0 * mean(|row| row.dead_frac));
        format!("`{kind}` L0 {l0:.1}, {silent:.1} % silent at the end")
    });
    let said: Vec<String> = said.collect();
    match rows.first() {
        Some(row) => format!("After {} steps: {}.", row.n_steps, said.join("; ")),
        None => "No dictionary over both models was trained.".into(),
    }
}
