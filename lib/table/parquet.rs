//! Parquet files of whatever origin: what they say of themselves is checked before Polars decodes them.
//!
//! Polars takes the sizes in footer and pages for true: it sets memory aside for them, and where there is not so much the
//! process is gone. What else it cannot stand it panics at, which becomes an error here.
//!
//! Read through Polars' eager reader, in slices where there is much. Polars' lazy scan would do the same with its
//! streaming engine, which takes longer to compile than all of this crate.

mod footer;
mod kind;
mod page;
mod thrift;

use crate::files::{refuse_pointer, require_regular};
use crate::{Error, Result};
use page::{Chunk, Extent};
use polars::io::parquet::read::{FileMetadata, ParquetReader, infer_schema};
use polars::prelude::{Column, DataFrame, PolarsResult, SerReader};
use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Values of a table that is read as a whole; no table of results is nearly as large.
const MAX_TABLE_VALUES: usize = 1 << 27;

/// Bytes of such a table.
const MAX_TABLE_BYTES: u64 = 1 << 30;

/// A Parquet file whose footer is sound.
pub(crate) struct ParquetFile {
    path: PathBuf,
    metadata: Arc<FileMetadata>,
    columns: Vec<String>,
}

impl ParquetFile {
    /// Reads the footer.
    ///
    /// # Errors
    /// The file is missing or no regular one, a Git LFS pointer, or no whole Parquet file.
    pub fn open(path: &Path) -> Result<ParquetFile> {
        require_regular(path)?;
        refuse_pointer(path)?;
        let mut file = File::open(path).map_err(Error::io(path))?;
        footer::check(&mut file).map_err(|reason| broken(path, &reason))?;
        let metadata = guarded(path, || ParquetReader::new(file).get_metadata().cloned())?;
        // what the writer noted of its own types is left out: a dictionary is then the texts that it stands for
        let metadata = FileMetadata { key_value_metadata: None, ..(*metadata).clone() };
        let schema = guarded(path, || infer_schema(&metadata))?;
        let columns = schema.iter_names().map(|name| name.to_string()).collect();
        let n_rows = metadata.row_groups.iter().try_fold(0usize, |sum, group| sum.checked_add(group.num_rows()));
        if n_rows != Some(metadata.num_rows) {
            return Err(broken(
                path,
                &format!("its row groups have not the {} rows that it claims", metadata.num_rows),
            ));
        }
        Ok(ParquetFile { path: path.into(), metadata: Arc::new(metadata), columns })
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.metadata.num_rows
    }

    /// Checks the pages of some columns; what they hold when they are decoded.
    ///
    /// # Errors
    /// A page does not lie in the file, is larger than any, or a column has more or fewer values than rows.
    pub fn check(&self, columns: &[String]) -> Result<Extent> {
        let mut file = BufReader::new(File::open(&self.path).map_err(Error::io(&self.path))?);
        let n_bytes = file.get_ref().metadata().map_err(Error::io(&self.path))?.len();
        let mut whole = Extent::default();
        for (place, group) in self.metadata.row_groups.iter().enumerate() {
            for column in group.parquet_columns() {
                let name = column.descriptor().path_in_schema.first().map_or("", |name| name.as_str());
                if !columns.iter().any(|wanted| wanted == name) {
                    continue;
                }
                let is_flat = column.descriptor().descriptor.max_rep_level == 0;
                let chunk = Chunk {
                    bytes: column.byte_range(),
                    n_values: column.num_values(),
                    n_rows: is_flat.then_some(group.num_rows()),
                };
                let extent = chunk.extent(&mut file, n_bytes).map_err(|reason| {
                    broken(&self.path, &format!("column `{name}`, row group {}: {reason}", place + 1))
                })?;
                whole = whole.with(extent);
            }
        }
        Ok(whole)
    }

    /// Some rows of columns that were checked.
    ///
    /// # Errors
    /// They cannot be decoded.
    pub fn rows(&self, columns: &[String], start: usize, n_rows: usize) -> Result<DataFrame> {
        let mut reader = ParquetReader::new(File::open(&self.path).map_err(Error::io(&self.path))?)
            .with_columns(Some(columns.to_vec()))
            .with_slice(Some((start, n_rows)));
        reader.set_metadata(self.metadata.clone());
        let rows = guarded(&self.path, || reader.finish())?;
        let is_whole = |column: &Column| column.len() == n_rows;
        if rows.height() != n_rows || !rows.columns().iter().all(is_whole) {
            return Err(broken(&self.path, &format!("rows {} to {} are not all there", start + 1, start + n_rows)));
        }
        Ok(rows)
    }

    /// All rows of all columns.
    ///
    /// # Errors
    /// They cannot be decoded, or are more than any table of results has.
    pub fn table(&self) -> Result<DataFrame> {
        let extent = self.check(&self.columns)?;
        let n_values = self.n_rows().saturating_mul(self.columns.len());
        if n_values > MAX_TABLE_VALUES || extent.n_bytes > MAX_TABLE_BYTES {
            let reason = format!("has {n_values} values of {} bytes: no table of results", extent.n_bytes);
            return Err(Error::invalid(&self.path, reason));
        }
        self.rows(&self.columns, 0, self.n_rows())
    }
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::invalid(path, format!("no whole Parquet file: {reason}"))
}

/// What Polars makes of a file, its panics as errors.
fn guarded<T>(path: &Path, decode: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(decoded) => decoded.map_err(|error| broken(path, &error.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
            Err(broken(path, &format!("it cannot be decoded ({text})")))
        }
    }
}
