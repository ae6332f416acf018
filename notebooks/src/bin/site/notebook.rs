//! Notebooks as they lie in a run's folder, executed, or in the checkout.

use serde_json::Value;
use std::error::Error;
use std::path::Path;

/// A notebook.
pub struct Notebook {
    /// `08_rotation`.
    pub name: String,
    /// Its cells.
    pub cells: Vec<Cell>,
    /// How it was executed.
    pub executed: Executed,
}

/// How a notebook came to its outputs.
#[derive(Clone, Copy, PartialEq)]
pub enum Executed {
    /// By Jupyter.
    Whole,
    /// By Jupyter, up to the cell that failed.
    Failed,
    /// As a compiled program: what its cells print is not kept.
    Compiled,
}

/// A cell.
pub enum Cell {
    /// Prose.
    Markdown(String),
    /// Code and what came of it.
    Code { source: String, is_parameters: bool, outputs: Vec<Output> },
}

/// What a cell shows.
pub enum Output {
    /// Printed lines.
    Text(String),
    /// Lines on the other stream, or an error.
    Error(String),
    /// A table.
    Html(String),
    /// A sentence.
    Markdown(String),
    /// A figure as SVG and, with some luck, as Plotly's JSON.
    Figure { svg: String, plotly: Option<Value> },
}

impl Notebook {
    /// Reads a notebook.
    pub fn read(path: &Path, executed: Executed) -> Result<Notebook, Box<dyn Error>> {
        let said = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| said(&error))?;
        let json: Value = serde_json::from_str(&text).map_err(|error| said(&error))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let name = file.split('.').next().unwrap_or_default().to_string();
        let cells = json["cells"].as_array().ok_or_else(|| said(&"is no notebook: it has no cells"))?;
        Ok(Notebook { name, cells: cells.iter().map(|json| cell(json, executed)).collect(), executed })
    }

    /// The number that its name begins with.
    pub fn number(&self) -> &str {
        self.name.split('_').next().unwrap_or_default()
    }

    /// The title of its first cell, without the number.
    pub fn title(&self) -> String {
        let title = self.first().lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(&self.name);
        title.split_once(" · ").map_or(title, |(_, title)| title).to_string()
    }

    /// The question that it asks: the line that says so, or one that stands out as a whole.
    pub fn question(&self) -> String {
        let said = self.first().lines().find_map(|line| line.strip_prefix("**Question:** "));
        let whole = |line: &'_ str| Some(line.strip_prefix("**")?.strip_suffix("**")?.to_string());
        said.map(str::to_string).or_else(|| self.first().lines().find_map(whole)).unwrap_or_default()
    }

    fn first(&self) -> &str {
        match self.cells.first() {
            Some(Cell::Markdown(text)) => text,
            _ => "",
        }
    }
}

fn cell(json: &Value, executed: Executed) -> Cell {
    let source = text(&json["source"]);
    if json["cell_type"] != "code" {
        return Cell::Markdown(source);
    }
    let has_tag = |tag: &str| json["metadata"]["tags"].as_array().is_some_and(|tags| tags.iter().any(|t| t == tag));
    let outputs = json["outputs"].as_array().map_or(&[][..], Vec::as_slice);
    let outputs = match executed {
        // those of the checkout are of another run
        Executed::Compiled => Vec::new(),
        _ => outputs.iter().filter_map(output).collect(),
    };
    Cell::Code { source, is_parameters: has_tag("parameters"), outputs }
}

fn output(json: &Value) -> Option<Output> {
    if json["output_type"] == "stream" {
        let text = text(&json["text"]);
        return Some(if json["name"] == "stderr" { Output::Error(text) } else { Output::Text(text) });
    }
    if json["output_type"] == "error" {
        let trace = json["traceback"].as_array().map_or(&[][..], Vec::as_slice);
        let lines: Vec<String> = trace.iter().map(text).collect();
        return Some(Output::Error(if lines.is_empty() { text(&json["evalue"]) } else { lines.join("\n") }));
    }
    let data = json["data"].as_object()?;
    let of = |mime: &str| data.get(mime).map(text);
    if let Some(svg) = of("image/svg+xml") {
        return Some(Output::Figure { svg, plotly: data.get("application/vnd.plotly.v1+json").cloned() });
    }
    let table = of("text/html").map(Output::Html);
    let sentence = || of("text/markdown").map(Output::Markdown);
    table.or_else(sentence).or_else(|| of("text/plain").filter(|text| text != "()").map(Output::Text))
}

/// A text that a notebook stores as one or as its lines.
fn text(json: &Value) -> String {
    match json {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    }
}
