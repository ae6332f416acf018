//! A row of the table.

use crate::args::Request;
use crate::side::Facts;
use stagediff::polars::prelude::{Column, NamedFrom, Series};
use stagediff::stats::percentile;
use stagediff::table::{Cell, rows};
use std::fmt;

rows! {
    /// A case beside a peer; numbers of a peer that is not installed are null.
    pub struct Row {
        case: String,
        /// The other program; empty where there is none.
        peer: String,
        /// Median over turns, `unit` a second.
        ours_per_s: f64,
        peer_per_s: f64,
        /// Their time over ours in the same round, median over rounds.
        ratio: f64,
        ours_peak_mib: f64,
        peer_peak_mib: f64,
        /// Time that the operations take at the machine's matrix-product peak over our time.
        floor_frac: f64,
        unit: String,
        n_threads: usize,
        clock: String,
        ours_per_s_low: f64,
        ours_per_s_high: f64,
        ratio_low: f64,
        ratio_high: f64,
        active_frac: f64,
        window_frac: f64,
        /// Operations of a step.
        gflop: f64,
        same_numbers: SameNumbers,
        versions: String,
        note: String,
    }
}

/// Whether both sides came to the same numbers; null where they have different objectives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SameNumbers(pub Option<bool>);

impl Cell for SameNumbers {
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a SameNumbers>) -> Column {
        Series::new(name.into(), cells.map(|cell| cell.0).collect::<Vec<Option<bool>>>()).into()
    }

    fn cells(column: &Column) -> stagediff::Result<Vec<SameNumbers>> {
        Ok(column.bool()?.iter().map(SameNumbers).collect())
    }
}

impl Row {
    /// Our side's half of a row, given how much it did a second in each turn. `floor_frac` is that of a machine whose peak
    /// is one operation a second.
    pub fn alone(case: String, facts: &Facts, per_s: &[f64], request: &Request) -> Row {
        let ours_per_s = percentile(per_s, 50.0);
        Row {
            case,
            peer: String::new(),
            ours_per_s,
            peer_per_s: f64::NAN,
            ratio: f64::NAN,
            ours_peak_mib: f64::NAN,
            peer_peak_mib: f64::NAN,
            floor_frac: facts.flops / facts.items * ours_per_s,
            unit: facts.unit.into(),
            n_threads: request.setup.n_threads,
            clock: request.clock.name().into(),
            ours_per_s_low: percentile(per_s, 0.0),
            ours_per_s_high: percentile(per_s, 100.0),
            ratio_low: f64::NAN,
            ratio_high: f64::NAN,
            active_frac: facts.active_frac,
            window_frac: facts.window_frac,
            gflop: facts.flops / 1e9,
            same_numbers: SameNumbers(None),
            versions: String::new(),
            note: String::new(),
        }
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
