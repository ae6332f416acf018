//! Records as TinyStories' authors published them in JSON: a story, and beside it what it was asked to be.
//!
//! ```text
//! {"story": "Lily and Ben …", "summary": "Lily and Ben …",
//!  "instruction": {"prompt:": "…", "words": ["quit", "oak", "gloomy"], "features": ["Dialogue"]}}
//! ```

use super::json_type::type_of;
use super::row::TextRow;
use super::usable::{Piece, UsableRecords};
use crate::error::Result;
use crate::stories::record::{END_OF_TEXT, Field, Record};
use serde_json::{Map, Value};

/// The records of rows whose header fields stand beside the story. Those without a story are passed over.
pub fn records(rows: impl Iterator<Item = Result<TextRow>>) -> impl Iterator<Item = Result<Record>> {
    let pieces = rows.map(|row| {
        let row = row?;
        let lines = row.text.split(END_OF_TEXT).flat_map(str::lines).map(str::trim);
        let story: Vec<String> = lines.filter(|line| !line.is_empty()).map(String::from).collect();
        Ok(match story.is_empty() {
            true => Piece::unusable(&row.file, format!("row {}", row.number)),
            false => Piece::Record(Record { fields: row.fields, story, fields_after: Vec::new(), derived: false }),
        })
    });
    UsableRecords::of(pieces, |n_bad, n_all, first| format!("{n_bad} of {n_all} objects have no story, first {first}"))
}

/// The header fields in an object's `instruction` and `summary`; none without an `instruction` that is an object.
///
/// # Errors
/// They are no texts: the reason says which.
pub fn fields(object: &Map<String, Value>) -> std::result::Result<Vec<Field>, String> {
    let Some(instruction) = object.get("instruction").and_then(Value::as_object) else { return Ok(Vec::new()) };
    let listed = |name: &str| instruction.get(name).map_or(Ok(Vec::new()), |value| texts(name, value));
    let summary = match object.get("summary") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => on_one_line(text),
        Some(other) => return Err(unexpected("summary", other)),
    };
    let features = Field::new("Features", &listed("features")?.join(", "));
    let all = [features, Field::Words(listed("words")?), Field::Summary(summary)];
    Ok(all.into_iter().filter(|field| !field.value().is_empty()).collect())
}

/// The texts of a list, each on one line.
fn texts(name: &str, value: &Value) -> std::result::Result<Vec<String>, String> {
    let values = value.as_array().ok_or_else(|| unexpected(name, value))?;
    let text = |value: &Value| value.as_str().map(on_one_line).ok_or_else(|| unexpected(name, value));
    values.iter().map(text).filter(|text| text.as_ref().map_or(true, |text| !text.is_empty())).collect()
}

fn unexpected(name: &str, value: &Value) -> String {
    format!("has {} in `{name}`, expected texts", type_of(value))
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
