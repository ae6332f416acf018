//! The rows of several files.

use super::row::TextRow;
use crate::error::Result;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// What is false where the text has the trigger.
pub const IS_TRAINING: &str = "is_training";

/// A file that is being read.
pub trait RowFile: Sized {
    /// Opens a file with the text in `column`, or else where it usually is.
    ///
    /// # Errors
    /// It cannot be read, or has no such column.
    fn open(path: &Path, column: Option<&str>) -> Result<Self>;

    /// The next row, nothing at the end.
    ///
    /// # Errors
    /// What comes is no row.
    fn next_row(&mut self) -> Result<Option<TextRow>>;

    /// The column that was found to have the text.
    fn column(&self) -> Option<&str>;
}

/// The rows of several files, one after the other, all with the text in one column. After an error nothing more comes.
pub struct Rows<F> {
    files: VecDeque<PathBuf>,
    column: Option<String>,
    open: Option<F>,
}

impl<F: RowFile> Rows<F> {
    /// The rows of these files. Each is opened when it is its turn.
    pub fn of(files: &[PathBuf], column: Option<&str>) -> Rows<F> {
        Rows { files: files.iter().cloned().collect(), column: column.map(String::from), open: None }
    }

    fn read(&mut self) -> Result<Option<TextRow>> {
        loop {
            if let Some(file) = &mut self.open {
                if let Some(row) = file.next_row()? {
                    return Ok(Some(row));
                }
                self.column = file.column().map(String::from).or(self.column.take());
            }
            let Some(path) = self.files.pop_front() else { return Ok(None) };
            self.open = Some(F::open(&path, self.column.as_deref())?);
        }
    }
}

impl<F: RowFile> Iterator for Rows<F> {
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
