//! Records as a run stores them: JSON lines, a record a line, read back as they were.
//!
//! ```text
//! {"fields":[{"Words":["quit","oak","gloomy"]}],"story":["Once upon a time, …"],"fields_after":[],"derived":false}
//! ```
//! The text that a record prints is for models and people: a paragraph that begins with `Words:` could not be told from a
//! field in it.

use super::record::Record;
use crate::files::write_whole_with;
use crate::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// Writes records, whole or not at all.
///
/// # Errors
/// The folder cannot be written to.
pub(crate) fn write(path: &Path, records: &[Record]) -> Result<()> {
    write_whole_with(path, |file| {
        let mut file = BufWriter::new(file);
        for record in records {
            serde_json::to_writer(&mut file, record)?;
            file.write_all(b"\n")?;
        }
        file.flush()
    })
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// The file is missing, or a line is no whole record: it is named.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>> {
    let mut file = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let (mut records, mut line) = (Vec::new(), Vec::new());
    while file.read_until(b'\n', &mut line).map_err(Error::io(path))? > 0 {
        let number = records.len() + 1;
        let broken = |why: String| {
            Error::invalid(path, format!("line {number} is no record that a run stores ({why}): run notebook 01 again"))
        };
        let text = line.strip_suffix(b"\n").ok_or_else(|| broken("the file ends within it".into()))?;
        records.push(serde_json::from_slice(text).map_err(|e| broken(e.to_string()))?);
        line.clear();
    }
    Ok(records)
}
