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

/// Characters of the table's columns at most; a longer cell goes on below.
const WIDTHS: [usize; 3] = [44, 32, 20];

fn table(rows: &[Row]) -> String {
    let head = ["", "ours", "published"].map(String::from);
    let rows: Vec<[Vec<String>; 3]> = std::iter::once(&head)
        .chain(rows)
        .map(|row| [0, 1, 2].map(|column| broken(&row[column], WIDTHS[column])))
        .collect();
    let width = |column: usize| {
        rows.iter().flat_map(|row| &row[column]).map(|line| line.chars().count()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for row in &rows {
        for line in 0..row.iter().map(Vec::len).max().unwrap_or_default() {
            let [what, ours, published] = [0, 1, 2].map(|column| row[column].get(line).map_or("", String::as_str));
            let line = format!("{what:<first$}  {ours:<second$}  {published}");
            let _ = writeln!(text, "{}", line.trim_end());
        }
    }
    text
}

/// A text in lines of so many characters, broken between words.
fn broken(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("a first line");
        match last.is_empty() {
            true => *last = word.to_string(),
            false if last.chars().count() + 1 + word.chars().count() <= width => *last += &format!(" {word}"),
            false => lines.push(word.to_string()),
        }
    }
    lines
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

    #[test]
    fn a_long_cell_goes_on_below() {
        let what = "relevant among latents turned on both axes, q < 0.05 against the null arms";
        let rows = [[what.to_string(), "56.5 % of 23 (36.8 to 74.4), elsewhere 4.3 % of 1001".into(), "71 %".into()]];
        let text = table(&rows);
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        assert!(text.contains("relevant among latents turned on both axes,  56.5 % of 23"), "{text}");
        let words: Vec<&str> = text.split_whitespace().filter(|word| !["ours", "published"].contains(word)).collect();
        assert_eq!(words.len(), rows[0].join(" ").split(' ').count());
    }
}
