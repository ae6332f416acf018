//! What a person sees: where the library prints, but for what a training notes beside its log (`training/notice.rs`).

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

/// A line of text.
pub fn line(text: impl Display) {
    match in_notebook() {
        true => println!("{}", harmless(&text.to_string())),
        false => println!("{text}"),
    }
}

/// A sentence, set as text in a notebook.
pub fn sentence(text: &str) {
    match in_notebook() {
        true => print!("{}", block("text/markdown", text)),
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

/// Whether a notebook's kernel runs this.
fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}
