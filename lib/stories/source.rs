//! A story file cut at its `<|endoftext|>` marks.

use super::record::END_OF_TEXT;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// A line that is not blank, without white space around it.
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Never empty.
    pub text: String,
}

/// The lines between two end marks: at least one.
pub struct Chunk {
    /// Blank ones left out.
    pub lines: Vec<Line>,
    /// Whether an end mark follows; only the last chunk of a file can lack it.
    pub ended: bool,
}

impl Chunk {
    /// The number of its first line in the file.
    pub fn first_line(&self) -> usize {
        self.lines.first().map_or(0, |line| line.number)
    }
}

/// Reads a file line by line: either kind of line end, a byte order mark, end marks within a line.
///
/// # Errors
/// The file is not there, or is not UTF-8: line and byte are named.
pub fn chunks(path: &Path) -> Result<Vec<Chunk>> {
    let mut reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let (mut chunks, mut lines) = (Vec::new(), Vec::new());
    let (mut bytes, mut n_bytes_before, mut number) = (Vec::new(), 0, 0);
    while reader.read_until(b'\n', &mut bytes).map_err(Error::io(path))? > 0 {
        number += 1;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let at = n_bytes_before + error.valid_up_to();
            let what = format!("byte {at} (line {number}) is not UTF-8");
            Error::invalid(path, format!("{what}: convert the file, for example with iconv -t UTF-8"))
        })?;
        let mut parts = text.trim_start_matches('\u{feff}').split(END_OF_TEXT).peekable();
        while let Some(part) = parts.next() {
            if !part.trim().is_empty() {
                lines.push(Line { number, text: part.trim().into() });
            }
            if parts.peek().is_some() && !lines.is_empty() {
                chunks.push(Chunk { lines: std::mem::take(&mut lines), ended: true });
            }
        }
        n_bytes_before += bytes.len();
        bytes.clear();
    }
    if !lines.is_empty() {
        chunks.push(Chunk { lines, ended: false });
    }
    Ok(chunks)
}
