//! What a person sees: where the library prints, but for what a training notes beside its log (`training/notice.rs`).

use crate::error::in_notebook;
use crate::figure::Figure;
use crate::figure::evcxr::{block, harmless};
use crate::table;
use crate::training::LogLine;
use crate::training::pace::Pace;
use polars::prelude::DataFrame;
use std::collections::BTreeMap;
use std::fmt::Display;

/// Lines of the log in a whole training ([`fit()`](crate::language_model::fit()), [`crate::crosscoder::train`]).
const N_LINES: usize = 50;

/// Lines of text. What a terminal, a kernel or a page would obey in them is shown instead: stories and what models write
/// are anyone's.
pub fn line(text: impl Display) {
    let text = printable(&text.to_string());
    match in_notebook() {
        true => println!("{}", harmless(&text)),
        false => println!("{text}"),
    }
}

/// A text whose control characters and marks of direction are to be seen.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        '\u{1b}' => '␛',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '⇄',
        c if c.is_control() => '␦',
        c => c,
    };
    text.chars().map(shown).collect()
}

/// A sentence, set as text in a notebook.
pub fn sentence(text: &str) {
    let text = printable(text);
    match in_notebook() {
        true => print!("{}", block("text/markdown", &text)),
        false => println!("{text}"),
    }
}

/// The first rows of a table.
pub fn table(table: &DataFrame, n_rows: usize) {
    match in_notebook() {
        true => print!("{}", block("text/html", &table::html(table, n_rows))),
        false => println!("{}", table.head(Some(n_rows))),
    }
}

/// A figure; `file` says where it lies for those who see no pictures.
pub fn figure(figure: &Figure, file: &str) {
    match in_notebook() {
        true => figure.evcxr_display(),
        false => println!("figure {file}"),
    }
}

/// What a training may be handed for its progress: shows some `n_shown` lines of each training's log, evenly spread, the
/// last among them, with the pace of the training and the time that it still takes.
pub fn progress<Line: LogLine>(n_shown: usize) -> impl FnMut(&str, &Line) {
    let mut paces: BTreeMap<String, Pace> = BTreeMap::new();
    move |label, log_line| {
        let pace = paces.entry(label.to_string()).or_insert_with(|| Pace::new(log_line.step()));
        pace.n_lines += 1;
        if pace.n_lines.is_multiple_of((N_LINES / n_shown).max(1)) {
            line(format!("{label:<7} {log_line}   {}", pace.words(log_line)).trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_story_says_is_text() {
        let story = "Once\u{1b}[31m red\u{7}\n<b>\u{202e}\n\tEnd…\r\n";
        assert_eq!(printable(story), "Once␛[31m red␦\n<b>⇄\n\tEnd…␦\n");
    }
}
