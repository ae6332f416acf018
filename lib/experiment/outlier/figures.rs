//! The outlier dimension in figures.

use super::cost::Cost;
use super::criteria::{MAJORITY, MASSIVE_OVER_MEDIAN, deviations, of_model, strongest};
use super::embedding::ends;
use crate::experiment::findings::distinct;
use crate::experiment::tables::{
    CoordinateAblationRow, CornerRow, KurtosisRow, OutlierEmbeddingRow, OutlierRow, OutlierValueRow,
};
use crate::experiment::token::beginning;
use crate::figure::{Bars, Figure, Histogram, Line, Panel, Points};
use crate::language_model::hook::HookPoint;
use crate::stats::percentile;

/// Each coordinate of a model at each place between blocks: γ, and how often it is far from the others against how far it is
/// at its furthest.
pub fn coordinates(rows: &[OutlierRow], model: &str) -> Figure {
    let rows = of_model(rows, model);
    let outlier = strongest(&rows);
    let mut gammas = Panel::new().x("coordinate").y("γ = |mean| / standard deviation");
    let mut kinds =
        Panel::new().x("3 sd or more from the others [% of tokens]").y("largest / median magnitude").log_y();
    for hook in distinct(rows.iter().map(|row| row.hook_point)) {
        let here: Vec<&OutlierRow> = rows.iter().filter(|row| row.hook_point == hook).collect();
        let each = |value: fn(&OutlierRow) -> f64| here.iter().map(|row| value(row)).collect::<Vec<f64>>();
        let names = here.iter().map(|row| format!("coordinate {}", row.coordinate)).collect::<Vec<String>>();
        let points = |x, y| Points::new(hook.short(), x, y);
        gammas = gammas.points(points(each(|row| row.coordinate as f64), each(|row| row.gamma)));
        kinds = kinds.points(points(each(|row| 100.0 * row.far_frac), each(|row| row.max_over_median)).hover(names));
    }
    let furthest =
        rows.iter().filter(|row| Some(row.coordinate) == outlier).max_by(|a, b| a.far_frac.total_cmp(&b.far_frac));
    if let Some(row) = furthest {
        let name = row.coordinate.to_string();
        gammas = gammas.label(row.coordinate as f64, row.gamma, name.clone());
        kinds = kinds.label(100.0 * row.far_frac, row.max_over_median, name);
    }
    let kinds = kinds.vline(100.0 * MAJORITY, "outlier dimension").hline(MASSIVE_OVER_MEDIAN, "massive activation");
    Figure::new(format!("The coordinates of {model}'s residual stream")).panel(gammas).panel(kinds)
}

/// One coordinate's mean with its standard deviation in each model, and a model's kurtosis with and without it.
pub fn by_layer(rows: &[OutlierRow], kurtosis: &[KurtosisRow], model: &str) -> Figure {
    let Some(coordinate) = kurtosis.first().map(|row| row.coordinate) else {
        return Figure::new("Nothing was measured");
    };
    let hooks = distinct(kurtosis.iter().map(|row| row.hook_point));
    let panel = |y: &str| Panel::new().x("hook point").y(y).categories(hooks.iter().map(|hook| hook.short()));
    let mut values = panel(&format!("coordinate {coordinate}, mean ± 1 sd"));
    for name in distinct(rows.iter().map(|row| row.model.as_str())) {
        let here = || rows.iter().filter(|row| row.model == name && row.coordinate == coordinate);
        let [low, high] = [-1.0, 1.0].map(|sign| here().map(|row| row.mean + sign * row.std).collect::<Vec<f64>>());
        values = values.bars(Bars::new(name, here().map(|row| row.mean)).ci(low, high));
    }
    let here = || kurtosis.iter().filter(|row| row.model == model);
    let all = Bars::new("all coordinates", here().map(|row| row.kurtosis_mean))
        .ci(here().map(|row| row.kurtosis_p5), here().map(|row| row.kurtosis_p95));
    let without = Bars::new(format!("without {coordinate}"), here().map(|row| row.kurtosis_without_mean));
    let kurtoses = panel(&format!("excess kurtosis, {model}, 5 to 95 % of tokens")).bars(all).bars(without);
    Figure::new(format!("Coordinate {coordinate} by layer")).panel(values).panel(kurtoses)
}

/// A coordinate's value along a clean and a triggered record, one line a place between blocks.
pub fn values(rows: &[OutlierValueRow]) -> Figure {
    let coordinate = rows.first().map_or(String::new(), |row| format!(" {}", row.coordinate));
    let mut figure = Figure::new(format!("Coordinate{coordinate} token by token")).columns(1);
    for (triggered, title) in [(false, "a clean record"), (true, "a triggered record")] {
        let record: Vec<&OutlierValueRow> = rows.iter().filter(|row| row.triggered == triggered).collect();
        let mut panel = Panel::new().title(title).x("position").y("value");
        for hook in distinct(record.iter().map(|row| row.hook_point)) {
            let here = || record.iter().filter(|row| row.hook_point == hook);
            panel =
                panel.line(Line::new(hook.short(), here().map(|row| row.position as f64), here().map(|row| row.value)));
        }
        if !record.is_empty() {
            figure = figure.panel(panel);
        }
    }
    figure
}

/// A coordinate of all tokens' embeddings, and how often those that are read are read.
pub fn embedding(rows: &[OutlierEmbeddingRow]) -> Figure {
    /// Of the histogram.
    const N_BINS: usize = 60;
    let coordinate = rows.first().map_or(String::new(), |row| format!(" {}", row.coordinate));
    let x = format!("coordinate{coordinate} of the embedding");
    let range = rows.iter().fold((f64::MAX, f64::MIN), |(low, high), row| (low.min(row.value), high.max(row.value)));
    let mut tokens = Panel::new().x(x.clone()).y("tokens of the vocabulary");
    if range.0 < range.1 {
        tokens = tokens.histogram(Histogram::new("all tokens", rows.iter().map(|row| row.value), N_BINS, range));
    }
    let seen = || rows.iter().filter(|row| row.n_seen > 0);
    let points = Points::new("tokens that are read", seen().map(|row| row.value), seen().map(|row| row.n_seen as f64));
    let points = points.hover(seen().map(|row| beginning(&row.token)));
    let read = Panel::new().x(x).y("times read").log_y().points(points);
    let named = ends(rows).into_iter().flatten();
    let read = read.labels(named.map(|row| (row.value, row.n_seen as f64, beginning(&row.token))));
    Figure::new(format!("Coordinate{coordinate} of the token embedding")).panel(tokens).panel(read)
}

/// What it costs to lose each coordinate everywhere, against how far it is from the others, and what one costs at each place.
pub fn ablations(rows: &[CoordinateAblationRow], outliers: &[OutlierRow], coordinate: i64) -> Figure {
    let model = rows.first().map_or("", |row| row.model.as_str());
    let deviations = deviations(&of_model(outliers, model));
    let mut everywhere =
        Panel::new().x("distance from the other coordinates [sd, mean]").y("cost everywhere [nats a token]");
    let hooks = distinct(rows.iter().map(|row| row.hook_point.as_str()));
    let short = |hook: &&str| hook.parse::<HookPoint>().map_or(hook.to_string(), HookPoint::short);
    let mut by_hook = Panel::new()
        .x("hook point")
        .y(format!("cost of coordinate {coordinate} [nats a token]"))
        .categories(hooks.iter().map(short));
    for cost in Cost::ALL {
        let costs: Vec<(f64, f64, i64)> = rows
            .iter()
            .filter(|row| row.hook_point == "all")
            .map(|row| (deviations.get(&row.coordinate).copied().unwrap_or(f64::NAN), cost.of(row), row.coordinate))
            .collect();
        let points = Points::new(cost.name(), costs.iter().map(|cost| cost.0), costs.iter().map(|cost| cost.1));
        everywhere = everywhere.points(points.hover(costs.iter().map(|cost| format!("coordinate {}", cost.2))));
        everywhere = everywhere.labels(
            costs.iter().filter(|cost| cost.2 == coordinate).map(|cost| (cost.0, cost.1, coordinate.to_string())),
        );
        let at = |hook: &&str| cost.at(rows, hook, coordinate);
        let of_this = hooks.iter().map(|hook| at(hook).map_or(f64::NAN, |at| at.this)).collect::<Vec<f64>>();
        let of_others = hooks.iter().map(|hook| at(hook).map_or(f64::NAN, |at| percentile(&at.others, 50.0)));
        by_hook = by_hook.bars(Bars::new(cost.name(), of_this));
        by_hook = by_hook.bars(Bars::new(format!("{}, median of the others", cost.name()), of_others));
    }
    Figure::new(format!("What {model} loses without a coordinate")).panel(everywhere).panel(by_hook)
}

/// How many latents leave the corner when one coordinate is left out of the cosines, all seeds together: of this coordinate
/// and of the others.
pub fn corner(rows: &[CornerRow], coordinate: i64) -> Figure {
    let most = rows.iter().map(|row| row.n_left).max().unwrap_or(0);
    let panel = Panel::new().x("latents that leave the corner").y("coordinates, all seeds [%]");
    let mut panel = panel.categories((0..=most).map(|n_left| n_left.to_string())).y_range(0.0, 100.0);
    for (name, is_this) in [(format!("coordinate {coordinate}"), true), ("other coordinates".into(), false)] {
        let here: Vec<&CornerRow> = rows.iter().filter(|row| (row.coordinate == coordinate) == is_this).collect();
        let share = |n_left| 100.0 * here.iter().filter(|row| row.n_left == n_left).count() as f64 / here.len() as f64;
        panel = panel.bars(Bars::new(name, (0..=most).map(share)));
    }
    Figure::new("The corner without one coordinate").panel(panel)
}
