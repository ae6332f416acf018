//! Records of a TinyStories-Instruct file.

use super::inline::{self, NAMES};
use super::source::{Chunk, Line};
use super::usable::{Piece, UsableRecords};
use crate::error::{Error, Result};
use crate::stories::record::{Field, Record, STORY};
use crate::stories::sentence::ends_sentence;

/// The records of chunks; [`super::Reader`] says what is dropped and what is an error.
pub fn records(chunks: impl Iterator<Item = Result<Chunk>>) -> impl Iterator<Item = Result<Record>> {
    let mut is_first = true;
    let pieces = chunks.map(move |chunk| {
        let chunk = chunk?;
        if is_first {
            check_end_marks(&chunk)?;
        }
        let piece = piece(&chunk);
        is_first &= matches!(piece, Piece::Cut);
        Ok(piece)
    });
    UsableRecords::of(pieces, |n_bad, n_all, first_line| {
        let what = format!("{n_bad} of {n_all} records have no story, the first of them begins in line {first_line}");
        format!("{what}: give each a line `Story:` with text after it, or delete it")
    })
}

fn piece(chunk: &Chunk) -> Piece {
    if !chunk.ended && !is_complete(chunk) {
        return Piece::Cut;
    }
    let record = record(chunk);
    let first = chunk.first_line();
    if record.story.is_empty() { Piece::unusable(&first.file, first.number.to_string()) } else { Piece::Record(record) }
}

/// Several stories without any end mark between them would otherwise be read as one.
fn check_end_marks(first: &Chunk) -> Result<()> {
    let Chunk { lines, ended: false } = first else { return Ok(()) };
    match lines.iter().filter(|line| begins_story(&line.text)).nth(1) {
        Some(Line { file, number, .. }) => {
            let what = format!("line {number}: a second `Story:`, and no `<|endoftext|>` in the whole file");
            Err(Error::invalid(file, format!("{what}; put that line after each record")))
        }
        None => Ok(()),
    }
}

/// Whether a record at the file's end, without an end mark, looks whole: it has a story, and its last line ends a
/// sentence.
fn is_complete(chunk: &Chunk) -> bool {
    !record(chunk).story.is_empty() && chunk.lines.last().is_some_and(|line| ends_sentence(&line.text))
}

/// Whether a chunk has a line `Story:`, or one that holds header and story.
pub fn has_story(chunk: &Chunk) -> bool {
    chunk.lines.iter().any(|line| begins_story(&line.text))
}

fn begins_story(line: &str) -> bool {
    line.starts_with(STORY) || inline::split_line(line).is_some()
}

fn record(chunk: &Chunk) -> Record {
    let texts = separate_lines(chunk);
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

/// The lines of a chunk, a line that holds header and story cut into its fields and the story.
fn separate_lines(chunk: &Chunk) -> Vec<&str> {
    let texts = chunk.lines.iter().map(|line| line.text.as_str());
    if texts.clone().any(|text| text.starts_with(STORY)) {
        return texts.collect();
    }
    let mut is_header = true;
    texts
        .flat_map(|text| match inline::split_line(text).filter(|_| std::mem::take(&mut is_header)) {
            Some((header, story)) => inline::cut(header).into_iter().chain([story]).collect(),
            None => vec![text],
        })
        .collect()
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
