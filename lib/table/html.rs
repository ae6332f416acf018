//! A table as HTML, for notebooks and the pages exported from them.

use polars::prelude::{AnyValue, DataFrame};

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
    format!("<table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}</tbody></table>\n{more}")
}

fn cell(value: &AnyValue) -> String {
    match value {
        AnyValue::Null => "<td>–</td>".into(),
        AnyValue::Float64(number) => format!("<td style=\"text-align:right\">{}</td>", short(*number)),
        AnyValue::String(text) => format!("<td style=\"text-align:left\">{}</td>", escape(text)),
        AnyValue::StringOwned(text) => format!("<td style=\"text-align:left\">{}</td>", escape(text)),
        other => format!("<td style=\"text-align:right\">{other}</td>"),
    }
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

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\n', "⏎").replace('$', "&#36;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_text_is_escaped() {
        assert_eq!([0.0, 0.123456, 12.3456, 123456.0, 1e-5].map(short), ["0", "0.1235", "12.35", "123456", "1.00e-5"]);
        assert_eq!(escape("<|endoftext|>\n"), "&lt;|endoftext|&gt;⏎");
    }
}
