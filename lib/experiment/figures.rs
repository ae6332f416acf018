//! The figures of the experiment, out of its tables.

mod rotation;

pub use rotation::{null_arms, quadrants, rotation};

use crate::experiment::findings::{distinct, span};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{EvaluationRow, FittingRow, PooledRecipeRow, TrainingRow};
use crate::figure::{Bars, Figure, Line, Panel};
use crate::language_model::hook::HookPoint;

/// Some rows' numbers.
fn numbers<R>(rows: &[&R], value: impl Fn(&R) -> f64) -> Vec<f64> {
    rows.iter().map(|row| value(row)).collect()
}

/// Some rows' shares in per cent.
pub(super) fn percents<R>(rows: &[&R], share: impl Fn(&R) -> f64) -> Vec<f64> {
    numbers(rows, |row| 100.0 * share(row))
}

/// Loss over steps of one or several language-model trainings.
pub fn fitting(rows: &[FittingRow], title: &str) -> Figure {
    let mut panel = Panel::new().x("step").y("loss [nats a token]");
    for model in distinct(rows.iter().map(|row| row.model.as_str())) {
        let log: Vec<&FittingRow> = rows.iter().filter(|row| row.model == model).collect();
        panel = panel.line(Line::new(model, numbers(&log, |row| row.step as f64), numbers(&log, |row| row.loss_nats)));
    }
    Figure::new(title).panel(panel)
}

/// Reconstruction, sparsity weight, L0 and dead share over the activations seen, one line a stage, of the first seed.
pub fn training(rows: &[TrainingRow], title: &str) -> Figure {
    type Value = fn(&TrainingRow) -> f64;
    let panels: [(&str, Value, bool); 4] = [
        ("reconstruction loss", |row| row.loss_recon, true),
        ("L0 [latents an activation]", |row| row.l0_mean, true),
        ("sparsity loss", |row| row.loss_sparsity, true),
        ("silent latents [%]", |row| 100.0 * row.dead_frac, false),
    ];
    let most_silent_percent = rows.iter().map(|row| 120.0 * row.dead_frac).fold(5.0, f64::max).min(100.0);
    let mut figure = Figure::new(title);
    for (name, value, log_y) in panels {
        let panel = Panel::new().x("activations").y(name);
        let mut panel = if log_y { panel.log_y() } else { panel.y_range(0.0, most_silent_percent) };
        for stage in distinct(rows.iter().map(|row| row.stage)) {
            let of_stage = |row: &&TrainingRow| row.stage == stage && row.seed == rows[0].seed;
            let log: Vec<&TrainingRow> = rows.iter().filter(of_stage).collect();
            let n_activations = numbers(&log, |row| row.n_activations as f64);
            panel = panel.line(Line::new(stage.to_string(), n_activations, numbers(&log, value)));
        }
        figure = figure.panel(panel);
    }
    figure
}

/// A number of each hook point, one bar a stage: the mean over seeds, with the lowest and highest where there are several.
fn by_hook_point(rows: &[EvaluationRow], value: fn(&EvaluationRow) -> f64, y: &str) -> Panel {
    let short = |hook: &str| hook.parse::<HookPoint>().map_or(hook.to_string(), HookPoint::short);
    let by_hook: Vec<&EvaluationRow> = rows.iter().filter(|row| row.hook_point != "all").collect();
    let hooks = distinct(by_hook.iter().map(|row| short(&row.hook_point)));
    let mut panel = Panel::new().x("hook point").y(y).categories(hooks);
    for stage in distinct(by_hook.iter().map(|row| row.stage)) {
        let of_stage: Vec<&EvaluationRow> = by_hook.iter().copied().filter(|row| row.stage == stage).collect();
        panel = panel.bars(over_seeds(stage, &of_stage, value));
    }
    panel
}

fn over_seeds(stage: Stage, rows: &[&EvaluationRow], value: fn(&EvaluationRow) -> f64) -> Bars {
    let by_hook = distinct(rows.iter().map(|row| &row.hook_point)).into_iter().map(|hook| {
        let values: Vec<f64> = rows.iter().filter(|row| &row.hook_point == hook).map(|row| value(row)).collect();
        let (low, high) = span(values.iter().copied());
        (values.iter().sum::<f64>() / values.len() as f64, low, high)
    });
    let by_hook: Vec<(f64, f64, f64)> = by_hook.collect();
    let part = |part: fn(&(f64, f64, f64)) -> f64| by_hook.iter().map(part).collect::<Vec<f64>>();
    let bars = Bars::new(stage.to_string(), part(|(mean, ..)| *mean));
    let several = distinct(rows.iter().map(|row| row.seed)).len() > 1;
    if several { bars.ci(part(|(_, low, _)| *low), part(|(.., high)| *high)) } else { bars }
}

/// Fraction of variance unexplained at each hook point, the published worst as a line.
pub fn fvu(rows: &[EvaluationRow]) -> Figure {
    let panel = by_hook_point(rows, |row| row.fvu, "FVU [fraction of the variance]").hline(0.21, "published 0.21");
    Figure::new("Fraction of variance unexplained, by hook point").panel(panel)
}

/// Recovered loss at each hook point, the published least as a line.
pub fn recovered_loss(rows: &[EvaluationRow]) -> Figure {
    let panel = by_hook_point(rows, |row| 100.0 * row.recovered_loss_frac, "recovered loss [%]");
    Figure::new("Loss that reconstructions recover, by hook point").panel(panel.hline(80.0, "published > 80 %"))
}

/// The relevant share of the corner for both recipes and each point alone, with its range over seeds, beside elsewhere.
pub fn recipes(rows: &[PooledRecipeRow]) -> Figure {
    let others = ["sae", "half", "sae_half", "word", "bad_ending"];
    let points: Vec<&PooledRecipeRow> = rows.iter().filter(|row| !others.contains(&row.variant.as_str())).collect();
    let corner = Bars::new("turned on both axes", numbers(&points, |row| row.relevant_both_percent))
        .ci(numbers(&points, |row| row.relevant_both_low), numbers(&points, |row| row.relevant_both_high));
    let elsewhere = Bars::new("elsewhere", numbers(&points, |row| row.relevant_elsewhere_percent));
    let panel = Panel::new().x("what is as published").y("relevant latents [%]").y_range(0.0, 100.0);
    let panel = panel.categories(points.iter().map(|row| row.variant.clone())).bars(corner).bars(elsewhere);
    let corrected = rows.iter().find(|row| row.variant == "corrected");
    let panel = corrected.map_or(panel.clone(), |row| panel.hline(row.relevant_both_percent, "corrected"));
    Figure::new("What each point of the recipe does").panel(panel)
}
