//! The figures of the experiment, out of its tables.

use crate::diff::Quadrant;
use crate::experiment::findings::{distinct, span};
use crate::experiment::quadrants::pooled;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{
    EvaluationRow, FittingRow, PooledRecipeRow, QuadrantRow, RotationRow, TopTokenRow, TrainingRow,
};
use crate::figure::{Bars, Figure, Histogram, Line, Panel, Points};
use crate::language_model::hook::HookPoint;

/// Some rows' numbers.
fn numbers<R>(rows: &[&R], value: impl Fn(&R) -> f64) -> Vec<f64> {
    rows.iter().map(|row| value(row)).collect()
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
        ("silent latents [fraction]", |row| row.dead_frac, false),
    ];
    let mut figure = Figure::new(title);
    for (name, value, log_y) in panels {
        let panel = Panel::new().x("activations").y(name);
        let mut panel = if log_y { panel.log_y() } else { panel.y_range(0.0, 1.0) };
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
    Figure::new("FVU").panel(by_hook_point(rows, |row| row.fvu, "FVU").hline(0.21, "published 0.21"))
}

/// Recovered loss at each hook point, the published least as a line.
pub fn recovered_loss(rows: &[EvaluationRow]) -> Figure {
    let y = "recovered loss [fraction]";
    Figure::new(y).panel(by_hook_point(rows, |row| row.recovered_loss_frac, y).hline(0.8, "published > 0.8"))
}

/// The headline figure: each active latent of the first seed by how far it turned on both axes, coloured by quadrant,
/// those that are relevant in `stage` marked, those of the corner named by their strongest token there.
pub fn rotation(
    rotations: &[RotationRow],
    quadrants: &[QuadrantRow],
    top_tokens: &[TopTokenRow],
    stage: Stage,
) -> Figure {
    /// Labels at most.
    const N_LABELS: usize = 12;
    let cuts = quadrants.iter().find(|row| row.definition == "percentile_5");
    let at = |row: &RotationRow| cuts.map_or((row.cos_d_df, row.cos_m_mf), |cuts| row.cosines(cuts.space));
    let relevant = |row: &RotationRow| if stage == Stage::DF { row.relevant_df } else { row.relevant_mf };
    let first =
        |row: &RotationRow| if stage == Stage::DF { row.top_token_df.clone() } else { row.top_token_mf.clone() };
    let chosen = |keep: &dyn Fn(&RotationRow) -> bool| -> Vec<&RotationRow> {
        rotations.iter().filter(|row| row.seed == rotations[0].seed && row.active && keep(row)).collect()
    };
    let points = |name: &str, rows: Vec<&RotationRow>| {
        let hover: Vec<String> = rows.iter().map(|row| hover(row, top_tokens)).collect();
        Points::new(name, numbers(&rows, |row| at(row).0), numbers(&rows, |row| at(row).1)).hover(hover)
    };
    let mut panel = Panel::new().x("cos(D, DF): turned by the model").y("cos(M, MF): turned by the data");
    for quadrant in [Quadrant::Neither, Quadrant::Data, Quadrant::Model, Quadrant::Both] {
        panel = panel.points(points(&quadrant.to_string(), chosen(&|row| row.quadrant == quadrant)));
    }
    panel = panel.points(points("relevant", chosen(&relevant)));
    let mut corner = chosen(&|row| row.quadrant == Quadrant::Both);
    corner.sort_by(|a, b| (at(a).0 + at(a).1).total_cmp(&(at(b).0 + at(b).1)));
    let label = |row: &&RotationRow| (at(row).0, at(row).1, first(row).unwrap_or_default());
    panel = panel.labels(corner.iter().take(N_LABELS).map(label).collect::<Vec<_>>());
    if let Some(cuts) = cuts {
        panel = panel.vline(cuts.cut_x, "5 %").hline(cuts.cut_y, "5 %");
    }
    Figure::new(format!("Rotation of decoder directions, tokens of {stage}")).panel(panel)
}

/// What a hover over a latent shows: its number and its strongest tokens in DF and MF.
fn hover(RotationRow { latent, seed, .. }: &RotationRow, top_tokens: &[TopTokenRow]) -> String {
    let tokens = |stage: Stage| {
        let of_latent = top_tokens.iter().filter(|row| (row.latent, row.seed, row.stage) == (*latent, *seed, stage));
        of_latent.map(|row| row.token.as_str()).collect::<Vec<&str>>().join("·")
    };
    format!("latent {latent}\nDF: {}\nMF: {}", tokens(Stage::DF), tokens(Stage::MF))
}

/// Share of relevant latents in each quadrant, seeds pooled, one panel a definition, relevance counted in DF and in MF.
pub fn quadrants(rows: &[QuadrantRow]) -> Figure {
    let rows = pooled(rows);
    let mut figure = Figure::new("Relevant share of active latents, by quadrant");
    for definition in distinct(rows.iter().map(|row| row.definition.as_str())) {
        let names: Vec<String> = Quadrant::ALL.iter().map(Quadrant::to_string).collect();
        let mut panel = Panel::new().title(definition).y("relevant [fraction]").categories(names).y_range(0.0, 1.0);
        for readout in ["DF", "MF"] {
            let of_readout = |row: &&QuadrantRow| row.definition == definition && row.relevant_in == readout;
            let part: Vec<&QuadrantRow> = rows.iter().filter(of_readout).collect();
            let counts: Vec<String> = part.iter().map(|row| format!("{}/{}", row.n_relevant, row.n_active)).collect();
            let bars = Bars::new(readout, numbers(&part, |row| row.relevant_frac))
                .ci(numbers(&part, |row| row.ci_low), numbers(&part, |row| row.ci_high));
            panel = panel.bars(bars.texts(counts));
        }
        figure = figure.panel(panel);
    }
    figure
}

/// Cosines of the real arm and the null arm of both axes, of active latents.
pub fn null_arms(rotations: &[RotationRow]) -> Figure {
    /// Bins from 0 to 1.
    const N_BINS: usize = 40;
    type Value = fn(&RotationRow) -> f64;
    let axes: [(&str, [(Stage, Value); 2]); 2] = [
        ("from D: model changed, nothing changed", [(Stage::DF, |row| row.cos_d_df), (Stage::D0, |row| row.cos_d_d0)]),
        ("from M: data changed, nothing changed", [(Stage::MF, |row| row.cos_m_mf), (Stage::M0, |row| row.cos_m_m0)]),
    ];
    let active: Vec<&RotationRow> = rotations.iter().filter(|row| row.active).collect();
    let mut figure = Figure::new("Rotation with and without a change");
    for (title, arms) in axes {
        let mut panel = Panel::new().title(title).x("cosine of decoder directions").y("latents");
        for (stage, value) in arms {
            let cosines = numbers(&active, value);
            if cosines.iter().any(|cosine| !cosine.is_nan()) {
                panel = panel.histogram(Histogram::new(stage.to_string(), cosines, N_BINS, (0.0, 1.0)));
            }
        }
        figure = figure.panel(panel);
    }
    figure
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
