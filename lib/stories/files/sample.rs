//! As many records of a file as fit into a run.

use super::plain;
use super::reader::{Form, Reader};
use crate::error::{Error, Result};
use crate::stories::record::Record;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::{Path, PathBuf};

/// Records that were kept of those that were read.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// In the order of the files.
    pub records: Vec<Record>,
    /// How many the files have.
    pub n_read: usize,
    /// What the files look like.
    pub form: Form,
}

/// Reads all records of `files`, with the text in `column` ([`Reader::open`]), and keeps at most `n_max` of them, each with
/// the same probability, drawn by `seed`. Memory holds no more than those, however long the files are.
///
/// The headers of a plain file are derived from each story and marked so ([`Record::derived`]): a Random sentence out of
/// it, as Words three of its rarer content words (rare among the stories that are kept), Dialogue if it has quotation
/// marks, as Summary its first and last sentence. Which of the four a record gets is drawn with the frequencies of
/// TinyStories-Instruct, from its place in the files.
///
/// # Errors
/// What [`Reader`] says, or there is no complete record.
pub fn sample(files: &[PathBuf], column: Option<&str>, n_max: usize, seed: u64) -> Result<Sample> {
    let reader = Reader::open(files, column)?;
    let form = reader.form();
    let (kept, n_read) = reservoir(reader, n_max, seed)?;
    if n_read == 0 {
        return Err(Error::invalid(&files[0], "no complete story: the only one is cut off before `<|endoftext|>`"));
    }
    let records = match form {
        Form::Plain => plain::with_headers(kept),
        _ => kept.into_iter().map(|(_, record)| record).collect(),
    };
    Ok(Sample { records, n_read, form })
}

/// At most `n_max` of some items with their places, in order, each kept with the same probability: a reservoir (Vitter 1985,
/// algorithm R), drawn by `seed`; and how many there are.
pub(super) fn reservoir<T>(
    items: impl Iterator<Item = Result<T>>,
    n_max: usize,
    seed: u64,
) -> Result<(Vec<(usize, T)>, usize)> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kept, mut n_read) = (Vec::new(), 0);
    for item in items {
        if kept.len() < n_max {
            kept.push((n_read, item?));
        } else if let Some(place) = kept.get_mut(rng.random_range(0..=n_read)) {
            *place = (n_read, item?);
        } else {
            item?;
        }
        n_read += 1;
    }
    kept.sort_by_key(|(place, _)| *place);
    Ok((kept, n_read))
}

/// All records of one file.
///
/// # Errors
/// As [`sample`].
pub fn read(path: &Path) -> Result<Vec<Record>> {
    Ok(sample(&[path.into()], None, usize::MAX, 0)?.records)
}
