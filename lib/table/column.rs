//! Columns by name, of any table.

use crate::table::Cell;
use crate::{Error, Result};
use polars::prelude::{Column, DataFrame};

/// The column called `name`.
///
/// Looked up one by one and not through Polars' hashed schema, which a data frame keeps once it was asked for: each cell
/// of a notebook has a hash seed of its own, so a schema kept in one cell finds nothing in the next.
///
/// # Errors
/// There is no such column; those that there are are named.
pub fn column<'a>(table: &'a DataFrame, name: &str) -> Result<&'a Column> {
    let known = || table.columns().iter().map(|column| column.name().as_str()).collect::<Vec<_>>().join(", ");
    let found = table.columns().iter().find(|column| column.name().as_str() == name);
    found.ok_or_else(|| Error::setting("column", name, format!("expected one of {}", known())))
}

/// The columns of these names, in their order.
///
/// # Errors
/// There is no such column.
pub fn select(table: &DataFrame, names: &[&str]) -> Result<DataFrame> {
    let columns = names.iter().map(|name| column(table, name).cloned()).collect::<Result<Vec<Column>>>()?;
    Ok(DataFrame::new(table.height(), columns)?)
}

/// The numbers of a column; null becomes NaN.
///
/// # Errors
/// There is no such column, or it holds no numbers.
pub fn numbers(table: &DataFrame, name: &str) -> Result<Vec<f64>> {
    f64::cells(column(table, name)?)
}

/// The texts of a column; null becomes empty.
///
/// # Errors
/// There is no such column, or it holds no texts.
pub fn texts(table: &DataFrame, name: &str) -> Result<Vec<String>> {
    Ok(column(table, name)?.str()?.iter().map(|value| value.unwrap_or_default().to_string()).collect())
}

/// The rows in which the column `name` holds `text`.
///
/// # Errors
/// There is no such column.
pub fn rows_where(table: &DataFrame, name: &str, text: &str) -> Result<DataFrame> {
    let chosen = texts(table, name)?.iter().map(|value| value == text).collect();
    Ok(table.filter(&chosen)?)
}
