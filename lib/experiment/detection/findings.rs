//! What the tables `effects`, `rankers` and `detectors` say, in sentences.

mod detectors;
mod effects;

pub use detectors::{detectors, near_misses};
pub use effects::effects;

use super::latents::is_of_another_dictionary;
use super::pooled::{Pooled, ranked};
use crate::experiment::findings::{distinct, table};
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

    /// What it found of what was to be found, as cells.
    fn cells(&self, rows: &[RankerRow], label: &str, several: bool) -> Vec<String> {
        let mut cells = vec![self.name.to_string()];
        cells.extend(area_cells(&self.area, several));
        cells.push(format!("{:.0} %", 100.0 * self.precision_at_30));
        cells.push(counts(rows, label, self.name));
        cells
    }
}

/// An area with its 95 % interval and, where there are several seeds, its range over them.
fn area_cells(area: &Pooled, several: bool) -> Vec<String> {
    let mut cells = vec![with_interval(area)];
    if several {
        cells.push(format!("{:.3} to {:.3}", area.lowest, area.highest));
    }
    cells
}

fn with_interval(area: &Pooled) -> String {
    match area.ci_low.is_nan() || area.ci_high.is_nan() {
        true => format!("{:.3}", area.value),
        false => format!("{:.3} ({:.3} to {:.3})", area.value, area.ci_low, area.ci_high),
    }
}

/// The head over [`area_cells`].
fn area_heads(of: &str, several: bool) -> Vec<String> {
    let mut heads = vec![format!("{of} (95 % interval)")];
    if several {
        heads.push("over seeds".into());
    }
    heads
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

/// Which score puts the labelled latents of the stages first, and a table of it, of rotation, and of the latents of other
/// dictionaries. Areas are to be compared among scores of the same latents only.
pub fn rankers(rows: &[RankerRow], label: &str) -> String {
    let (others, all): (Vec<Ranker>, Vec<Ranker>) =
        Ranker::all(rows, label).into_iter().partition(|ranker| is_of_another_dictionary(ranker.name));
    let best = |knows_trigger: bool| {
        let of_kind = all.iter().filter(|ranker| ranker.knows_trigger == knows_trigger);
        of_kind.max_by(|a, b| a.area.value.total_cmp(&b.area.value))
    };
    let Some(first) = best(false) else { return nothing(rows, label) };
    let knowing = best(true);
    let also = knowing.map_or(String::new(), |best| format!(", of those that must know it {}", best.name));
    let names =
        [Some(first.name), knowing.map(|best| best.name), Some(BOTH), Some("rotation D→DF"), Some("rotation M→MF")];
    let shown = distinct(names.into_iter().flatten());
    let shown = shown.iter().filter_map(|name| all.iter().find(|ranker| ranker.name == *name)).chain(&others);
    let several = first.area.n_seeds > 1;
    let cells: Vec<Vec<String>> = shown.map(|ranker| ranker.cells(rows, label, several)).collect();
    let mut head = vec!["score".to_string()];
    head.extend(area_heads("AUROC", several));
    head.extend(["of the first 30".into(), format!("`{label}`")]);
    format!(
        "`{label}` are {} active latents. Of the scores that need not know the trigger the first is {}{also}.\n\n{}",
        counts(rows, label, first.name),
        first.name,
        table(&head, &cells)
    )
}

/// How many latents a ranker had before it, seeds counted together.
fn counts(rows: &[RankerRow], label: &str, ranker: &str) -> String {
    let of_label: Vec<&RankerRow> = rows.iter().filter(|row| row.label == label && row.ranker == ranker).collect();
    let count = |value: fn(&RankerRow) -> usize| of_label.iter().map(|row| value(row)).sum::<usize>();
    format!("{} of {}", count(|row| row.n_labelled), count(|row| row.n_latents))
}

/// Whether rotation on each axis says more than its null arm, where nothing changed.
pub fn axes(rows: &[RankerRow], label: &str) -> String {
    let axes: Vec<Axis> = [("model", "D→DF", "D→D0"), ("data", "M→MF", "M→M0")]
        .into_iter()
        .filter_map(|(name, real, null)| Axis::of(rows, label, name, real, null))
        .collect();
    if axes.is_empty() {
        return match Ranker::all(rows, label).is_empty() {
            true => nothing(rows, label),
            false => "The null arms were not trained: what rotation says when nothing changes is not known.".into(),
        };
    }
    let said: Vec<String> = axes.iter().map(Axis::said).collect();
    let cells: Vec<Vec<String>> = axes.iter().map(Axis::cells).collect();
    let label = format!("AUROC for `{label}`");
    let head = [label.as_str(), "rotation", "its null arm", "rotation over its null", "over matched nulls"];
    format!("{}\n\n{}", said.join(" "), table(&head, &cells))
}

/// Rotation on an axis beside its null arm.
struct Axis {
    name: &'static str,
    turned: Pooled,
    null: Pooled,
    over_its_null: Option<f64>,
    over_matched: Option<f64>,
    /// By how much rotation's area is the larger one, a seed each.
    differences: Vec<f64>,
}

impl Axis {
    fn of(rows: &[RankerRow], label: &str, name: &'static str, real: &str, null: &str) -> Option<Axis> {
        let (turned, arm) = (format!("rotation {real}"), format!("null arm {null}"));
        let area = |ranker: &str| ranked(rows, label, ranker);
        Some(Axis {
            name,
            turned: area(&turned)?,
            null: area(&arm)?,
            over_its_null: area(&format!("{real} over its null")).map(|area| area.value),
            over_matched: area(&format!("{real} over matched nulls")).map(|area| area.value),
            differences: by_seed(rows, label, &turned, &arm),
        })
    }

    fn said(&self) -> String {
        let n_above = self.differences.iter().filter(|difference| **difference > 0.0).count();
        let (mean, low, high) = mean::with_interval(&self.differences);
        let apart = match self.differences.len() {
            ..2 if self.turned.ci_low > self.null.ci_high => "the intervals lie apart".into(),
            ..2 if self.turned.ci_high < self.null.ci_low => "the intervals lie apart".into(),
            ..2 => "the intervals overlap".into(),
            n => format!("by {mean:+.3} ({low:+.3} to {high:+.3} over {n} seeds)"),
        };
        let n_seeds = self.differences.len();
        format!("On the {} axis rotation is above its null arm at {n_above} of {n_seeds} seeds, {apart}.", self.name)
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
        vec![
            format!("{} axis", self.name),
            with_interval(&self.turned),
            with_interval(&self.null),
            number(self.over_its_null),
            number(self.over_matched),
        ]
    }
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

/// What rotation costs, how many scores find as much for less, and which of these find most: by the share of labelled latents
/// among the first 30, which also compares dictionaries with one another.
pub fn price(rows: &[RankerRow], label: &str) -> String {
    const N_SHOWN: usize = 4;
    let all = Ranker::all(rows, label);
    let Some(rotation) = all.iter().find(|ranker| ranker.name == BOTH) else { return nothing(rows, label) };
    let cheaper: Vec<&Ranker> = all.iter().filter(|ranker| ranker.n_activations < rotation.n_activations).collect();
    let mut as_good: Vec<&Ranker> =
        cheaper.iter().copied().filter(|ranker| ranker.precision_at_30 >= rotation.precision_at_30).collect();
    as_good.sort_by(|a, b| b.precision_at_30.total_cmp(&a.precision_at_30));
    let said = as_good.iter().take(N_SHOWN).map(|ranker| {
        let knows = if ranker.knows_trigger { ", which must know the trigger" } else { "" };
        let (share, read) = (100.0 * ranker.precision_at_30, millions(ranker.n_activations));
        format!("{} ({share:.0} % for {read}{knows})", ranker.name)
    });
    let said = match as_good.len() {
        0 => "none finds as many".to_string(),
        n => format!("{n} find as many or more, most of all {}", said.collect::<Vec<String>>().join(", ")),
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
