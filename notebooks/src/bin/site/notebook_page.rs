//! A notebook as a page.

use crate::code;
use crate::figure::Figure;
use crate::folder::Folder;
use crate::html::{escaped, without_escapes};
use crate::markdown;
use crate::notebook::{Cell, Executed, Notebook, Output};
use crate::page::{Page, Site};
use crate::tables;
use serde_json::Value;
use std::io;
use std::path::Path;

/// Longer code is folded at first.
const MOST_LINES: usize = 25;

/// What the pages of notebooks need of their run.
pub struct Context<'a> {
    /// The site.
    pub site: &'a Site,
    /// The run's folder, for figures of compiled notebooks.
    pub run: &'a Path,
    /// With what it was executed, in words.
    pub settings: &'a str,
}

/// Adds the page of a notebook to the site.
pub fn add(context: &Context, notebook: &Notebook, folder: &mut Folder) -> io::Result<()> {
    let resolve = |target: &str| resolve(context.site, target);
    let mut body = String::new();
    let mut headings = Vec::new();
    let mut shown = Shown { context, notebook, folder, n_figures: 0 };
    for (place, cell) in notebook.cells.iter().enumerate() {
        match cell {
            Cell::Markdown(text) => {
                headings.extend(markdown::headings(text));
                body += &format!("<section class=\"prose\">{}</section>\n", markdown::html(text, &resolve));
                if place == 0 {
                    body += &banner(context, notebook);
                }
            }
            Cell::Code { source, is_parameters, outputs } => body += &shown.cell(source, *is_parameters, outputs)?,
        }
    }
    let contents: String = headings
        .iter()
        .map(|(anchor, title)| format!("<li><a href=\"#{anchor}\">{}</a></li>", escaped(title)))
        .collect();
    let neighbours = context.site.neighbours(&notebook.name);
    let body = format!(
        "<aside class=\"contents\"><p>On this page</p><ol>{contents}</ol>\
         <button type=\"button\" class=\"fold\" hidden>Hide code</button></aside>\
         <article>{body}{neighbours}</article>"
    );
    let title = notebook.title();
    let page = Page { file: &notebook.name, title: &title, class: "notebook", body: &body, scripts: &[] };
    folder.add(&format!("{}.html", notebook.name), context.site.html(&page))
}

/// What a reader should know of how the notebook came about.
fn banner(context: &Context, notebook: &Notebook) -> String {
    match notebook.executed {
        Executed::Whole => String::new(),
        Executed::Failed => "<p class=\"note warning\">This notebook failed: the last cell with an output says why. \
                             What follows it was not executed.</p>\n"
            .into(),
        Executed::Compiled => format!(
            "<p class=\"note\">The run was executed compiled: its figures are here, what cells print is not kept. \
             <code>cargo xtask run --run {} --only {}</code> executes the notebook with its outputs.</p>\n",
            escaped(&context.site.run),
            escaped(notebook.number())
        ),
    }
}

/// Pages for notebooks, as they are named in links.
fn resolve(site: &Site, target: &str) -> Option<String> {
    let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
    let Some(name) = file.trim_start_matches("./").strip_suffix(".ipynb") else {
        // another file of the checkout is not part of the folder
        return (file.is_empty() || file.starts_with("https:")).then(|| target.to_string());
    };
    let is_there = site.notebooks.iter().any(|(known, ..)| known == name);
    is_there.then(|| format!("{name}.html{}", anchor.map_or(String::new(), |anchor| format!("#{anchor}"))))
}

struct Shown<'a> {
    context: &'a Context<'a>,
    notebook: &'a Notebook,
    folder: &'a mut Folder,
    n_figures: usize,
}

impl Shown<'_> {
    fn cell(&mut self, source: &str, is_parameters: bool, outputs: &[Output]) -> io::Result<String> {
        let source = source.trim_end();
        let n_lines = source.lines().count();
        let is_set_up = source.lines().all(|line| line.starts_with([':', '/', ' ', '}']) || line.starts_with("use "));
        let (open, words) = match is_set_up {
            true => ("", "Imports"),
            false if n_lines > MOST_LINES => ("", "Code"),
            false => (" open", "Code"),
        };
        let mut html = format!(
            "<section class=\"cell\"><details class=\"code\"{open}><summary>{words}<span> · {n_lines} line{}</span></summary>\
             <pre><code>{}</code></pre></details>\n",
            if n_lines == 1 { "" } else { "s" },
            code::html(source)
        );
        if is_parameters {
            html += &format!("<p class=\"note\">Executed with {}.</p>\n", escaped(self.context.settings));
        }
        for output in outputs {
            html += &self.output(output)?;
        }
        if self.notebook.executed == Executed::Compiled {
            for name in shown_figures(source) {
                html += &self.figure_of_run(name)?;
            }
        }
        Ok(html + "</section>\n")
    }

    fn output(&mut self, output: &Output) -> io::Result<String> {
        let pre = |class: &str, text: &str| {
            format!("<pre class=\"{class}\" dir=\"auto\">{}</pre>\n", escaped(without_escapes(text).trim_end()))
        };
        Ok(match output {
            Output::Text(text) => pre("output", text),
            Output::Error(text) => pre("output error", text),
            Output::Html(text) => tables::html(text) + "\n",
            Output::Markdown(text) => {
                let resolve = |target: &str| resolve(self.context.site, target);
                format!("<div class=\"said\">{}</div>\n", markdown::html(text, &resolve))
            }
            Output::Figure { svg, plotly } => {
                self.n_figures += 1;
                let name = format!("{}_{}", self.notebook.name, self.n_figures);
                Figure { name, svg: svg.clone(), plotly: plotly.clone() }.add(self.folder)? + "\n"
            }
        })
    }

    /// A figure that a compiled notebook left in the run's folder.
    fn figure_of_run(&mut self, name: &str) -> io::Result<String> {
        let file = |ending: &str| std::fs::read_to_string(self.context.run.join(format!("figures/{name}.{ending}")));
        let Ok(svg) = file("svg") else { return Ok(String::new()) };
        let plotly: Option<Value> = file("plotly.json").ok().and_then(|text| serde_json::from_str(&text).ok());
        Ok(Figure { name: name.into(), svg, plotly }.add(self.folder)? + "\n")
    }
}

/// The names of the figures that a cell shows.
fn shown_figures(source: &str) -> impl Iterator<Item = &str> {
    let calls = source.split("show_figure(\"").skip(1);
    let is_name = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    calls.filter_map(|rest| rest.split('"').next()).filter(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_cell_are_found_by_name() {
        let source = "run.show_figure(\"08_rotation_df\", &rotation(&rows))?;\nrun.show_figure(\"../x\", &y)?;";
        assert_eq!(shown_figures(source).collect::<Vec<_>>(), ["08_rotation_df"]);
    }

    #[test]
    fn links_lead_to_pages_of_the_site_alone() {
        let notebooks = vec![("08_rotation".to_string(), "Rotation".to_string(), String::new())];
        let site = Site { run: "r".into(), notebooks, has_plotly: false };
        assert_eq!(resolve(&site, "08_rotation.ipynb#check").as_deref(), Some("08_rotation.html#check"));
        assert_eq!(resolve(&site, "#check").as_deref(), Some("#check"));
        assert_eq!(resolve(&site, "https://example.org/").as_deref(), Some("https://example.org/"));
        for absent in ["09_recipes.ipynb", "../lib/experiment/tables.rs", "javascript:alert(1)"] {
            assert_eq!(resolve(&site, absent), None);
        }
    }
}
