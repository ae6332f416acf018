//! Records of a TinyStories-Instruct file.

use super::source::{Chunk, Line};
use crate::error::{Error, Result};
use crate::stories::record::STORY;
use crate::stories::sentence::ends_sentence;
use crate::stories::{Field, Record};
use std::path::{Path, PathBuf};

/// A file with a larger share of records without a story is taken to be broken.
const MAX_STORYLESS_FRAC: f64 = 0.01;

/// The fields that may also stand after the story.
const NAMES: [&str; 4] = ["Features", "Words", "Summary", "Random sentence"];

/// The records of a file; [`super::Reader`] says what is dropped and what is an error.
pub struct Records<Chunks> {
    path: PathBuf,
    chunks: Chunks,
    n_chunks: usize,
    n_storyless: usize,
    first_storyless_line: usize,
}

impl<Chunks: Iterator<Item = Result<Chunk>>> Records<Chunks> {
    /// The records of `chunks`, which come from `path`.
    pub fn of(path: PathBuf, chunks: Chunks) -> Records<Chunks> {
        Records { path, chunks, n_chunks: 0, n_storyless: 0, first_storyless_line: 0 }
    }

    /// The record of a chunk, if it is one that counts.
    fn record(&mut self, chunk: &Chunk) -> Result<Option<Record>> {
        if self.n_chunks == 0 {
            check_end_marks(&self.path, chunk)?;
        }
        if !chunk.ended && !is_complete(chunk) {
            return Ok(None);
        }
        self.n_chunks += 1;
        let record = record(chunk);
        if record.story.is_empty() {
            self.n_storyless += 1;
            if self.n_storyless == 1 {
                self.first_storyless_line = chunk.first_line();
            }
            return Ok(None);
        }
        Ok(Some(record))
    }

    /// Whether too many records had no story; said once.
    fn too_many_storyless(&mut self) -> Option<Error> {
        let (n_bad, n_all, line) = (std::mem::take(&mut self.n_storyless), self.n_chunks, self.first_storyless_line);
        if n_bad as f64 <= MAX_STORYLESS_FRAC * n_all as f64 {
            return None;
        }
        let what = format!("{n_bad} of {n_all} records have no story, the first of them begins in line {line}");
        Some(Error::invalid(&self.path, format!("{what}: give each a line `Story:` with text after it, or delete it")))
    }
}

impl<Chunks: Iterator<Item = Result<Chunk>>> Iterator for Records<Chunks> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            match self.chunks.next() {
                Some(chunk) => {
                    if let Some(found) = chunk.and_then(|chunk| self.record(&chunk)).transpose() {
                        return Some(found);
                    }
                }
                None => return self.too_many_storyless().map(Err),
            }
        }
    }
}

/// Several stories without any end mark between them would otherwise be read as one.
fn check_end_marks(path: &Path, first: &Chunk) -> Result<()> {
    let Chunk { lines, ended: false } = first else { return Ok(()) };
    match lines.iter().filter(|line| line.text.starts_with(STORY)).nth(1) {
        Some(Line { number, .. }) => {
            let what = format!("line {number}: a second `Story:`, and no `<|endoftext|>` in the whole file");
            Err(Error::invalid(path, format!("{what}; put that line after each record")))
        }
        None => Ok(()),
    }
}

/// Whether a record at the file's end, without an end mark, looks whole: it has a story, and its last line ends a
/// sentence.
fn is_complete(chunk: &Chunk) -> bool {
    !record(chunk).story.is_empty() && chunk.lines.last().is_some_and(|line| ends_sentence(&line.text))
}

fn record(chunk: &Chunk) -> Record {
    let texts: Vec<&str> = chunk.lines.iter().map(|line| line.text.as_str()).collect();
    let story_at = texts.iter().position(|text| text.starts_with(STORY)).unwrap_or(texts.len());
    let (before, rest) = texts.split_at(story_at);
    let after_at = rest.iter().position(|text| NAMES.contains(&split_field(text).0)).unwrap_or(rest.len());
    let (story, after) = rest.split_at(after_at);
    let story = story.iter().map(|text| text.strip_prefix(STORY).unwrap_or(text).trim());
    Record {
        fields: fields(before),
        story: story.filter(|line| !line.is_empty()).map(String::from).collect(),
        fields_after: fields(after),
        derived: false,
    }
}

/// The fields of header lines; a line that is no field goes on with the field above it.
fn fields(lines: &[&str]) -> Vec<Field> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for line in lines {
        match (split_field(line), found.last_mut()) {
            (("", text), Some((_, value))) => *value = format!("{value} {text}").trim().into(),
            (("", text), None) => found.push(("Text", text.into())),
            ((name, value), _) => found.push((name, value.into())),
        }
    }
    found.retain(|(_, value)| !value.is_empty());
    found.into_iter().map(|(name, value)| Field::new(name, &value)).collect()
}

/// Name and value of a header line; an empty name if it is not one.
///
/// A name is at most two words of letters, the first with a capital: `Title: The Oak` is a field, `Then she said: no`
/// in a summary of several lines is not.
fn split_field(line: &str) -> (&str, &str) {
    let Some((name, value)) = line.split_once(':') else { return ("", line.trim()) };
    let lettered = name.chars().all(|c| c.is_alphabetic() || c == ' ') && name.starts_with(char::is_uppercase);
    let known = NAMES.contains(&name);
    if known || lettered && name.split(' ').count() <= 2 { (name, value.trim()) } else { ("", line.trim()) }
}
