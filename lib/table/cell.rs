//! What may stand in a column, and as which type.

use crate::{Error, Result};
use polars::prelude::{Column, DataType, NamedFrom, Series};

/// A value of one column.
pub trait Cell: Sized {
    /// A column of values.
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Self>) -> Column
    where
        Self: 'a;

    /// The values of a column.
    ///
    /// # Errors
    /// The column is of another type, or lacks a value that must be there.
    fn cells(column: &Column) -> Result<Vec<Self>>;
}

/// The error of a value that is null.
fn missing(column: &Column) -> Error {
    Error::setting("column", column.name(), "expected a value in every row")
}

/// Cells stored as they are, or by a lossless conversion, in a column without nulls.
macro_rules! whole_cell {
    ($($cell:ty as $stored:ty, $read:ident;)+) => {$(
        impl Cell for $cell {
            fn column<'a>(name: &str, cells: impl Iterator<Item = &'a $cell>) -> Column {
                Series::new(name.into(), cells.map(|cell| *cell as $stored).collect::<Vec<$stored>>()).into()
            }

            fn cells(column: &Column) -> Result<Vec<$cell>> {
                let cells = column.$read()?.iter();
                let whole = |cell| <$cell>::try_from(cell).map_err(|_| {
                    Error::setting("column", column.name(), format!("has {cell}, which is no {}", stringify!($cell)))
                });
                cells.map(|cell| cell.ok_or_else(|| missing(column)).and_then(whole)).collect()
            }
        }
    )+};
}

whole_cell! {
    u32 as u32, u32;
    i64 as i64, i64;
    u64 as i64, i64;
    usize as i64, i64;
    bool as bool, bool;
}

/// What is no number is stored as null.
impl Cell for f64 {
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a f64>) -> Column {
        let cells = cells.map(|cell| cell.is_finite().then_some(*cell));
        Series::new(name.into(), cells.collect::<Vec<Option<f64>>>()).into()
    }

    fn cells(column: &Column) -> Result<Vec<f64>> {
        if !(column.dtype().is_primitive_numeric() || matches!(column.dtype(), DataType::Boolean | DataType::Null)) {
            let expected = format!("is of type {}, expected numbers", column.dtype());
            return Err(Error::setting("column", column.name(), expected));
        }
        let numbers = column.cast(&DataType::Float64)?;
        Ok(numbers.f64()?.iter().map(|cell| cell.unwrap_or(f64::NAN)).collect())
    }
}

impl Cell for Option<String> {
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a Option<String>>) -> Column {
        Series::new(name.into(), cells.map(Option::as_deref).collect::<Vec<Option<&str>>>()).into()
    }

    fn cells(column: &Column) -> Result<Vec<Option<String>>> {
        Ok(column.str()?.iter().map(|cell| cell.map(String::from)).collect())
    }
}

impl Cell for String {
    fn column<'a>(name: &str, cells: impl Iterator<Item = &'a String>) -> Column {
        Series::new(name.into(), cells.map(String::as_str).collect::<Vec<&str>>()).into()
    }

    fn cells(column: &Column) -> Result<Vec<String>> {
        column.str()?.iter().map(|cell| cell.map(String::from).ok_or_else(|| missing(column))).collect()
    }
}

/// Makes types that print and parse into cells of text.
#[macro_export]
#[doc(hidden)]
macro_rules! __text_cell {
    ($($cell:ty),+ $(,)?) => {$(
        impl $crate::table::Cell for $cell {
            fn column<'a>(name: &str, cells: impl Iterator<Item = &'a $cell>) -> $crate::polars::prelude::Column {
                let texts: Vec<String> = cells.map(ToString::to_string).collect();
                $crate::table::Cell::column(name, texts.iter())
            }

            fn cells(column: &$crate::polars::prelude::Column) -> $crate::Result<Vec<$cell>> {
                let texts = <String as $crate::table::Cell>::cells(column)?;
                texts.iter().map(|text| text.parse()).collect()
            }
        }
    )+};
}
pub use __text_cell as text_cell;
