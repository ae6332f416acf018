//! The figures of the experiment, out of its tables.

use crate::Result;
use crate::diff::quadrants::Quadrant;
use crate::experiment::diff::{Diff, Readout};
use crate::experiment::stage::Stage;
use crate::figure::{Bars, Figure, Histogram, Line, Panel, Points};
use crate::language_model::hook::HookPoint;
use crate::table::{numbers, rows_where, texts};
use polars::prelude::DataFrame;

/// The distinct texts of a column, in order of appearance.
fn distinct(table: &DataFrame, column: &str) -> Result<Vec<String>> {
    let mut seen: Vec<String> = Vec::new();
    for text in texts(table, column)? {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    Ok(seen)
}

/// Loss over steps of one or several language-model trainings.
///
/// # Errors
/// The table is no training log.
pub fn fitting(table: &DataFrame, title: &str) -> Result<Figure> {
    let mut panel = Panel::new().x("step").y("loss [nats a token]");
    for model in distinct(table, "model")? {
        let log = rows_where(table, "model", &model)?;
        panel = panel.line(Line::new(&model, numbers(&log, "step")?, numbers(&log, "loss_nats")?));
    }
    Ok(Figure::new(title).panel(panel))
}

/// Reconstruction, sparsity weight, L0 and dead share over the activations seen, one line a stage.
///
/// # Errors
/// The table is no training log.
pub fn training(table: &DataFrame, title: &str) -> Result<Figure> {
    let mut figure = Figure::new(title);
    for (column, name, log_y) in [
        ("loss_recon", "reconstruction loss", true),
        ("l0_mean", "L0 [latents an activation]", true),
        ("loss_sparsity", "sparsity loss", true),
        ("dead_frac", "silent latents [fraction]", false),
    ] {
        let panel = Panel::new().x("activations").y(name);
        let mut panel = if log_y { panel.log_y() } else { panel.y_range(0.0, 1.0) };
        for stage in distinct(table, "stage")? {
            let log = rows_where(table, "stage", &stage)?;
            panel = panel.line(Line::new(&stage, numbers(&log, "n_activations")?, numbers(&log, column)?));
        }
        figure = figure.panel(panel);
    }
    Ok(figure)
}

/// A column of `evaluation` per hook point, one bar a stage.
///
/// # Errors
/// The table has no such column.
pub fn by_hook_point(evaluation: &DataFrame, column: &str, y: &str, published: Option<(f64, &str)>) -> Result<Figure> {
    let hooks: Vec<String> = distinct(evaluation, "hook_point")?.into_iter().filter(|hook| hook != "all").collect();
    let short = |hook: &String| hook.parse::<HookPoint>().map_or(hook.clone(), HookPoint::short);
    let mut panel = Panel::new().x("hook point").y(y).categories(hooks.iter().map(short).collect::<Vec<_>>());
    for stage in distinct(evaluation, "stage")? {
        let rows = rows_where(evaluation, "stage", &stage)?;
        let values = numbers(&rows, column)?;
        panel = panel.bars(Bars::new(&stage, values[..hooks.len()].to_vec()));
    }
    if let Some((value, label)) = published {
        panel = panel.hline(value, label);
    }
    Ok(Figure::new(y).panel(panel))
}

/// The headline figure: each active latent by how far it turned on both axes, coloured by quadrant, relevant ones named.
pub fn rotation(diff: &Diff, readout: &Readout) -> Figure {
    /// Labels at most.
    const N_LABELS: usize = 12;
    let quadrants = diff.quadrants();
    let cuts = diff.percentile_cuts();
    let (x, y) = diff.cosines();
    let mut panel = Panel::new().x("cos(D, DF): turned by the model").y("cos(M, MF): turned by the data");
    let chosen = |keep: &dyn Fn(usize) -> bool| -> Vec<usize> {
        (0..x.len()).filter(|&latent| diff.active[latent] && keep(latent)).collect()
    };
    let points = |name: &str, latents: &[usize]| {
        let at = |values: &[f64]| latents.iter().map(|&latent| values[latent]).collect::<Vec<f64>>();
        Points::new(name, at(x), at(y)).hover(latents.iter().map(|&latent| diff.hover(latent)).collect::<Vec<_>>())
    };
    for quadrant in [Quadrant::Neither, Quadrant::Data, Quadrant::Model, Quadrant::Both] {
        panel = panel.points(points(&quadrant.to_string(), &chosen(&|latent| quadrants[latent] == quadrant)));
    }
    let relevant = chosen(&|latent| readout.relevant[latent]);
    panel = panel.points(points("relevant", &relevant));
    let mut named = chosen(&|latent| quadrants[latent] == Quadrant::Both);
    named.sort_by(|&a, &b| (x[a] + y[a]).total_cmp(&(x[b] + y[b])));
    let label =
        |&latent: &usize| (x[latent], y[latent], readout.top_tokens[latent].first().cloned().unwrap_or_default());
    panel = panel.labels(named.iter().take(N_LABELS).map(label).collect::<Vec<_>>());
    panel = panel.vline(cuts.x, "5 %").hline(cuts.y, "5 %");
    Figure::new(format!("Rotation of decoder directions, tokens of {}", readout.stage)).panel(panel)
}

/// Share of relevant latents in each quadrant, one panel a definition, relevance counted in DF and in MF.
///
/// # Errors
/// The table is no table of quadrants.
pub fn quadrants(table: &DataFrame) -> Result<Figure> {
    let mut figure = Figure::new("Relevant share of active latents, by quadrant");
    for definition in distinct(table, "definition")? {
        let rows = rows_where(table, "definition", &definition)?;
        let names: Vec<String> = Quadrant::ALL.iter().map(Quadrant::to_string).collect();
        let mut panel = Panel::new().title(&definition).y("relevant [fraction]").categories(names).y_range(0.0, 1.0);
        for readout in ["DF", "MF"] {
            let part = rows_where(&rows, "relevant_in", readout)?;
            let (hits, all) = (numbers(&part, "n_relevant")?, numbers(&part, "n_active")?);
            let counts: Vec<String> = hits.iter().zip(&all).map(|(hits, all)| format!("{hits}/{all}")).collect();
            let bars = Bars::new(readout, numbers(&part, "relevant_frac")?)
                .ci(numbers(&part, "ci_low")?, numbers(&part, "ci_high")?);
            panel = panel.bars(bars.texts(counts));
        }
        figure = figure.panel(panel);
    }
    Ok(figure)
}

/// Cosines of the real arm and the null arm of both axes.
pub fn null_arms(diff: &Diff) -> Figure {
    /// Bins from 0 to 1.
    const N_BINS: usize = 40;
    let active = |values: &[f64]| {
        values.iter().zip(&diff.active).filter(|(_, active)| **active).map(|(value, _)| *value).collect::<Vec<f64>>()
    };
    let mut figure = Figure::new("Rotation with and without a change");
    for (axis, real, null, title) in [
        (&diff.x, Stage::DF, Stage::D0, "from D: model changed, nothing changed"),
        (&diff.y, Stage::MF, Stage::M0, "from M: data changed, nothing changed"),
    ] {
        let mut panel = Panel::new().title(title).x("cosine of decoder directions").y("latents");
        panel = panel.histogram(Histogram::new(real.to_string(), active(&axis.scaled), N_BINS, (0.0, 1.0)));
        if let Some(cosines) = &axis.null {
            panel = panel.histogram(Histogram::new(null.to_string(), active(cosines), N_BINS, (0.0, 1.0)));
        }
        figure = figure.panel(panel);
    }
    figure
}
