//! A table as HTML, for notebooks and the pages exported from them.

use polars::prelude::{AnyValue, DataFrame};

/// Classes that keep MathJax away, in its versions 2 and 3: `$…$` and `\(…\)` of data are text.
const NO_MATHEMATICS: &str = "tex2jax_ignore mathjax_ignore";

/// The first rows as an HTML table; a line below says how many there are in all.
pub fn html(table: &DataFrame, n_rows: usize) -> String {
    let names: String = table.get_column_names().iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    let n_shown = n_rows.min(table.height());
    let row = |index: usize| -> String {
        let cells: String =
            table.columns().iter().map(|column| cell(&column.get(index).unwrap_or(AnyValue::Null))).collect();
        format!("<tr>{cells}</tr>\n")
    };
    let rows: String = (0..n_shown).map(row).collect();
    let more =
        if n_shown < table.height() { format!("<p>{n_shown} of {} rows</p>", table.height()) } else { String::new() };
    format!(
        "<div class=\"{NO_MATHEMATICS}\"><table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n{more}</div>"
    )
}

fn cell(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => "<td>–</td>".into(),
        AnyValue::Float64(number) => format!("<td style=\"text-align:right\">{}</td>", short(*number)),
        AnyValue::String(text) => words(text),
        AnyValue::StringOwned(text) => words(text),
        other => format!("<td style=\"text-align:right\">{other}</td>"),
    }
}

/// A cell of text, whose own direction stays its own; spaces at its ends, which a page would drop, are to be seen.
fn words(text: &str) -> String {
    let (start, end) = (text.len() - text.trim_start_matches(' ').len(), text.trim_end_matches(' ').len());
    let inner = text.get(start..end).unwrap_or_default();
    let [before, after] = [start, text.len() - end.max(start)].map(|n_spaces| "·".repeat(n_spaces));
    format!("<td style=\"text-align:left\"><bdi>{before}{}{after}</bdi></td>", escape(inner))
}

/// Four significant digits.
fn short(number: f64) -> String {
    let magnitude = number.abs();
    match magnitude {
        0.0 => "0".into(),
        _ if !(1e-3..1e6).contains(&magnitude) => format!("{number:.2e}"),
        _ if magnitude >= 1000.0 => format!("{number:.0}"),
        _ => format!("{number:.*}", (3 - magnitude.log10().floor() as i32).clamp(0, 6) as usize),
    }
}

/// The beginning of a text as text.
fn escape(text: &str) -> String {
    /// Characters at most.
    const N_CHARS: usize = 1000;
    let mut html = String::with_capacity(text.len());
    let mut chars = text.chars();
    for c in chars.by_ref().take(N_CHARS) {
        match c {
            '&' => html += "&amp;",
            '<' => html += "&lt;",
            '>' => html += "&gt;",
            '\n' => html.push('⏎'),
            c if c.is_control() => html.push('␦'),
            c => html.push(c),
        }
    }
    if chars.next().is_some() { html + "…" } else { html }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    #[test]
    fn spaces_at_the_ends_are_seen() {
        let inner = |text| words(text).split_once("<bdi>").unwrap().1.strip_suffix("</bdi></td>").unwrap().to_string();
        assert_eq!([" the", "a b", "  ", "", "x "].map(inner), ["·the", "a b", "··", "", "x·"]);
    }

    #[test]
    fn mathematics_is_left_alone_and_directions_are_isolated() {
        let table = df!("token" => ["$x$", "\u{202e}\\(y\\)"]).unwrap();
        let html = html(&table, 1);
        assert!(html.starts_with("<div class=\"tex2jax_ignore mathjax_ignore\"><table>"), "{html}");
        assert!(html.contains("<bdi>$x$</bdi>") && html.ends_with("<p>1 of 2 rows</p></div>"), "{html}");
    }

    #[test]
    fn numbers_are_short_and_text_is_escaped() {
        assert_eq!([0.0, 0.123456, 12.3456, 123456.0, 1e-5].map(short), ["0", "0.1235", "12.35", "123456", "1.00e-5"]);
        assert_eq!(escape("<|endoftext|>\n\u{1b}"), "&lt;|endoftext|&gt;⏎␦");
        assert_eq!(escape(&"x".repeat(10_000)).chars().count(), 1001);
    }
}
