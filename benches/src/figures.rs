//! The figures of the table.

use crate::case::GROWTH;
use crate::row::Row;
use stagediff::figure::{Bars, Figure, Line, Panel};

/// Time an activation and peak memory over each axis along which the work grows.
pub fn growth(rows: &[Row]) -> Figure {
    let grown: Vec<&Row> = rows.iter().filter(|row| row.case.starts_with(GROWTH)).collect();
    let mut figure = Figure::new("How a crosscoder's training step grows: 128 wide, L0 15, batches of 256").columns(3);
    for (y, value) in [
        ("time an activation [µs]", (|row| 1e6 / row.ours_per_s) as fn(&Row) -> f64),
        ("peak memory [MiB]", |row| row.ours_peak_mib),
    ] {
        let highest = grown.iter().map(|row| value(row)).fold(0.0, f64::max);
        for (axis, x) in [("latents", "latents"), ("hooks", "hook points"), ("activations", "activations seen a turn")]
        {
            let points: Vec<(f64, f64)> = grown
                .iter()
                .filter_map(|row| {
                    let at = row.case.strip_prefix(&format!("{GROWTH}/{axis}/"))?.parse().ok()?;
                    Some((at, value(row)))
                })
                .collect();
            let (xs, ys): (Vec<f64>, Vec<f64>) = points.into_iter().unzip();
            let panel = Panel::new().x(x).y(y).y_range(0.0, 1.1 * highest);
            figure = figure.panel(panel.line(Line::new("stagediff", xs, ys)));
        }
    }
    figure
}

/// How many times the peer's speed, one panel a kind of work.
pub fn peers(rows: &[Row]) -> Figure {
    let measured: Vec<&Row> = rows.iter().filter(|row| !row.ratio.is_nan()).collect();
    let mut figure = Figure::new("Beside other programs, in turn on one machine").columns(2);
    for kind in distinct(measured.iter().map(|row| kind_and_rest(&row.case).0)) {
        let of_kind: Vec<&Row> = measured.iter().filter(|row| kind_and_rest(&row.case).0 == kind).copied().collect();
        let cases = distinct(of_kind.iter().map(|row| kind_and_rest(&row.case).1));
        let mut panel =
            Panel::new().title(kind).y("speed over the peer's [ratio]").categories(cases.clone()).hline(1.0, "");
        for peer in distinct(of_kind.iter().map(|row| &*row.peer)) {
            let each = |value: fn(&Row) -> f64| {
                let of =
                    |case: &&str| of_kind.iter().find(|row| kind_and_rest(&row.case).1 == *case && row.peer == peer);
                cases.iter().map(|case| of(case).map_or(f64::NAN, |row| value(row))).collect::<Vec<f64>>()
            };
            let bars = Bars::new(peer, each(|row| row.ratio));
            panel = panel.bars(bars.ci(each(|row| row.ratio_low), each(|row| row.ratio_high)));
        }
        figure = figure.panel(panel);
    }
    figure
}

/// A case's name cut before the part that tells cases of the same size, or of the same work, apart.
fn kind_and_rest(case: &str) -> (&str, &str) {
    let n_parts = if case.starts_with("crosscoder/") { 2 } else { 1 };
    let cut = case.match_indices('/').nth(n_parts - 1).map_or(case.len(), |(place, _)| place);
    (&case[..cut], case[cut..].trim_start_matches('/'))
}

/// The distinct texts, in order of appearance.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen
}
