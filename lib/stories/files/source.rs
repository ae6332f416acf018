//! Lines cut into chunks at the `<|endoftext|>` marks, one chunk in memory at a time.

use crate::error::{Error, Result};
use crate::stories::record::END_OF_TEXT;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// No record is nearly as long; what is, lacks its end marks or is no text of stories.
const MAX_RECORD_BYTES: usize = 1 << 20;

/// A line, with white space around it when it comes from a file, without when it stands in a chunk.
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Never empty in a chunk.
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

/// The lines of a text file: either kind of line end, a byte order mark. After an error nothing more comes.
///
/// Errors: the file is not UTF-8 (line and byte are named), or has a line longer than any record.
pub struct TextLines {
    path: PathBuf,
    reader: BufReader<File>,
    bytes: Vec<u8>,
    n_bytes_before: usize,
    number: usize,
    failed: bool,
}

impl TextLines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<TextLines> {
        let reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
        Ok(TextLines { path: path.into(), reader, bytes: Vec::new(), n_bytes_before: 0, number: 0, failed: false })
    }

    fn read(&mut self) -> Result<Option<Line>> {
        self.n_bytes_before += self.bytes.len();
        self.bytes.clear();
        let mut limited = self.reader.by_ref().take(MAX_RECORD_BYTES as u64);
        if limited.read_until(b'\n', &mut self.bytes).map_err(Error::io(&self.path))? == 0 {
            return Ok(None);
        }
        self.number += 1;
        let number = self.number;
        if self.bytes.len() == MAX_RECORD_BYTES && !self.bytes.ends_with(b"\n") {
            return Err(Error::invalid(&self.path, format!("line {number} is longer than 1 MiB: no text of stories")));
        }
        let text = std::str::from_utf8(&self.bytes).map_err(|error| {
            let at = self.n_bytes_before + error.valid_up_to();
            let what = format!("byte {at} (line {number}) is not UTF-8");
            Error::invalid(&self.path, format!("{what}: convert the file, for example with iconv -t UTF-8"))
        })?;
        Ok(Some(Line { number, text: text.into() }))
    }
}

impl Iterator for TextLines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        if self.failed {
            return None;
        }
        let line = self.read().transpose();
        self.failed = matches!(line, Some(Err(_)));
        line
    }
}

/// The chunks of a file's lines.
pub struct Chunks<Lines> {
    path: PathBuf,
    lines: Lines,
    open: Vec<Line>,
    n_bytes_open: usize,
    ready: VecDeque<Chunk>,
}

impl<Lines: Iterator<Item = Result<Line>>> Chunks<Lines> {
    /// Cuts `lines`, which come from `path`.
    pub fn new(path: &Path, lines: Lines) -> Chunks<Lines> {
        Chunks { path: path.into(), lines, open: Vec::new(), n_bytes_open: 0, ready: VecDeque::new() }
    }

    fn add(&mut self, line: &Line) -> Result<()> {
        let mut parts = line.text.trim_start_matches('\u{feff}').split(END_OF_TEXT).peekable();
        while let Some(part) = parts.next() {
            if !part.trim().is_empty() {
                self.open.push(Line { number: line.number, text: part.trim().into() });
                self.n_bytes_open += part.len();
            }
            if parts.peek().is_some() && !self.open.is_empty() {
                self.close(true);
            }
        }
        if self.n_bytes_open > MAX_RECORD_BYTES {
            let first = self.open[0].number;
            let reason = format!("from line {first} on, no `<|endoftext|>` for 1 MiB: put that line after each record");
            return Err(Error::invalid(&self.path, reason));
        }
        Ok(())
    }

    fn close(&mut self, ended: bool) {
        self.n_bytes_open = 0;
        self.ready.push_back(Chunk { lines: std::mem::take(&mut self.open), ended });
    }
}

impl<Lines: Iterator<Item = Result<Line>>> Iterator for Chunks<Lines> {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Result<Chunk>> {
        while self.ready.is_empty() {
            match self.lines.next() {
                Some(line) => {
                    if let Err(error) = line.and_then(|line| self.add(&line)) {
                        return Some(Err(error));
                    }
                }
                None if self.open.is_empty() => return None,
                None => self.close(false),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
