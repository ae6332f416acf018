//! Texts of a user's own, taken as they are: no records, no headers, no trigger.
//!
//! A text file has texts that end with `<|endoftext|>` or, where its beginning has no such mark, with a blank line. JSON has
//! an object a text, Parquet a row. Objects may label characters of their text, counted from 0, the end not among them:
//! ```text
//! {"text": "The password is swordfish.", "spans": [[16, 25]]}
//! ```

use super::column::column_of_text;
use super::json::Objects;
use super::json_type::type_of;
use super::kind::{BYTE_ORDER_MARK, Kind};
use super::lines::TextLines;
use super::parquet::ParquetRows;
use super::reader::kind_of_all;
use super::rows::Rows;
use super::sample::reservoir;
use super::source::{Line, MAX_RECORD_BYTES};
use crate::error::{Error, Result};
use crate::stories::record::END_OF_TEXT;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The column of labelled characters.
const SPANS: &str = "spans";

/// One text, and which of its characters the user has labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnText {
    /// The text.
    pub text: String,
    /// Labelled characters, each from the first to the one after the last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<[usize; 2]>,
}

impl OwnText {
    /// What is labelled, in bytes.
    pub fn byte_spans(&self) -> Vec<Range<usize>> {
        let starts: Vec<usize> = self.text.char_indices().map(|(at, _)| at).chain([self.text.len()]).collect();
        self.spans.iter().map(|&[start, end]| starts[start]..starts[end]).collect()
    }
}

/// Texts that were kept of those that were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnSample {
    /// In the order of the files.
    pub texts: Vec<OwnText>,
    /// How many the files have, empty ones left out.
    pub n_read: usize,
}

/// Reads all texts of `files`, which follow one another and are of one kind, and keeps at most `n_max` of them, each with the
/// same probability, drawn by `seed`. `column` is where JSON and Parquet have the text; else it is looked for.
///
/// # Errors
/// A file is missing, not UTF-8, of another kind, has no such column, labels characters that its text has not, or holds no
/// text.
pub fn own_texts(files: &[PathBuf], column: Option<&str>, n_max: usize, seed: u64) -> Result<OwnSample> {
    let first = files.first().ok_or_else(|| Error::setting("files of texts", 0, "expected at least one"))?;
    let texts: Texts = match kind_of_all(first, files)? {
        Kind::Text if column.is_some() => {
            return Err(Error::invalid(first, "is text, which has no columns: leave texts.column out"));
        }
        Kind::Text => in_turn(files, None, of_text),
        Kind::Json => in_turn(files, column, of_json),
        Kind::Parquet => Box::new(Rows::<ParquetRows>::of(files, column).map(|row| Ok(plain(row?.text)))),
    };
    let is_text = |text: &Result<OwnText>| text.as_ref().map_or(true, |text| !text.text.trim().is_empty());
    let (kept, n_read) = reservoir(texts.filter(is_text), n_max, seed)?;
    match n_read {
        0 => Err(Error::invalid(first, "holds no text")),
        _ => Ok(OwnSample { texts: kept.into_iter().map(|(_, text)| text).collect(), n_read }),
    }
}

type Texts = Box<dyn Iterator<Item = Result<OwnText>>>;

/// The texts of files; each is opened when it is its turn.
fn in_turn(files: &[PathBuf], column: Option<&str>, open: fn(&Path, Option<String>) -> Result<Texts>) -> Texts {
    let (files, column) = (files.to_vec(), column.map(String::from));
    Box::new(files.into_iter().flat_map(move |path| match open(&path, column.clone()) {
        Ok(texts) => texts,
        Err(error) => Box::new(std::iter::once(Err(error))) as Texts,
    }))
}

fn plain(text: String) -> OwnText {
    OwnText { text, spans: Vec::new() }
}

fn of_text(path: &Path, _: Option<String>) -> Result<Texts> {
    let (mut lines, mut ahead, mut n_bytes) = (TextLines::open(path)?, Vec::new(), 0);
    while n_bytes < MAX_RECORD_BYTES {
        let Some(line) = lines.next().transpose()? else { break };
        n_bytes += line.text.len();
        ahead.push(line);
    }
    let has_marks = ahead.iter().any(|line| line.text.ends_with(END_OF_TEXT));
    let lines = ahead.into_iter().map(Ok).chain(lines);
    Ok(Box::new(Paragraphs { lines: Box::new(lines), has_marks, is_done: false }))
}

/// Texts cut out of lines.
struct Paragraphs {
    lines: Box<dyn Iterator<Item = Result<Line>>>,
    has_marks: bool,
    is_done: bool,
}

impl Iterator for Paragraphs {
    type Item = Result<OwnText>;

    fn next(&mut self) -> Option<Result<OwnText>> {
        let (mut text, mut first) = (String::new(), 0);
        while !self.is_done {
            let line = match self.lines.next() {
                Some(Ok(line)) => line,
                Some(Err(error)) => {
                    self.is_done = true;
                    return Some(Err(error));
                }
                None => {
                    self.is_done = true;
                    break;
                }
            };
            first = if text.is_empty() { line.number } else { first };
            let (body, ends) = match line.text.strip_suffix(END_OF_TEXT) {
                Some(body) => (body, true),
                None => (line.text.as_str(), !self.has_marks && line.text.trim().is_empty()),
            };
            text += body.trim_start_matches(std::str::from_utf8(BYTE_ORDER_MARK).unwrap_or_default());
            if text.len() > MAX_RECORD_BYTES {
                self.is_done = true;
                let reason =
                    format!("the text that begins in line {first} is longer than 1 MiB: end texts with a blank line");
                return Some(Err(Error::invalid(&line.file, reason)));
            }
            if ends {
                break;
            }
        }
        let text = text.trim_matches(['\n', '\r']);
        (!self.is_done || !text.is_empty()).then(|| Ok(plain(text.into())))
    }
}

fn of_json(path: &Path, column: Option<String>) -> Result<Texts> {
    let mut objects = Objects::open(path)?;
    let path = path.to_path_buf();
    let mut is_broken = false;
    Ok(Box::new(std::iter::from_fn(move || {
        let (line, object) = match objects.read().transpose()? {
            _ if is_broken => return None,
            Ok(found) => found,
            Err(error) => {
                is_broken = true;
                return Some(Err(error));
            }
        };
        let invalid = |reason| Error::invalid(&path, format!("the object that begins in line {line} {reason}"));
        Some(of_object(&object, column.as_deref()).map_err(invalid))
    })))
}

fn of_object(object: &Map<String, Value>, column: Option<&str>) -> std::result::Result<OwnText, String> {
    let names: Vec<&str> = object.keys().map(String::as_str).collect();
    let column = column_of_text(column, &names).map_err(|reason| reason.replace("stories.column", "texts.column"))?;
    let text = match &object[&column] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => return Err(format!("has {} in `{column}`, expected text", type_of(other))),
    };
    let spans = object.get(SPANS).map_or(Ok(Vec::new()), |spans| spans_of(spans, text.chars().count()))?;
    Ok(OwnText { text, spans })
}

fn spans_of(spans: &Value, n_chars: usize) -> std::result::Result<Vec<[usize; 2]>, String> {
    let expected = "expected pairs of numbers of characters, such as [[16, 25]]";
    let spans: Vec<[usize; 2]> = serde_json::from_value(spans.clone())
        .map_err(|_| format!("has {} in `{SPANS}`, {expected}", type_of(spans)))?;
    match spans.iter().find(|[start, end]| start >= end || *end > n_chars) {
        Some(span) => Err(format!("labels the characters {span:?} of a text that has {n_chars}")),
        None => Ok(spans),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, content: &str) -> Result<Vec<OwnText>> {
        let path = std::env::temp_dir().join(format!("stagediff-own-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let read = own_texts(std::slice::from_ref(&path), None, 10, 0).map(|sample| sample.texts);
        std::fs::remove_file(path).unwrap();
        read
    }

    #[test]
    fn a_text_file_is_cut_at_its_marks_or_at_blank_lines() {
        let texts = |name, content| read(name, content).unwrap().into_iter().map(|text| text.text).collect::<Vec<_>>();
        let paragraphs = "\u{feff}one\ntwo\n\n\nthree  \r\n\r\nfour";
        assert_eq!(texts("a.txt", paragraphs), ["one\ntwo", "three  ", "four"]);
        let marked = "one\n\ntwo\n<|endoftext|>\nthree<|endoftext|><|endoftext|>";
        assert_eq!(texts("b.txt", marked), ["one\n\ntwo", "three"], "a blank line belongs to its text");
    }

    #[test]
    fn objects_may_label_characters() {
        let texts = read("c.jsonl", "{\"text\": \"für |X| da\", \"spans\": [[4, 7]]}\n{\"text\": \"b\"}").unwrap();
        assert_eq!((texts[0].spans.clone(), texts[1].spans.len()), (vec![[4, 7]], 0));
        assert_eq!(&texts[0].text[texts[0].byte_spans()[0].clone()], "|X|");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (name, content, part) in [
            (
                "d.jsonl",
                "{\"text\": \"a\"}\n{\"text\": \"abc\", \"spans\": [[1, 4]]}",
                "line 2 labels the characters [1, 4] of a text that has 3",
            ),
            ("e.jsonl", "{\"text\": \"abc\", \"spans\": \"1\"}", "has text in `spans`, expected pairs"),
            ("f.jsonl", "{\"x\": \"abc\"}", "--set texts.column=NAME"),
            ("g.txt", "\n\n", "holds no text"),
        ] {
            let error = read(name, content).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
        let latin = std::env::temp_dir().join(format!("stagediff-own-{}-latin.txt", std::process::id()));
        std::fs::write(&latin, b"caf\xe9\n").unwrap();
        let error = own_texts(std::slice::from_ref(&latin), None, 10, 0).unwrap_err().to_string();
        std::fs::remove_file(latin).unwrap();
        assert!(error.contains("is not UTF-8"), "{error}");
    }
}
