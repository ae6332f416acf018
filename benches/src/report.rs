//! What came out: the table, as text and as Parquet, and its figure.

use crate::Result;
use crate::answer::Turn;
use crate::args::Request;
use crate::case::{Case, GROWTH};
use crate::driver::Facts;
use crate::setup::On;
use serde::Serialize;
use stagediff::figure::{Bars, Figure, Line, Panel};
use stagediff::files::write_whole;
use stagediff::stats::percentile;
use stagediff::table;
use stagediff::table::contract::{Column, Schema};
use std::fmt;
use std::path::Path;

use Column::{Bool, F64, I64, Str};

/// One row a case and peer; numbers of a peer that is not installed are null.
const BENCH: Schema = &[
    ("case", Str),
    ("peer", Str),
    ("ours_per_s", F64),
    ("peer_per_s", F64),
    ("ratio", F64),
    ("ours_peak_mib", F64),
    ("peer_peak_mib", F64),
    ("floor_frac", F64),
    ("unit", Str),
    ("n_threads", I64),
    ("clock", Str),
    ("ours_per_s_low", F64),
    ("ours_per_s_high", F64),
    ("ratio_low", F64),
    ("ratio_high", F64),
    ("active_frac", F64),
    ("window_frac", F64),
    ("gflop", F64),
    ("same_numbers", Bool),
    ("versions", Str),
    ("note", Str),
];

/// A row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub case: String,
    /// The other program; empty where there is none.
    pub peer: String,
    /// Median over turns, `unit` a second.
    pub ours_per_s: f64,
    pub peer_per_s: f64,
    /// Their time over ours in the same round, median over rounds.
    pub ratio: f64,
    pub ours_peak_mib: f64,
    pub peer_peak_mib: f64,
    /// Time that the operations take at the machine's matrix-product peak over our time.
    pub floor_frac: f64,
    pub unit: String,
    pub n_threads: usize,
    pub clock: String,
    pub ours_per_s_low: f64,
    pub ours_per_s_high: f64,
    pub ratio_low: f64,
    pub ratio_high: f64,
    pub active_frac: f64,
    pub window_frac: f64,
    /// Operations of a step.
    pub gflop: f64,
    /// Whether both sides came to the same numbers; null where they have different objectives.
    pub same_numbers: Option<bool>,
    pub versions: String,
    pub note: String,
    #[serde(skip)]
    pub items_a_turn: f64,
    #[serde(skip)]
    pub items: f64,
}

impl Default for Row {
    fn default() -> Row {
        Row {
            case: String::new(),
            peer: String::new(),
            ours_per_s: f64::NAN,
            peer_per_s: f64::NAN,
            ratio: f64::NAN,
            ours_peak_mib: f64::NAN,
            peer_peak_mib: f64::NAN,
            floor_frac: f64::NAN,
            unit: String::new(),
            n_threads: 0,
            clock: String::new(),
            ours_per_s_low: f64::NAN,
            ours_per_s_high: f64::NAN,
            ratio_low: f64::NAN,
            ratio_high: f64::NAN,
            active_frac: f64::NAN,
            window_frac: f64::NAN,
            gflop: f64::NAN,
            same_numbers: None,
            versions: String::new(),
            note: String::new(),
            items_a_turn: f64::NAN,
            items: f64::NAN,
        }
    }
}

/// Peak memory of a side, unknown where its tensors are a GPU's.
pub fn peak_mib(turns: &[Turn], request: &Request) -> f64 {
    match request.setup.device {
        On::Cpu => turns.iter().map(|turn| turn.peak_mib).fold(f64::NAN, f64::max),
        On::Cuda => f64::NAN,
    }
}

impl Row {
    /// Our side's half of a row.
    pub fn alone(case: &Case, facts: &Facts, request: &Request, turns: &[Turn]) -> Row {
        let items_a_turn = facts.items * case.n_steps as f64;
        let rates: Vec<f64> = turns.iter().map(|turn| items_a_turn / turn.seconds(request.clock)).collect();
        Row {
            case: format!("{}{}", case.name, request.setup.suffix()),
            ours_per_s: percentile(&rates, 50.0),
            ours_per_s_low: percentile(&rates, 0.0),
            ours_per_s_high: percentile(&rates, 100.0),
            ours_peak_mib: peak_mib(turns, request),
            unit: facts.unit.into(),
            n_threads: request.setup.n_threads,
            clock: request.clock.name().into(),
            active_frac: facts.active_frac,
            window_frac: facts.window_frac,
            gflop: facts.flops / 1e9,
            items_a_turn,
            items: facts.items,
            ..Row::default()
        }
    }

    /// The row of a peer that could not be run.
    pub fn missing(self, peer: &str, what: &str) -> Row {
        Row { peer: peer.into(), note: format!("missing: {what}"), ..self }
    }

    /// The case's name cut before the part that tells cases of the same size, or of the same work, apart.
    fn kind_and_rest(&self) -> (&str, &str) {
        let n_parts = if self.case.starts_with("crosscoder/") { 2 } else { 1 };
        let cut = self.case.match_indices('/').nth(n_parts - 1).map_or(self.case.len(), |(place, _)| place);
        (&self.case[..cut], self.case[cut..].trim_start_matches('/'))
    }

    /// Sets the fraction of the floor, given the matrix-product peak in operations a second.
    pub fn set_floor(&mut self, peak: f64) {
        self.floor_frac = 1e9 * self.gflop / self.items * self.ours_per_s / peak;
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { peer, ratio, ratio_low, ratio_high, ours_per_s, unit, note, .. } = self;
        if peer.is_empty() {
            return write!(f, "{ours_per_s:.0} {unit}/s");
        }
        if ratio.is_nan() {
            return write!(f, "{peer}: {note}");
        }
        write!(f, "{ours_per_s:.0} {unit}/s, {ratio:.2}× {peer} ({ratio_low:.2} to {ratio_high:.2}), {note}")
    }
}

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

fn number(value: f64, n_decimals: usize) -> String {
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
    table::write(&table::from_rows(BENCH, rows), &table_path)?;
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
    for kind in distinct(measured.iter().map(|row| row.kind_and_rest().0)) {
        let of_kind: Vec<&Row> = measured.iter().filter(|row| row.kind_and_rest().0 == kind).copied().collect();
        let cases = distinct(of_kind.iter().map(|row| row.kind_and_rest().1));
        let mut panel =
            Panel::new().title(kind).y("speed over the peer's [ratio]").categories(cases.clone()).hline(1.0, "");
        for peer in distinct(of_kind.iter().map(|row| &*row.peer)) {
            let each = |value: fn(&Row) -> f64| {
                let of = |case: &&str| of_kind.iter().find(|row| row.kind_and_rest().1 == *case && row.peer == peer);
                cases.iter().map(|case| of(case).map_or(f64::NAN, |row| value(row))).collect::<Vec<f64>>()
            };
            let bars = Bars::new(peer, each(|row| row.ratio));
            panel = panel.bars(bars.ci(each(|row| row.ratio_low), each(|row| row.ratio_high)));
        }
        figure = figure.panel(panel);
    }
    figure
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
