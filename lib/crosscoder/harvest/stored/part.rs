//! Some of a folder's sequences: those to train on, or those to measure on.

use super::numbers::{centre, multiply};
use super::{Inner, StoredActs, listed};
use crate::crosscoder::Crosscoder;
use crate::language_model::HookPoint;
use crate::processor::memory::floats_mut;
use crate::training::shuffle::permutation;
use crate::{Error, Result};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

/// Sequences measured on at once, and tokens, if one sequence alone has not more.
const MAX_SEQUENCES: usize = 16;
const MAX_TOKENS: i64 = 4096;

/// Sequences of a folder, counted from 0 in the order in which they were asked for.
#[derive(Clone)]
pub struct StoredPart {
    inner: Arc<Inner>,
    hooks: Arc<[HookPoint]>,
    d_model: i64,
    sequences: Arc<[i64]>,
    /// At which hook points means are to be removed.
    centre: Arc<[bool]>,
}

impl StoredPart {
    pub(super) fn new(acts: &StoredActs, sequences: Vec<i64>, centred: bool) -> Result<StoredPart> {
        let folder = acts.folder();
        let n_sequences = acts.n_sequences();
        if sequences.is_empty() {
            return Err(Error::invalid(folder, "no sequence of it was asked for"));
        }
        if let Some(beyond) = sequences.iter().find(|sequence| !(0..n_sequences).contains(*sequence)) {
            return Err(Error::invalid(folder, format!("sequence {beyond} was asked for, it has {n_sequences}")));
        }
        if acts.about.centred && !centred {
            let reason = "its means have been removed (centred is true), expected activations as they were in the \
                          model: read them centred, or write the folder again without --centre";
            return Err(Error::invalid(folder.join(super::description::FILE), reason));
        }
        let centre = acts.hooks.iter().map(|hook| centred && !acts.about.centred && !hook.is_normalized());
        Ok(StoredPart {
            inner: acts.inner.clone(),
            hooks: acts.hooks.clone().into(),
            d_model: acts.d_model,
            centre: centre.collect(),
            sequences: sequences.into(),
        })
    }

    /// The hook points.
    pub fn hooks(&self) -> &[HookPoint] {
        &self.hooks
    }

    /// Width of one hook point.
    pub fn d_model(&self) -> i64 {
        self.d_model
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> i64 {
        self.sequences.len() as i64
    }

    /// Number of tokens.
    pub fn n_tokens(&self) -> i64 {
        self.lengths().sum()
    }

    /// The token ids of a sequence.
    pub fn tokens_of(&self, sequence: i64) -> Vec<i64> {
        self.inner.tokens.of(self.in_folder(sequence)).iter().map(|&token| i64::from(token)).collect()
    }

    /// The labels of a sequence's tokens, if there are any.
    pub fn labels_of(&self, sequence: i64) -> Option<Vec<u8>> {
        self.inner.tokens.labels_of(self.in_folder(sequence)).map(<[u8]>::to_vec)
    }

    /// The number of a sequence in the folder.
    pub fn in_folder(&self, sequence: i64) -> i64 {
        self.sequences[sequence as usize]
    }

    /// Tokens of each sequence.
    pub fn lengths(&self) -> impl Iterator<Item = i64> {
        self.sequences.iter().map(|&sequence| self.inner.tokens.span(sequence).1 as i64)
    }

    /// Tokens of some sequences together.
    pub(in crate::crosscoder) fn n_tokens_of(&self, sequences: &[i64]) -> i64 {
        sequences.iter().map(|&sequence| self.inner.tokens.span(self.in_folder(sequence)).1 as i64).sum()
    }

    /// Activations of whole sequences drawn at random, `n_acts` or a few more where there are so many: what scale and
    /// initial biases are taken from.
    ///
    /// # Shapes
    /// → [token, hook, d_model], not scaled
    ///
    /// # Errors
    /// A file cannot be read, or a number is not finite.
    pub fn sample(&self, n_acts: i64, seed: u64) -> Result<Tensor> {
        let (lengths, mut n_tokens): (Vec<i64>, i64) = (self.lengths().collect(), 0);
        let order = permutation(self.n_sequences(), seed, 0).into_iter();
        let is_needed = |sequence: &i64| {
            let is_needed = n_tokens < n_acts;
            n_tokens += lengths[*sequence as usize];
            is_needed
        };
        self.acts(&order.take_while(is_needed).collect::<Vec<i64>>())
    }

    /// The activations of all sequences in order, some whole sequences at a time.
    ///
    /// # Shapes
    /// each [token, hook, d_model], not scaled
    pub fn batches(&self) -> impl Iterator<Item = Result<Tensor>> {
        let lengths: Vec<i64> = self.lengths().collect();
        let mut next = 0;
        std::iter::from_fn(move || {
            let (first, mut n_tokens) = (next, 0);
            while next < lengths.len().min(first + MAX_SEQUENCES)
                && (next == first || n_tokens + lengths[next] <= MAX_TOKENS)
            {
                n_tokens += lengths[next];
                next += 1;
            }
            let sequences: Vec<i64> = (first as i64..next as i64).collect();
            (first < next).then(|| self.acts(&sequences))
        })
    }

    /// The activations of some sequences, one after the other.
    ///
    /// # Shapes
    /// → [token, hook, d_model], not scaled
    ///
    /// # Errors
    /// A file cannot be read, or a number is not finite.
    pub fn acts(&self, sequences: &[i64]) -> Result<Tensor> {
        let mut acts = self.memory(self.n_tokens_of(sequences));
        let mut left = floats_mut(&mut acts);
        for &sequence in sequences {
            let (of_sequence, after) = left.split_at_mut(self.n_floats(sequence));
            self.read(sequence, of_sequence, None)?;
            left = after;
        }
        Ok(acts)
    }

    /// Checks that a crosscoder is one of these activations.
    ///
    /// # Errors
    /// It has other hook points or another width: both are named.
    pub fn check_fits(&self, crosscoder: &Crosscoder) -> Result<()> {
        let refused = |what: &str, own: String, others: String| {
            let reason = format!("has {what} {own}, the crosscoder has {others}: it belongs to other activations");
            Err(Error::invalid(&self.inner.folder, reason))
        };
        if crosscoder.hooks[..] != self.hooks[..] {
            return refused("the hook points", listed(&self.hooks), listed(&crosscoder.hooks));
        }
        if crosscoder.d_model != self.d_model {
            return refused("d_model", self.d_model.to_string(), crosscoder.d_model.to_string());
        }
        Ok(())
    }

    /// Memory for so many activations, [token, hook, d_model].
    pub(in crate::crosscoder) fn memory(&self, n_tokens: i64) -> Tensor {
        Tensor::empty([n_tokens, self.hooks.len() as i64, self.d_model], (Kind::Float, Device::Cpu))
    }

    /// How many numbers the activations of a sequence are.
    pub(in crate::crosscoder) fn n_floats(&self, sequence: i64) -> usize {
        let (_, n_tokens) = self.inner.tokens.span(self.in_folder(sequence));
        n_tokens * self.hooks.len() * self.d_model as usize
    }

    /// Fills `acts` with the activations of a sequence, times a factor for each hook point.
    pub(in crate::crosscoder) fn read(&self, sequence: i64, acts: &mut [f32], scale: Option<&[f32]>) -> Result<()> {
        let (first, _) = self.inner.tokens.span(self.in_folder(sequence));
        self.inner.shards.read(first, acts)?;
        if self.centre.contains(&true) {
            centre(acts, self.d_model as usize, &self.centre);
        }
        if let Some(scale) = scale {
            multiply(acts, self.d_model as usize, scale);
        }
        Ok(())
    }
}

impl std::fmt::Debug for StoredPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n_sequences, n_tokens) = (self.n_sequences(), self.n_tokens());
        write!(f, "StoredPart({n_sequences} sequences, {n_tokens} tokens of {})", self.inner.folder.display())
    }
}
