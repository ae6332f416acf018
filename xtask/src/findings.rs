//! What a run found: the headline numbers, and a page that leads to the rest.

use crate::Result;
use crate::places::{self, Places};
use serde_json::Value;
use stagediff_settings::Settings;
use std::fmt::Write;
use std::path::Path;

/// Prints the headline numbers of a run and where its pages lie; writes its `index.html`.
pub fn show(places: &Places, settings: &Settings) -> Result<()> {
    let folder = places.run(settings);
    let rows = read_rows(&folder.join("headline.json"))?;
    if !rows.is_empty() {
        println!("\n{}", table(&rows));
    }
    let pages = names(&folder.join("notebooks"), |name| name.ends_with(".html") && !name.ends_with(".failed.html"));
    let figures = names(&folder.join("figures"), |name| name.starts_with("00_") && name.ends_with(".svg"));
    if pages.is_empty() {
        println!("tables in {}", places.shown(&folder.join("tables")));
        return Ok(());
    }
    let index = folder.join("index.html");
    places::write(&index, &page(settings.name(), &rows, &figures, &pages))?;
    println!("findings and pages: {}", places.shown(&index));
    println!("executed notebooks: {}", places.shown(&folder.join("notebooks")));
    println!("tables:             {}", places.shown(&folder.join("tables")));
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

/// The names of the files of a folder that are wanted, in order.
fn names(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| wanted(name));
    names.sort();
    names
}

fn page(run: &str, rows: &[Row], figures: &[String], pages: &[String]) -> String {
    let mut body = format!("<h1>stagediff · run {}</h1>\n", escaped(run));
    if !rows.is_empty() {
        body += "<table><tr><th></th><th>ours</th><th>published</th></tr>\n";
        for row in rows {
            let [what, ours, published] = row.each_ref().map(|word| escaped(word));
            let _ = writeln!(body, "<tr><td>{what}</td><td>{ours}</td><td>{published}</td></tr>");
        }
        body += "</table>\n";
    }
    for name in figures {
        let _ = writeln!(body, "<p><img src=\"figures/{name}\" alt=\"{}\"></p>", name.trim_end_matches(".svg"));
    }
    body += "<ul>\n";
    for name in pages {
        let words = name.trim_end_matches(".html").replace('_', " ");
        let _ = writeln!(body, "<li><a href=\"notebooks/{name}\">{words}</a></li>");
    }
    body += "</ul>\n";
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>stagediff · {run}</title>\n\
         <style>body{{font:16px/1.5 sans-serif;max-width:58em;margin:3em auto;padding:0 1em}}\
         td,th{{text-align:left;padding:.2em 1.5em .2em 0}}td:nth-child(2){{font-weight:bold}}</style></head>\n\
         <body>\n{body}</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
    fn the_page_links_and_escapes() {
        let html = page("tiny", &rows(), &["00_rotation.svg".into()], &["00_overview.html".into()]);
        assert!(html.contains("<a href=\"notebooks/00_overview.html\">00 overview</a>"));
        assert!(html.contains("<img src=\"figures/00_rotation.svg\""));
        assert!(html.contains("&lt;0.21"));
    }
}
