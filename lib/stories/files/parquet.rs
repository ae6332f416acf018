//! The rows of Parquet files, some thousands in memory at a time.

use super::column::column_of_text;
use super::row::TextRow;
use super::rows::{IS_TRAINING, RowFile};
use super::source::MAX_RECORD_BYTES;
use crate::error::{Error, Result};
use crate::table::{self, parquet::ParquetFile};
use polars::prelude::{Column, DataFrame, StringChunked};
use std::path::Path;
use std::sync::Arc;

/// Rows that are decoded at a time: some megabytes of stories.
const N_ROWS_AT_ONCE: usize = 8192;

/// Bytes that are decoded at a time at the most, but for single rows.
const N_BYTES_AT_ONCE: usize = 64 << 20;

/// A Parquet file that is being read.
pub struct ParquetRows {
    path: Arc<Path>,
    file: ParquetFile,
    column: String,
    has_is_training: bool,
    n_rows_at_once: usize,
    /// Rows before the slice.
    n_done: usize,
    slice: Slice,
}

/// Rows that were decoded.
#[derive(Default)]
struct Slice {
    texts: StringChunked,
    is_training: Vec<Option<bool>>,
    next: usize,
}

impl RowFile for ParquetRows {
    fn open(path: &Path, column: Option<&str>) -> Result<ParquetRows> {
        let file = ParquetFile::open(path)?;
        let names: Vec<&str> = file.columns().iter().map(String::as_str).collect();
        let column = column_of_text(column, &names).map_err(|reason| Error::invalid(path, reason))?;
        let has_is_training = names.contains(&IS_TRAINING);
        let mut rows = ParquetRows {
            path: path.into(),
            file,
            column,
            has_is_training,
            n_rows_at_once: 1,
            n_done: 0,
            slice: Slice::default(),
        };
        let n_bytes_a_row = rows.file.check(&rows.columns())?.max_row_bytes;
        rows.n_rows_at_once = (N_BYTES_AT_ONCE / n_bytes_a_row.max(1) as usize).clamp(1, N_ROWS_AT_ONCE);
        Ok(rows)
    }

    fn next_row(&mut self) -> Result<Option<TextRow>> {
        if self.slice.next == self.slice.texts.len() {
            self.n_done += std::mem::take(&mut self.slice).next;
            if self.n_done == self.file.n_rows() {
                return Ok(None);
            }
            self.slice = self.next_slice()?;
        }
        let (number, at) = (self.n_done + self.slice.next + 1, self.slice.next);
        self.slice.next += 1;
        let text = self.slice.texts.get(at).unwrap_or_default();
        if text.len() > MAX_RECORD_BYTES {
            let reason = format!("row {number} is longer than 1 MiB: no text of stories");
            return Err(Error::invalid(&self.path, reason));
        }
        let is_training = self.slice.is_training[at];
        Ok(Some(TextRow { file: self.path.clone(), number, text: text.into(), is_training, fields: Vec::new() }))
    }

    fn column(&self) -> Option<&str> {
        Some(&self.column)
    }
}

impl ParquetRows {
    fn columns(&self) -> Vec<String> {
        [self.column.as_str()]
            .into_iter()
            .chain(self.has_is_training.then_some(IS_TRAINING))
            .map(String::from)
            .collect()
    }

    fn next_slice(&self) -> Result<Slice> {
        let n_rows = self.n_rows_at_once.min(self.file.n_rows() - self.n_done);
        let rows = self.file.rows(&self.columns(), self.n_done, n_rows)?;
        let column = table::column(&rows, &self.column)?;
        let texts = column.str().map_err(|_| self.unexpected(column, "texts"))?.clone();
        Ok(Slice { texts, is_training: self.flags(&rows)?, next: 0 })
    }

    fn flags(&self, rows: &DataFrame) -> Result<Vec<Option<bool>>> {
        if !self.has_is_training {
            return Ok(vec![None; rows.height()]);
        }
        let column = table::column(rows, IS_TRAINING)?;
        let flags: Vec<Option<bool>> =
            column.bool().map_err(|_| self.unexpected(column, "true or false"))?.iter().collect();
        let Some(at) = flags.iter().position(Option::is_none) else { return Ok(flags) };
        let row = self.n_done + at + 1;
        Err(Error::invalid(&self.path, format!("row {row} has no `{IS_TRAINING}`: expected true or false")))
    }

    fn unexpected(&self, column: &Column, expected: &str) -> Error {
        let reason = format!("column `{}` is of type {}, expected {expected}", column.name(), column.dtype());
        Error::invalid(&self.path, reason)
    }
}
