//! Lines cut into chunks at the `<|endoftext|>` marks, one chunk in memory at a time.

use crate::error::{Error, Result};
use crate::stories::record::END_OF_TEXT;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// No record is nearly as long; what is, lacks its end marks or is no text of stories.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// A line, with white space around it when it comes from a file, without when it stands in a chunk.
#[derive(Debug)]
pub struct Line {
    /// The file it comes from.
    pub file: Arc<Path>,
    /// Counted from 1.
    pub number: usize,
    /// Never empty in a chunk.
    pub text: String,
}

/// The lines between two end marks: at least one.
#[derive(Debug)]
pub struct Chunk {
    /// Blank ones left out.
    pub lines: Vec<Line>,
    /// Whether an end mark follows; only the last chunk of a file can lack it.
    pub ended: bool,
}

impl Chunk {
    /// Its first line, which has the number that it has in its file.
    pub fn first_line(&self) -> &Line {
        &self.lines[0]
    }

    /// Bytes of its text.
    pub fn n_bytes(&self) -> usize {
        self.lines.iter().map(|line| line.text.len()).sum()
    }
}

/// The chunks of a file's lines.
pub struct Chunks<Lines> {
    lines: Lines,
    open: Vec<Line>,
    n_bytes_open: usize,
    ready: VecDeque<Chunk>,
}

impl<Lines: Iterator<Item = Result<Line>>> Chunks<Lines> {
    /// Cuts `lines`.
    pub fn new(lines: Lines) -> Chunks<Lines> {
        Chunks { lines, open: Vec::new(), n_bytes_open: 0, ready: VecDeque::new() }
    }

    fn add(&mut self, line: &Line) -> Result<()> {
        let mut parts = line.text.trim_start_matches('\u{feff}').split(END_OF_TEXT).peekable();
        while let Some(part) = parts.next() {
            if !part.trim().is_empty() {
                self.open.push(Line { file: line.file.clone(), number: line.number, text: part.trim().into() });
                self.n_bytes_open += part.len();
            }
            if parts.peek().is_some() && !self.open.is_empty() {
                self.close(true);
            }
        }
        if self.n_bytes_open > MAX_RECORD_BYTES {
            let first = &self.open[0];
            let what = format!("from line {} on, no `<|endoftext|>` for 1 MiB", first.number);
            return Err(Error::invalid(&first.file, format!("{what}: put that line after each record")));
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
