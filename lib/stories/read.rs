//! Story files: which kind a file is, and its records.

use super::record::STORY;
use super::source::{self, Chunk};
use super::{Record, instruct, plain};
use crate::error::{Error, Result};
use std::path::Path;

/// Reads a file of TinyStories-Instruct records or of plain TinyStories, which of the two it finds out.
///
/// A file in which at least half of the texts between `<|endoftext|>` marks have a line that begins with `Story:` is
/// taken for TinyStories-Instruct.
/// - Its header lines may stand in any order; any of the four may also follow the story. A line before `Story:` that is
///   no `Name: value` goes on with the field above it; names and features that the format does not know are kept as
///   [`Field::Other`](super::Field::Other). A field without a value is dropped.
/// - A last record without an end mark is kept if it has a story and its last line ends a sentence; else the file was
///   cut there and the record is dropped.
/// - Records without a story are dropped while they are at most one in a hundred.
///
/// A plain file's headers are derived from each story and marked so ([`Record::derived`]): a Random sentence out of it,
/// as Words three of its rarer content words, Dialogue if it has quotation marks, as Summary its first and last sentence.
/// Which of the four a record gets is drawn with the frequencies of TinyStories-Instruct, from the record's index.
///
/// Both take Windows line ends, blank lines and a byte order mark.
///
/// # Errors
/// The file is missing, empty, not UTF-8 (byte and line are named), has neither `Story:` nor `<|endoftext|>`, no
/// complete record, several stories without an end mark between them, or too many records without a story.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let chunks = source::chunks(path)?;
    if chunks.is_empty() {
        return Err(Error::invalid(path, "the file is empty, expected stories with a line `<|endoftext|>` after each"));
    }
    let n_instruct = chunks.iter().filter(|chunk| has_story_line(chunk)).count();
    if n_instruct == 0 && !chunks[0].ended {
        let reason = "neither a line `Story:` nor a line `<|endoftext|>`: expected TinyStories or TinyStories-Instruct text, \
                      with `<|endoftext|>` after each story";
        return Err(Error::invalid(path, reason));
    }
    let is_instruct = 2 * n_instruct >= chunks.len();
    let records = if is_instruct { instruct::records(path, chunks)? } else { plain::records(chunks) };
    if records.is_empty() {
        return Err(Error::invalid(path, "no complete story: the only one is cut off before `<|endoftext|>`"));
    }
    Ok(records)
}

fn has_story_line(chunk: &Chunk) -> bool {
    chunk.lines.iter().any(|line| line.text.starts_with(STORY))
}
