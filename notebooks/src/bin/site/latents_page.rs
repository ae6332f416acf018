//! The latent browser: its page, and its data in files that are loaded when they are asked for.

use crate::folder::Folder;
use crate::html::{escaped, isolated};
use crate::overview_page::absent;
use crate::page::{Page, Site};
use serde_json::json;
use stagediff::diff::Quadrant;
use stagediff::experiment::latents::STAGES;
use stagediff::experiment::site::{Index, N_IN_PART, Tables, Texts, javascript, parts, visible};
use std::io;

/// Latents that are listed where scripts are off.
const N_LISTED: usize = 100;
/// Characters of a token that are listed.
const N_CHARS: usize = 40;

/// Adds `latents.html` and its data.
pub fn add(site: &Site, runs: &[(String, Tables)], folder: &mut Folder) -> io::Result<()> {
    let mut sets = Vec::new();
    let mut listed = String::new();
    for (place, (run, tables)) in runs.iter().enumerate() {
        add_texts(place, tables, folder)?;
        for seed in tables.seeds() {
            let index = Index::of(tables, seed);
            let key = format!("{place}/{seed}");
            folder.add(&format!("data/{key}/index.js"), javascript(&format!("index/{key}"), &index))?;
            for (number, part) in parts(tables, seed).iter().enumerate() {
                let name = format!("{key}/{number}");
                folder.add(&format!("data/{name}.js"), javascript(&format!("part/{name}"), part))?;
            }
            if listed.is_empty() {
                listed = list(&index);
            }
            sets.push(json!({ "key": key, "run": run, "seed": seed, "texts": place, "missing": lacks(tables) }));
        }
    }
    let stages: Vec<_> =
        STAGES.iter().map(|stage| json!({ "name": stage.to_string(), "label": stage.label() })).collect();
    let quadrants = Quadrant::ALL.map(|quadrant| quadrant.to_string());
    let about = json!({ "sets": sets, "stages": stages, "quadrants": quadrants, "in_part": N_IN_PART });
    folder.add("data/browser.js", javascript("browser", &about))?;
    let missing = runs.first().map_or(String::new(), |(_, tables)| absent(&tables.missing));
    let body = match sets.is_empty() {
        true => format!(
            "<section class=\"prose\"><h1>Latents</h1><p class=\"note\">This run has no latents to show yet.</p></section>{missing}"
        ),
        false => include_str!("../../../site/latents.html").replace("{listed}", &listed).replace("{missing}", &missing),
    };
    let scripts: &[&str] = if sets.is_empty() { &[] } else { &SCRIPTS };
    let page = Page { file: "latents", title: "Latents", class: "latents", body: &body, scripts };
    folder.add("latents.html", site.html(&page))
}

/// The browser's scripts, in the order in which they are loaded.
pub const SCRIPTS: [&str; 7] = [
    "browser/store.js",
    "browser/show.js",
    "browser/filter.js",
    "browser/table.js",
    "browser/scatter.js",
    "browser/pane.js",
    "browser/main.js",
];

/// The texts that latents of a run were read on.
fn add_texts(place: usize, tables: &Tables, folder: &mut Folder) -> io::Result<()> {
    for texts in Texts::of(tables) {
        let key = format!("texts/{place}/{}", file_name(&texts.data));
        folder.add(&format!("data/{key}.js"), javascript(&key, &texts))?;
    }
    Ok(())
}

/// A word of data as the name of a file.
fn file_name(data: &str) -> String {
    data.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Which tables the panes of a run lack, with the notebooks that write them.
fn lacks(tables: &Tables) -> Vec<[&str; 2]> {
    tables.missing.iter().map(|missing| [missing.table.as_str(), missing.notebook]).collect()
}

/// The latents that turned furthest, for readers without scripts.
fn list(index: &Index) -> String {
    let json = serde_json::to_value(index).unwrap_or_default();
    let number = |column: &str, latent: usize| json[column][latent].as_f64();
    let mut latents: Vec<usize> = (0..index.n_latents).filter(|&latent| number("cos_x", latent).is_some()).collect();
    let turned = |latent: usize| number("cos_x", latent).unwrap_or(1.0) + number("cos_y", latent).unwrap_or(1.0);
    latents.sort_by(|&a, &b| turned(a).total_cmp(&turned(b)));
    let shown = |column: &str, latent| number(column, latent).map_or("–".into(), |number| format!("{number:.3}"));
    let tokens = |top: &[Vec<usize>], latent: usize| {
        let short = |&token: &usize| isolated(&cut(&visible(&index.tokens[token])));
        top[latent].iter().map(short).collect::<Vec<_>>().join(" ")
    };
    let line = |&latent: &usize| {
        format!(
            "<tr><td>{latent}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&Quadrant::ALL[usize::from(index.quadrant[latent])].to_string()),
            shown("cos_x", latent),
            shown("cos_y", latent),
            tokens(&index.top_df, latent),
            tokens(&index.top_mf, latent)
        )
    };
    latents.iter().take(N_LISTED).map(line).collect()
}

/// The beginning of a long token.
fn cut(text: &str) -> String {
    match text.char_indices().nth(N_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_tokens_are_cut_between_characters() {
        assert_eq!(cut(&"é".repeat(50)).chars().count(), N_CHARS + 1);
        assert_eq!(cut("short"), "short");
        assert_eq!(file_name("../trigger alone"), "___trigger_alone");
    }
}
