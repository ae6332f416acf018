//! `tokens.safetensors`: token ids, where sequences begin, and a user's own labels.

use super::description::Description;
use super::header::TensorFile;
use crate::{Error, Result};
use safetensors::tensor::Dtype;
use std::path::Path;

/// The file, beside the shards.
pub(super) const FILE: &str = "tokens.safetensors";

/// Numbers read at once.
const PIECE: usize = 1 << 16;

/// The tokens of a folder's sequences.
pub(super) struct Tokens {
    ids: Vec<i32>,
    offsets: Vec<i64>,
    labels: Option<Vec<u8>>,
}

impl Tokens {
    /// Reads the file and holds it against the description.
    ///
    /// # Errors
    /// A tensor is missing or has another shape or type, an id is negative, offsets do not rise from 0 to the number of
    /// tokens, or a label is neither 0 nor 1: the place is named.
    pub fn read(folder: &Path, description: &Description) -> Result<Tokens> {
        let file = TensorFile::open(&folder.join(FILE))?;
        let Description { n_tokens, n_sequences, .. } = *description;
        let ids = ids(&file, n_tokens)?;
        let offsets = integers(&file, "offsets", &[Dtype::I64], n_sequences + 1, |_, offset| Ok(offset))?;
        check_offsets(&file, &offsets, n_tokens)?;
        let labels = file.has("labels").then(|| labels(&file, n_tokens)).transpose()?;
        Ok(Tokens { ids, offsets, labels })
    }

    pub fn n_tokens(&self) -> i64 {
        self.ids.len() as i64
    }

    pub fn n_sequences(&self) -> i64 {
        self.offsets.len() as i64 - 1
    }

    /// The first token of a sequence, and how many it has.
    pub fn span(&self, sequence: i64) -> (usize, usize) {
        let (first, end) = (self.offsets[sequence as usize], self.offsets[sequence as usize + 1]);
        (first as usize, (end - first) as usize)
    }

    pub fn of(&self, sequence: i64) -> &[i32] {
        let (first, n_tokens) = self.span(sequence);
        &self.ids[first..first + n_tokens]
    }

    pub fn labels_of(&self, sequence: i64) -> Option<&[u8]> {
        let (first, n_tokens) = self.span(sequence);
        self.labels.as_ref().map(|labels| &labels[first..first + n_tokens])
    }

    /// The largest token id.
    pub fn largest(&self) -> i64 {
        self.ids.iter().copied().max().map_or(0, i64::from)
    }
}

fn ids(file: &TensorFile, n_tokens: i64) -> Result<Vec<i32>> {
    integers(file, "tokens", &[Dtype::I64, Dtype::I32], n_tokens, |place, id| {
        let reason = || format!("tensor \"tokens\" has an id below 0 or above {} at token {place}", i32::MAX);
        i32::try_from(id).ok().filter(|id| *id >= 0).ok_or_else(reason)
    })
}

fn labels(file: &TensorFile, n_tokens: i64) -> Result<Vec<u8>> {
    integers(file, "labels", &[Dtype::U8], n_tokens, |place, label| match label {
        0 | 1 => Ok(label as u8),
        _ => Err(format!("tensor \"labels\" has {label} at token {place}, expected 0 or 1")),
    })
}

fn check_offsets(file: &TensorFile, offsets: &[i64], n_tokens: i64) -> Result<()> {
    let refused = |reason: String| Err(Error::invalid(&file.path, format!("tensor \"offsets\" {reason}")));
    if offsets[0] != 0 {
        return refused(format!("begins with {}, expected 0", offsets[0]));
    }
    if let Some(place) = offsets.windows(2).position(|pair| pair[0] >= pair[1]) {
        let (first, end) = (offsets[place], offsets[place + 1]);
        return refused(format!("has {end} after {first} at sequence {place}, expected more: each has tokens"));
    }
    match offsets[offsets.len() - 1] {
        last if last == n_tokens => Ok(()),
        last => refused(format!("ends with {last}, expected the number of tokens, {n_tokens}")),
    }
}

/// A tensor of so many whole numbers, each checked and made of its place and value.
fn integers<T>(
    file: &TensorFile,
    name: &str,
    dtypes: &[Dtype],
    n_expected: i64,
    make: impl Fn(usize, i64) -> std::result::Result<T, String>,
) -> Result<Vec<T>> {
    let info = file.tensor(name, dtypes)?;
    file.check_shape(name, info, &[n_expected])?;
    let (mut numbers, mut bytes) = (Vec::with_capacity(n_expected as usize), Vec::new());
    let size = info.dtype.bitsize() / 8;
    while numbers.len() < n_expected as usize {
        bytes.resize(PIECE.min(n_expected as usize - numbers.len()) * size, 0);
        file.read(info, numbers.len() * size, &mut bytes)?;
        for number in bytes.chunks_exact(size) {
            let number = match *number {
                [byte] => i64::from(byte),
                [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
                _ => i64::from_le_bytes(number.try_into().expect("eight bytes")),
            };
            numbers.push(make(numbers.len(), number).map_err(|reason| Error::invalid(&file.path, reason))?);
        }
    }
    Ok(numbers)
}
