//! The lines of text files.

use super::source::{Line, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::stories::record::END_OF_TEXT;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// The lines of a text file: any kind of line end, a byte order mark. A line with `<|endoftext|>` in it comes in pieces
/// that end there, so that a file of one line is read as well. After an error nothing more comes.
///
/// Errors: the file is not UTF-8 (line and byte are named), or has a line longer than any record.
pub struct TextLines {
    path: Arc<Path>,
    reader: BufReader<File>,
    piece: Vec<u8>,
    n_bytes_before: usize,
    number: usize,
    end: Stop,
}

/// What the last piece ended with.
#[derive(Clone, Copy, PartialEq)]
enum Stop {
    LineFeed,
    CarriageReturn,
    EndOfText,
    TooLong,
    /// Of the file, or an error.
    Nothing,
}

impl TextLines {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<TextLines> {
        let reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
        Ok(TextLines {
            path: path.into(),
            reader,
            piece: Vec::new(),
            n_bytes_before: 0,
            number: 0,
            end: Stop::LineFeed,
        })
    }

    fn read(&mut self) -> Result<Option<Line>> {
        self.n_bytes_before += self.piece.len();
        self.piece.clear();
        self.number += usize::from(self.end != Stop::EndOfText);
        self.end = self.read_piece().map_err(Error::io(&self.path))?;
        let number = self.number;
        match self.end {
            Stop::Nothing if self.piece.is_empty() => Ok(None),
            Stop::TooLong => Err(self.invalid(format!("line {number} is longer than 1 MiB: no text of stories"))),
            _ => Ok(Some(Line { file: self.path.clone(), number, text: self.text()?.into() })),
        }
    }

    /// Puts the bytes up to the next end into `piece`, the end among them.
    fn read_piece(&mut self) -> io::Result<Stop> {
        if self.end == Stop::CarriageReturn && self.reader.fill_buf()?.starts_with(b"\n") {
            self.reader.consume(1);
            self.n_bytes_before += 1;
        }
        loop {
            let found = self.reader.fill_buf()?;
            let at = found.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'>'));
            let n_bytes = at.map_or(found.len(), |at| at + 1);
            self.piece.extend_from_slice(&found[..n_bytes]);
            self.reader.consume(n_bytes);
            match self.piece.last() {
                _ if n_bytes == 0 => return Ok(Stop::Nothing),
                Some(b'\n') => return Ok(Stop::LineFeed),
                Some(b'\r') => return Ok(Stop::CarriageReturn),
                Some(b'>') if self.piece.ends_with(END_OF_TEXT.as_bytes()) => return Ok(Stop::EndOfText),
                _ if self.piece.len() > MAX_RECORD_BYTES => return Ok(Stop::TooLong),
                _ => {}
            }
        }
    }

    /// The piece as text.
    fn text(&self) -> Result<&str> {
        let at = |within: usize| format!("byte {} (line {})", self.n_bytes_before + within, self.number);
        let text = std::str::from_utf8(&self.piece).map_err(|error| {
            let what = format!("{} is not UTF-8", at(error.valid_up_to()));
            self.invalid(format!("{what}: convert the file, for example with iconv -f LATIN1 -t UTF-8"))
        })?;
        match text.find('\0') {
            Some(within) => Err(self.invalid(format!("{} is zero: no text, or text in UTF-16 or UTF-32", at(within)))),
            None => Ok(text),
        }
    }

    fn invalid(&self, reason: String) -> Error {
        Error::invalid(&self.path, reason)
    }
}

impl Iterator for TextLines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Result<Line>> {
        if self.end == Stop::Nothing {
            return None;
        }
        let line = self.read().transpose();
        if let Some(Err(_)) = line {
            self.end = Stop::Nothing;
        }
        line
    }
}
