//! The objects of JSON files, one after the other: one a line, or all in one array.

use super::column::column_of_text;
use super::json_type::type_of;
use super::kind::BYTE_ORDER_MARK;
use super::published;
use super::row::TextRow;
use super::rows::{IS_TRAINING, RowFile};
use crate::error::{Error, Result};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

/// No object of a story is nearly as long.
const MAX_OBJECT_BYTES: usize = 4 << 20;

/// The objects of a JSON file as rows.
pub struct JsonRows {
    objects: Objects,
    /// The column given, or that of the rows so far.
    column: Option<String>,
    n_done: usize,
}

impl RowFile for JsonRows {
    fn open(path: &Path, column: Option<&str>) -> Result<JsonRows> {
        Ok(JsonRows { objects: Objects::open(path)?, column: column.map(String::from), n_done: 0 })
    }

    fn next_row(&mut self) -> Result<Option<TextRow>> {
        let Some((line, object)) = self.objects.read()? else { return Ok(None) };
        let invalid =
            |reason| Error::invalid(&self.objects.file, format!("the object that begins in line {line} {reason}"));
        let (column, row) = self.row(&object).map_err(invalid)?;
        self.column = Some(column);
        self.n_done += 1;
        Ok(Some(row))
    }

    fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }
}

impl JsonRows {
    /// The row that an object is, and the column that has its text.
    fn row(&self, object: &Map<String, Value>) -> std::result::Result<(String, TextRow), String> {
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        let column = column_of_text(self.column.as_deref(), &names)?;
        let text = match &object[&column] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => return Err(format!("has {} in `{column}`, expected text", type_of(other))),
        };
        let is_training = match object.get(IS_TRAINING) {
            None => None,
            Some(Value::Bool(is_training)) => Some(*is_training),
            Some(other) => return Err(format!("has {} in `{IS_TRAINING}`, expected true or false", type_of(other))),
        };
        let fields = published::fields(object)?;
        let (file, number) = (self.objects.file.clone(), self.n_done + 1);
        Ok((column, TextRow { file, number, text, is_training, fields }))
    }
}

/// The objects of one file, one in memory at a time.
pub struct Objects {
    file: Arc<Path>,
    reader: BufReader<File>,
    line: usize,
    place: Place,
}

/// Where in a file the reader stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Start,
    /// Between objects that stand in no array.
    Lines,
    /// Before an object of the array.
    Array,
    /// After an object of the array.
    Between,
    End,
}

impl Objects {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Objects> {
        let mut reader = BufReader::new(File::open(path).map_err(Error::io(path))?);
        if reader.fill_buf().map_err(Error::io(path))?.starts_with(BYTE_ORDER_MARK) {
            reader.consume(BYTE_ORDER_MARK.len());
        }
        Ok(Objects { file: path.into(), reader, line: 1, place: Place::Start })
    }

    /// The next object and the line in which it begins.
    pub fn read(&mut self) -> Result<Option<(usize, Map<String, Value>)>> {
        loop {
            let byte = self.significant()?;
            self.place = match (self.place, byte) {
                (Place::Start | Place::Lines | Place::End, None) => return Ok(None),
                (Place::Start | Place::Lines, Some(b'{')) => return self.object(Place::Lines).map(Some),
                (Place::Array, Some(b'{')) => return self.object(Place::Between).map(Some),
                (Place::Start, Some(b'[')) => Place::Array,
                (Place::Between, Some(b',')) => Place::Array,
                (Place::Array | Place::Between, Some(b']')) => Place::End,
                (_, None) => return Err(self.invalid("the file ends within its array")),
                (_, Some(_)) => {
                    let expected = "expected objects, one a line or all in one array, with the story in a text of each";
                    return Err(self.invalid(expected));
                }
            };
        }
    }

    /// The next byte that is no white space.
    fn significant(&mut self) -> Result<Option<u8>> {
        loop {
            match self.byte()? {
                Some(byte) if byte.is_ascii_whitespace() => {}
                other => return Ok(other),
            }
        }
    }

    /// The object whose brace was read.
    fn object(&mut self, after: Place) -> Result<(usize, Map<String, Value>)> {
        self.place = after;
        let (first_line, mut text) = (self.line, vec![b'{']);
        let (mut depth, mut in_string, mut escaped) = (1, false, false);
        while depth > 0 {
            let Some(byte) = self.byte()? else {
                return Err(self.invalid(&format!("the file ends within the object that begins in line {first_line}")));
            };
            text.push(byte);
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b'{' if !in_string => depth += 1,
                b'}' if !in_string => depth -= 1,
                _ => {}
            }
            if text.len() > MAX_OBJECT_BYTES {
                let what = format!("the object that begins in line {first_line} is longer than 4 MiB: no story");
                return Err(Error::invalid(&self.file, what));
            }
        }
        self.parsed(first_line, &text)
    }

    fn parsed(&self, first_line: usize, text: &[u8]) -> Result<(usize, Map<String, Value>)> {
        let what = |why: String| format!("the object that begins in line {first_line} {why}");
        let text = std::str::from_utf8(text).map_err(|_| {
            let why = "is not UTF-8: convert the file, for example with iconv -f LATIN1 -t UTF-8";
            Error::invalid(&self.file, what(why.into()))
        })?;
        let object = serde_json::from_str(text)
            .map_err(|e| Error::invalid(&self.file, what(format!("is no JSON ({e}, counted from there)"))))?;
        Ok((first_line, object))
    }

    fn byte(&mut self) -> Result<Option<u8>> {
        let byte = self.reader.fill_buf().map_err(Error::io(&self.file))?.first().copied();
        if let Some(byte) = byte {
            self.reader.consume(1);
            self.line += usize::from(byte == b'\n');
        }
        Ok(byte)
    }

    fn invalid(&self, reason: &str) -> Error {
        Error::invalid(&self.file, format!("line {}: {reason}", self.line))
    }
}
