//! What a run found: the headline numbers, as they are printed.

use crate::Result;
use crate::places::Places;
use serde_json::Value;
use stagediff_settings::Settings;
use std::fmt::Write;
use std::path::Path;

/// Prints the headline numbers of a run and where its results lie.
pub fn show(places: &Places, settings: &Settings) -> Result<()> {
    let folder = places.run(settings);
    let rows = read_rows(&folder.join("headline.json"))?;
    if !rows.is_empty() {
        println!("\n{}", table(&rows));
    }
    for (what, name) in [("executed notebooks:", "notebooks"), ("tables:            ", "tables")] {
        if folder.join(name).is_dir() {
            println!("{what} {}", places.shown(&folder.join(name)));
        }
    }
    Ok(())
}

/// One headline: what was measured, our number, the published one.
type Row = [String; 3];

/// The rows of `headline.json`, which the overview writes; none without the file.
fn read_rows(path: &Path) -> Result<Vec<Row>> {
    let Ok(text) = std::fs::read_to_string(path) else { return Ok(Vec::new()) };
    let json: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let rows = json["rows"].as_array().cloned().unwrap_or_default();
    let word = |row: &Value, key: &str| row[key].as_str().map_or_else(|| row[key].to_string(), str::to_owned);
    Ok(rows.iter().map(|row| ["what", "ours", "published"].map(|key| word(row, key))).collect())
}

fn table(rows: &[Row]) -> String {
    let head = ["", "ours", "published"].map(String::from);
    let lines: Vec<&Row> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for [what, ours, published] in &lines {
        let _ = writeln!(text, "{what:<first$}  {ours:<second$}  {published}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![["mean L0".into(), "12.1".into(), "10.4".into()], ["FVU ≤".into(), "0.2".into(), "<0.21".into()]]
    }

    #[test]
    fn the_table_is_aligned_by_characters() {
        let text = table(&rows());
        assert_eq!(text, "         ours  published\nmean L0  12.1  10.4\nFVU ≤    0.2   <0.21\n");
    }
}
