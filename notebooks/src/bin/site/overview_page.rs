//! The first page: the finding, what was run on what, and the way to everything else.

use crate::figure::Figure;
use crate::folder::Folder;
use crate::html::{escaped, isolated};
use crate::markdown;
use crate::page::{Page, Site};
use stagediff::experiment::Stage;
use stagediff::experiment::site::{Missing, Number, Overview};
use std::io;

/// Adds `index.html`.
pub fn add(site: &Site, overview: &Overview, missing: &[Missing], folder: &mut Folder) -> io::Result<()> {
    let figure = match &overview.figure {
        Some(figure) => {
            let name = "headline".into();
            Figure { name, svg: figure.to_svg(), plotly: Some(figure.to_json()) }.add(folder)?
        }
        None => String::new(),
    };
    let facts: String = overview
        .facts
        .iter()
        .map(|fact| format!("<div><dt>{}</dt><dd>{}</dd></div>", escaped(fact.name), isolated(&fact.value)))
        .collect();
    let numbers: String = overview.numbers.iter().map(number).collect();
    let body = format!(
        "<section class=\"hero\"><div class=\"finding\"><p class=\"kicker\">What changed inside this language model when it was \
         fine-tuned?</p><h1>{}</h1><p class=\"caution\">{}</p><ul class=\"numbers\">{numbers}</ul></div>{figure}</section>\n\
         <section><h2>What was run on what</h2><dl class=\"facts\">{facts}</dl></section>\n{}{}{}",
        escaped(&overview.sentence),
        escaped(&overview.caution),
        notebooks(site),
        stages(),
        absent(missing)
    );
    let page = Page { file: "index", title: "Overview", class: "overview", body: &body, scripts: &[] };
    folder.add("index.html", site.html(&page))
}

fn number(number: &Number) -> String {
    format!(
        "<li><strong>{}</strong><span>{}</span><small>95 % interval {}</small></li>",
        escaped(&number.value),
        escaped(&number.name),
        escaped(&number.interval)
    )
}

fn notebooks(site: &Site) -> String {
    let line = |(name, title, question): &(String, String, String)| {
        let number = name.split('_').next().unwrap_or_default();
        format!(
            "<li><a href=\"{name}.html\"><span class=\"no\">{}</span> {}</a> <span>{}</span></li>",
            escaped(number),
            escaped(title),
            markdown::line(question, &|_| None)
        )
    };
    let lines: String = site.notebooks.iter().map(line).collect();
    let lines = match lines.is_empty() {
        true => "<p class=\"note\">This run has no notebooks to show: <code>cargo xtask run</code> executes them.</p>"
            .into(),
        false => format!("<ol>{lines}</ol>"),
    };
    format!(
        "<section class=\"list\"><h2>Every latent</h2><p><a href=\"latents.html\">The latent browser</a>: all latents in a table, \
         filtered and sorted at once, with their tokens in context for every stage, where in the model they live, what they \
         promote and what ablating them does.</p><h2>Notebooks</h2>{lines}</section>\n"
    )
}

/// What the letters mean.
fn stages() -> String {
    let line = |stage: &Stage| {
        let from = match (stage.parent(), stage.is_null_arm()) {
            (None, _) => "trained from scratch".to_string(),
            (Some(parent), true) => format!("{parent} trained on with nothing changed: a null arm"),
            (Some(parent), false) => {
                let what = if parent.model() == stage.model() { "the data change" } else { "the model changes" };
                format!("from {parent}: {what}")
            }
        };
        format!("<div><dt class=\"stage {stage}\">{stage}</dt><dd>{}; {from}</dd></div>", stage.label())
    };
    let lines: String = Stage::ALL.iter().map(line).collect();
    format!(
        "<section><h2>The letters</h2><p>One crosscoder, a sparse dictionary over all layers, is trained and then fine-tuned \
         along two paths: S → D → DF changes the data first, S → M → MF the model. A <em>latent</em> is one of its words; it \
         <em>turned</em> where its decoder direction before and after a step has a low cosine, and it is <em>relevant</em> \
         where it fires most strongly on the backdoor’s trigger or payload.</p><dl class=\"facts stages\">{lines}</dl></section>\n"
    )
}

/// What the run lacks, and which notebook makes it.
pub fn absent(missing: &[Missing]) -> String {
    if missing.is_empty() {
        return String::new();
    }
    let line = |missing: &Missing| {
        let reason = missing.reason.as_ref().map_or(String::new(), |reason| format!(" ({})", escaped(reason)));
        format!(
            "<tr><td>{}</td><td><code>tables/{}</code>{reason}</td><td><code>cargo xtask run --only {}</code></td></tr>",
            escaped(missing.without),
            escaped(&missing.table),
            missing.notebook.split('_').next().unwrap_or_default()
        )
    };
    let lines: String = missing.iter().map(line).collect();
    format!(
        "<section class=\"absent-tables\"><h2>Not in this run</h2><div class=\"scroll\"><table><thead><tr><th>what these pages lack</th>\
         <th>table</th><th>made by</th></tr></thead><tbody>{lines}</tbody></table></div></section>\n"
    )
}
