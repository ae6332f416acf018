//! Tables of results: one declaration gives a row's type, the columns and a typed reader; Parquet; HTML for a notebook.
//!
//! ```
//! use stagediff::table::{Row, numbers, rows};
//!
//! rows! {
//!     /// One row a hook point.
//!     pub struct Norm {
//!         /// TransformerLens' name of the place.
//!         hook_point: String,
//!         /// Mean norm; null where not measured.
//!         norm_mean: f64,
//!     }
//! }
//!
//! let table = Norm::table(&[Norm { hook_point: "blocks.0.hook_resid_post".into(), norm_mean: 2.5 }]);
//! assert_eq!(numbers(&table, "norm_mean")?, [2.5]);
//! assert_eq!(Norm::rows(&table)?[0].norm_mean, 2.5);
//! # Ok::<(), stagediff::Error>(())
//! ```

mod cell;
mod column;
mod html;
pub(crate) mod parquet;
mod row;

pub use cell::{Cell, text_cell};
pub use column::{column, numbers, rows_where, select, texts};
pub use html::html;
pub use row::{Row, rows};

use crate::Result;
use crate::files::write_whole;
use parquet::ParquetFile;
use polars::prelude::{DataFrame, ParquetWriter};
use std::path::Path;

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
/// The file is missing or damaged, or larger than any table of results.
pub fn read(path: &Path) -> Result<DataFrame> {
    ParquetFile::open(path)?.table()
}
