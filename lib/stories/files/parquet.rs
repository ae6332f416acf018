//! The rows of Parquet files, some thousands in memory at a time.
//!
//! Read through Polars' eager reader in slices, each of a mapping of its own. Polars' lazy scan would do the same with
//! its streaming engine, which takes longer to compile than all of this crate.

use crate::error::{Error, Result};
use crate::table;
use polars::io::parquet::read::{FileMetadata, ParquetReader};
use polars::prelude::{Column, DataFrame, SerReader};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// TextRows that are decoded at a time: some megabytes of stories.
const N_ROWS_AT_ONCE: usize = 8192;

/// The column with the text.
const TEXT: &str = "text";

/// The column that is false where the text has the trigger.
const IS_TRAINING: &str = "is_training";

/// One row.
pub struct TextRow {
    /// Counted from 1, over all files.
    pub number: usize,
    /// A line, or a whole record; empty where the column has none.
    pub text: String,
    /// False where the text has the trigger; `None` without that column.
    pub is_training: Option<bool>,
}

/// TextRows of several files, one after the other. After an error nothing more comes.
pub struct TextRows {
    files: VecDeque<PathBuf>,
    open: Option<Shard>,
    ready: VecDeque<TextRow>,
    n_before: usize,
}

/// A file that is being read.
struct Shard {
    path: PathBuf,
    metadata: Arc<FileMetadata>,
    has_is_training: bool,
    n_done: usize,
}

/// Whether a file is Parquet, by its first bytes.
///
/// # Errors
/// It cannot be read.
pub fn is_parquet(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    File::open(path).map_err(Error::io(path))?.take(4).read_to_end(&mut start).map_err(Error::io(path))?;
    Ok(start == b"PAR1")
}

impl TextRows {
    /// The rows of these files. Each is opened when it is its turn.
    pub fn of(files: &[PathBuf]) -> TextRows {
        TextRows { files: files.iter().cloned().collect(), open: None, ready: VecDeque::new(), n_before: 0 }
    }

    fn read(&mut self) -> Result<Option<TextRow>> {
        while self.ready.is_empty() {
            match self.open.take() {
                Some(shard) if shard.n_done == shard.metadata.num_rows => {}
                Some(mut shard) => {
                    self.ready = shard.next_rows(self.n_before)?;
                    self.n_before += self.ready.len();
                    self.open = Some(shard);
                }
                None => match self.files.pop_front() {
                    Some(path) => self.open = Some(Shard::open(path)?),
                    None => return Ok(None),
                },
            }
        }
        Ok(self.ready.pop_front())
    }
}

impl Iterator for TextRows {
    type Item = Result<TextRow>;

    fn next(&mut self) -> Option<Result<TextRow>> {
        let row = self.read().transpose();
        if let Some(Err(_)) = row {
            self.files.clear();
            self.open = None;
        }
        row
    }
}

impl Shard {
    fn open(path: PathBuf) -> Result<Shard> {
        let broken = |e: polars::error::PolarsError| Error::invalid(&path, format!("no whole Parquet file: {e}"));
        let mut reader = ParquetReader::new(File::open(&path).map_err(Error::io(&path))?);
        let schema = reader.schema().map_err(broken)?;
        let metadata = reader.get_metadata().map_err(broken)?.clone();
        if !schema.contains(TEXT) {
            let names = schema.iter_names().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::invalid(&path, format!("has no column `{TEXT}`; its columns are {names}")));
        }
        Ok(Shard { path, metadata, has_is_training: schema.contains(IS_TRAINING), n_done: 0 })
    }

    fn next_rows(&mut self, n_before: usize) -> Result<VecDeque<TextRow>> {
        let rows = self.next_slice()?;
        let column = table::column(&rows, TEXT)?;
        let texts = column.str().map_err(|_| self.unexpected(column, "texts"))?;
        let flags = self.flags(&rows)?;
        if texts.is_empty() {
            let reason = format!("ends after {} rows of {}", self.n_done, self.metadata.num_rows);
            return Err(Error::invalid(&self.path, reason));
        }
        self.n_done += texts.len();
        let row = |(i, (text, is_training)): (usize, (Option<&str>, Option<bool>))| TextRow {
            number: n_before + i + 1,
            text: text.unwrap_or_default().into(),
            is_training,
        };
        Ok(texts.iter().zip(flags).enumerate().map(row).collect())
    }

    fn next_slice(&self) -> Result<DataFrame> {
        let columns = [TEXT].into_iter().chain(self.has_is_training.then_some(IS_TRAINING));
        let mut reader = ParquetReader::new(File::open(&self.path).map_err(Error::io(&self.path))?)
            .with_columns(Some(columns.map(String::from).collect()))
            .with_slice(Some((self.n_done, N_ROWS_AT_ONCE)));
        reader.set_metadata(self.metadata.clone());
        reader
            .finish()
            .map_err(|e| Error::invalid(&self.path, format!("rows from {} on cannot be read: {e}", self.n_done + 1)))
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
