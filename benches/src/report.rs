//! What came out: the table, as text and as Parquet, and its figures.

use crate::Result;
use crate::case::GROWTH;
use crate::row::Row;
use stagediff::figure::{Bars, Figure, Line, Panel};
use stagediff::files::write_whole;
use stagediff::table::{self, Row as _};
use std::path::Path;

/// Prints the table.
pub fn show(rows: &[Row]) {
    println!(
        "{:<34} {:<20} {:>10} {:>10} {:>6} {:>14} {:>9} {:>9} {:>6}  note",
        "case", "peer", "ours/s", "peer/s", "ratio", "range", "ours MiB", "peer MiB", "floor"
    );
    for row in rows {
        let range = match row.ratio.is_nan() {
            true => "–".into(),
            false => format!("{:.2} to {:.2}", row.ratio_low, row.ratio_high),
        };
        println!(
            "{:<34} {:<20} {:>10} {:>10} {:>6} {:>14} {:>9} {:>9} {:>6}  {}",
            row.case,
            row.peer,
            number(row.ours_per_s, 0),
            number(row.peer_per_s, 0),
            number(row.ratio, 2),
            range,
            number(row.ours_peak_mib, 0),
            number(row.peer_peak_mib, 0),
            number(row.floor_frac, 2),
            row.note
        );
    }
}

/// A number with so many decimals; a dash where there is none.
pub fn number(value: f64, n_decimals: usize) -> String {
    match value {
        value if value.is_nan() => "–".into(),
        value if value < 0.5 && n_decimals == 0 => format!("{value:.1e}"),
        value => format!("{value:.n_decimals$}"),
    }
}

/// Writes `tables/bench.parquet`, `figures/bench.svg` and, where it was measured, `figures/growth.svg` into the results'
/// folder.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(rows: &[Row], results: &Path) -> Result<()> {
    let table_path = results.join("tables/bench.parquet");
    table::write(&Row::table(rows), &table_path)?;
    let mut written = vec![table_path];
    for (name, any, figure) in [
        ("bench.svg", rows.iter().any(|row| !row.ratio.is_nan()), peers as fn(&[Row]) -> Figure),
        ("growth.svg", rows.iter().any(|row| row.case.starts_with(GROWTH)), growth),
    ] {
        let path = results.join("figures").join(name);
        if any {
            write_whole(&path, figure(rows).to_svg().as_bytes())?;
            written.push(path);
        }
    }
    written.into_iter().for_each(|path| println!("{}", path.canonicalize().unwrap_or(path).display()));
    Ok(())
}

/// Time an activation and peak memory over each axis along which the work grows.
fn growth(rows: &[Row]) -> Figure {
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
fn peers(rows: &[Row]) -> Figure {
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
