//! Pictures of interactions.

use crate::experiment::findings::distinct;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{InteractionRow, NeuronRow};
use crate::figure::{Bars, Figure, Panel};

/// A change among some latents in units of what all latents did before, with a 95 % interval.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relative {
    pub value: f64,
    pub low: f64,
    pub high: f64,
}

/// One change on one kind of tokens among the latents that it left still, blocks summed and seeds averaged. They share
/// their tokens, so their intervals are added as they are.
pub(super) fn relative(rows: &[InteractionRow], change: &str, tokens: &str) -> Option<Relative> {
    let sum = |latents: &str, value: fn(&InteractionRow) -> f64| {
        let is_meant = |row: &&InteractionRow| (&*row.change, &*row.tokens, &*row.latents) == (change, tokens, latents);
        rows.iter().filter(is_meant).map(value).sum::<f64>()
    };
    let before = sum("all", |row| row.before);
    (before > 0.0).then(|| Relative {
        value: sum("still", |row| row.difference) / before,
        low: sum("still", |row| row.ci_low) / before,
        high: sum("still", |row| row.ci_high) / before,
    })
}

/// How the interactions among latents that did not turn change, by kind of tokens: the change beside its null arm.
pub fn changes(rows: &[InteractionRow]) -> Figure {
    let mut figure = Figure::new("Interactions of latents that did not turn").columns(2);
    let kinds = distinct(rows.iter().map(|row| row.tokens.as_str()));
    for (title, changes) in [("the model changes", ["D→DF", "D→D0"]), ("the data change", ["M→MF", "M→M0"])] {
        let mut panel = Panel::new().title(title).x("tokens").y("change [% of all before]").categories(kinds.clone());
        for change in changes.into_iter().filter(|change| rows.iter().any(|row| row.change == **change)) {
            let found: Vec<Option<Relative>> = kinds.iter().map(|kind| relative(rows, change, kind)).collect();
            let each = |part: fn(&Relative) -> f64| {
                found
                    .iter()
                    .map(|found| found.as_ref().map_or(f64::NAN, |found| 100.0 * part(found)))
                    .collect::<Vec<f64>>()
            };
            panel = panel.bars(Bars::new(change, each(|at| at.value)).ci(each(|at| at.low), each(|at| at.high)));
        }
        figure = figure.panel(panel);
    }
    figure
}

/// What MLPs are worth to the predictions when latents drive their neurons, by block: all latents, and the dominant one of
/// each neuron alone.
pub fn neurons(rows: &[NeuronRow]) -> Figure {
    let mut figure = Figure::new("MLPs driven by latents").columns(2);
    let blocks = distinct(rows.iter().map(|row| row.block));
    type Value = fn(&NeuronRow) -> f64;
    let measures: [(&str, Value); 2] =
        [("all latents", |row| row.all_latents_fidelity), ("the dominant latent alone", |row| row.dominant_fidelity)];
    for stage in [Stage::S, Stage::DF] {
        let mut panel = Panel::new().title(stage.label()).x("block").y("fidelity [%]");
        panel = panel.categories(blocks.iter().map(usize::to_string));
        for (name, value) in measures {
            let mean = |block: &usize| {
                let of_block: Vec<f64> =
                    rows.iter().filter(|row| (row.stage, row.block) == (stage, *block)).map(value).collect();
                100.0 * of_block.iter().sum::<f64>() / of_block.len() as f64
            };
            panel = panel.bars(Bars::new(name, blocks.iter().map(mean)));
        }
        figure = figure.panel(panel);
    }
    figure
}
