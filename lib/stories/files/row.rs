//! One row of a file of rows: Parquet's, or an object of JSON.

use super::source::Line;
use crate::error::Result;
use crate::stories::record::{END_OF_TEXT, Field};
use std::path::Path;
use std::sync::Arc;

/// One row.
#[derive(Debug)]
pub struct TextRow {
    /// The file it comes from.
    pub file: Arc<Path>,
    /// Counted from 1 in its file.
    pub number: usize,
    /// A line, a story, or a whole record; empty where there is none.
    pub text: String,
    /// False where the text has the trigger; `None` where the file does not say.
    pub is_training: Option<bool>,
    /// Header fields that stand beside the text.
    pub fields: Vec<Field>,
}

impl TextRow {
    /// The row as one line of a file of lines.
    pub fn into_line(self) -> Line {
        Line { file: self.file, number: self.number, text: self.text }
    }

    /// The lines of a row that holds a whole record, and its end mark.
    pub fn into_lines(self) -> Vec<Result<Line>> {
        let line = |text: &str| Ok(Line { file: self.file.clone(), number: self.number, text: text.into() });
        self.text.lines().chain([END_OF_TEXT]).map(line).collect()
    }
}
