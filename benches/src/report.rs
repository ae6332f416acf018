//! What came out: the table, as text and as Parquet, and its figures.

use crate::Result;
use crate::case::GROWTH;
use crate::figures::{growth, peers};
use crate::row::Row;
use stagediff::figure::Figure;
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
