//! Figures on pages: a picture that is always there, and what takes its place where scripts run.

use crate::folder::Folder;
use crate::html::escaped;
use serde_json::Value;
use stagediff::experiment::site::javascript;
use std::io;

/// A figure in both forms.
pub struct Figure {
    /// A name for its files.
    pub name: String,
    /// The picture.
    pub svg: String,
    /// The interactive form.
    pub plotly: Option<Value>,
}

impl Figure {
    /// Adds its files to the site; returns what a page shows.
    pub fn add(self, folder: &mut Folder) -> io::Result<String> {
        let Figure { name, svg, plotly } = self;
        folder.add(&format!("figures/{name}.svg"), &svg)?;
        let mut attributes = String::new();
        if let Some(plotly) = &plotly {
            folder.add(&format!("data/figures/{name}.js"), javascript(&format!("figure/{name}"), plotly))?;
            attributes = format!(" data-figure=\"{name}\"");
        }
        let (width, height) = size(&svg);
        let alt = escaped(&plotly.as_ref().map_or_else(|| "a figure".into(), alternative));
        Ok(format!(
            "<figure class=\"figure\"{attributes}><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{alt}\">\
             <div class=\"drawing\"><img src=\"figures/{name}.svg\" width=\"{width}\" height=\"{height}\" alt=\"{alt}\">\
             </div></div></figure>"
        ))
    }
}

/// Width and height that an SVG gives itself.
fn size(svg: &str) -> (u32, u32) {
    let head = svg.split('>').next().unwrap_or_default();
    let number = |name: &str| {
        let (_, rest) = head.split_once(&format!(" {name}=\""))?;
        rest.split(['"', '.']).next()?.parse().ok()
    };
    (number("width").unwrap_or(900), number("height").unwrap_or(480))
}

/// The figure in words: its title, its axes, its series with how many values each has.
fn alternative(plotly: &Value) -> String {
    let layout = &plotly["layout"];
    let text = |value: &Value| plain(value["text"].as_str().or(value.as_str()).unwrap_or_default());
    let axis = |name: &str| text(&layout[name]["title"]);
    let mut words = text(&layout["title"]);
    let axes: Vec<String> = [("across", axis("xaxis")), ("up", axis("yaxis"))]
        .into_iter()
        .filter(|(_, title)| !title.is_empty())
        .map(|(way, title)| format!("{way}: {title}"))
        .collect();
    let mut named: Vec<String> = Vec::new();
    for trace in plotly["data"].as_array().map_or(&[][..], Vec::as_slice) {
        let n_values = trace["y"].as_array().or(trace["x"].as_array()).map_or(0, Vec::len);
        let name = plain(trace["name"].as_str().unwrap_or_default());
        let series = format!("{name} ({n_values} values)");
        if !name.is_empty() && !named.contains(&series) {
            named.push(series);
        }
    }
    for part in [axes.join(", "), named.join(", ")] {
        if !part.is_empty() {
            words += &format!(". {part}");
        }
    }
    words
}

/// A text of Plotly's without its few tags.
fn plain(text: &str) -> String {
    let text = text.replace("<br>", " ").replace("<b>", "").replace("</b>", "");
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_figure_says_what_it_shows() {
        let figure = json!({
            "layout": {"title": {"text": "<b>FVU</b>"}, "xaxis": {"title": {"text": "hook point"}}, "yaxis": {"title": {"text": "FVU"}}},
            "data": [{"name": "S", "y": [1, 2]}, {"name": "<script>", "y": [1]}, {"name": "S", "y": [1, 2]}],
        });
        assert_eq!(alternative(&figure), "FVU. across: hook point, up: FVU. S (2 values), <script> (1 values)");
    }

    #[test]
    fn a_picture_keeps_its_size() {
        assert_eq!(size("<svg xmlns=\"x\" width=\"900\" height=\"770.5\" viewBox=\"0 0 1 1\">"), (900, 770));
        assert_eq!(size("<svg>"), (900, 480));
    }
}
