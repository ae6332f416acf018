//! Tables of results: the columns of each (the contract with whoever reads a run's files), rows to Polars, Parquet, and
//! how a table shows itself in a notebook.

pub mod contract;
mod show;

pub use contract::{Column, Schema};
pub use show::html;

use crate::weights::write_whole;
use crate::{Error, Result};
use polars::prelude::{Column as Series, DataFrame, ParquetReader, ParquetWriter, SerReader};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;

/// A table of the columns in `schema` out of rows whose fields have the columns' names. Fields that the schema does not
/// name are left out; numbers that are none (NaN) become null.
///
/// # Panics
/// A row lacks a column or has a value of another type: a programming error.
pub fn from_rows<Row: Serialize>(schema: Schema, rows: &[Row]) -> DataFrame {
    let rows: Vec<Value> = rows.iter().map(|row| serde_json::to_value(row).expect("a plain row")).collect();
    let column = |(name, kind): &(&'static str, Column)| {
        let values: Vec<&Value> =
            rows.iter().map(|row| row.get(name).unwrap_or_else(|| panic!("a row has no field {name}"))).collect();
        series(name, *kind, &values)
    };
    DataFrame::new(rows.len(), schema.iter().map(column).collect()).expect("columns of equal length and distinct names")
}

fn series(name: &str, kind: Column, values: &[&Value]) -> Series {
    fn each<T>(values: &[&Value], take: impl Fn(&Value) -> Option<T>) -> Vec<Option<T>> {
        values
            .iter()
            .map(|value| {
                if value.is_null() {
                    None
                } else {
                    Some(take(value).unwrap_or_else(|| panic!("a value of another type: {value}")))
                }
            })
            .collect()
    }
    match kind {
        Column::U32 => {
            Series::new(name.into(), each(values, |value| value.as_u64().and_then(|n| u32::try_from(n).ok())))
        }
        Column::I64 => Series::new(name.into(), each(values, Value::as_i64)),
        Column::F64 => Series::new(name.into(), each(values, Value::as_f64)),
        Column::Bool => Series::new(name.into(), each(values, Value::as_bool)),
        Column::Str => Series::new(name.into(), each(values, |value| value.as_str().map(str::to_string))),
    }
}

/// Writes Parquet, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(table: &DataFrame, path: &Path) -> Result<()> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut table.clone())?;
    write_whole(path, &bytes)
}

/// Reads Parquet.
///
/// # Errors
/// The file is missing or damaged.
pub fn read(path: &Path) -> Result<DataFrame> {
    let file = std::fs::File::open(path).map_err(Error::io(path))?;
    ParquetReader::new(file).finish().map_err(|e| Error::invalid(path, e.to_string()))
}

/// The column called `name`.
///
/// Looked up one by one and not through Polars' hashed schema, which a data frame keeps once it was asked for: each cell
/// of a notebook has a hash seed of its own, so a schema kept in one cell finds nothing in the next.
///
/// # Errors
/// There is no such column; those that there are are named.
pub fn column<'a>(table: &'a DataFrame, name: &str) -> Result<&'a Series> {
    let known = || table.columns().iter().map(|column| column.name().as_str()).collect::<Vec<_>>().join(", ");
    let found = table.columns().iter().find(|column| column.name().as_str() == name);
    found.ok_or_else(|| Error::setting("column", name, format!("expected one of {}", known())))
}

/// The columns of these names, in their order.
///
/// # Errors
/// There is no such column.
pub fn select(table: &DataFrame, names: &[&str]) -> Result<DataFrame> {
    let columns = names.iter().map(|name| column(table, name).cloned()).collect::<Result<Vec<Series>>>()?;
    Ok(DataFrame::new(table.height(), columns)?)
}

/// The numbers of a column; null becomes NaN.
///
/// # Errors
/// There is no such column, or it holds no numbers.
pub fn numbers(table: &DataFrame, name: &str) -> Result<Vec<f64>> {
    let numbers = column(table, name)?.cast(&polars::prelude::DataType::Float64)?;
    Ok(numbers.f64()?.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// The texts of a column; null becomes empty.
///
/// # Errors
/// There is no such column, or it holds no texts.
pub fn texts(table: &DataFrame, name: &str) -> Result<Vec<String>> {
    Ok(column(table, name)?.str()?.iter().map(|value| value.unwrap_or_default().to_string()).collect())
}

/// The truth values of a column; null becomes false.
///
/// # Errors
/// There is no such column, or it holds no truth values.
pub fn flags(table: &DataFrame, name: &str) -> Result<Vec<bool>> {
    Ok(column(table, name)?.bool()?.iter().map(|value| value.unwrap_or_default()).collect())
}

/// The rows in which the column `name` holds `text`.
///
/// # Errors
/// There is no such column.
pub fn rows_where(table: &DataFrame, name: &str, text: &str) -> Result<DataFrame> {
    let chosen = texts(table, name)?.iter().map(|value| value == text).collect();
    Ok(table.filter(&chosen)?)
}
