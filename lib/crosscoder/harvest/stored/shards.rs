//! The files that activations lie in, as one long row of tokens.

use super::description::{Description, ShardEntry};
use super::header::TensorFile;
use super::numbers::Dtype;
use crate::language_model::HookPoint;
use crate::{Error, Result};
use safetensors::tensor::TensorInfo;
use std::path::{Path, PathBuf};

/// The tensor of a shard, [token, hook, d_model].
const ACTS: &str = "acts";

/// Bytes read at once: they stay in the processor's cache until they are floats.
const PIECE: usize = 1 << 18;

/// All shards of a folder.
pub(super) struct Shards {
    all: Vec<Shard>,
    dtype: Dtype,
    hooks: Vec<HookPoint>,
    d_model: usize,
}

/// One of them.
struct Shard {
    file: TensorFile,
    acts: TensorInfo,
    first_token: usize,
    n_tokens: usize,
}

impl Shards {
    /// Opens every shard and holds its header against the description.
    ///
    /// # Errors
    /// A shard is missing or cut off, or has another type, width or number of hook points or tokens.
    pub fn open(folder: &Path, description: &Description) -> Result<Shards> {
        let Description { hooks, d_model, dtype, .. } = description;
        let (mut all, mut first_token) = (Vec::new(), 0);
        for ShardEntry { file, n_tokens } in &description.shards {
            let file = TensorFile::open(&folder.join(file))?;
            let acts = file.tensor(ACTS, &[dtype.of_header()])?.clone();
            file.check_shape(ACTS, &acts, &[*n_tokens, hooks.len() as i64, *d_model])?;
            all.push(Shard { file, acts, first_token, n_tokens: *n_tokens as usize });
            first_token += *n_tokens as usize;
        }
        Ok(Shards { all, dtype: *dtype, hooks: hooks.clone(), d_model: *d_model as usize })
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.all.iter().map(|shard| shard.file.path.clone())
    }

    /// Fills `acts` [token, hook, d_model] with those from token `first` on.
    ///
    /// # Errors
    /// A file cannot be read any more, or a number is not finite: file, token and hook point are named.
    pub fn read(&self, first: usize, acts: &mut [f32]) -> Result<()> {
        let width = self.hooks.len() * self.d_model;
        let mut bytes = Vec::new();
        let (mut token, mut left) = (first, acts);
        while !left.is_empty() {
            let shard = &self.all[self.all.partition_point(|shard| shard.first_token <= token) - 1];
            let in_shard = token - shard.first_token;
            let n_tokens = (left.len() / width).min(shard.n_tokens - in_shard).min((PIECE / (4 * width)).max(1));
            let (piece, after) = left.split_at_mut(n_tokens * width);
            let n_bytes = self.dtype.n_bytes();
            bytes.resize(piece.len() * n_bytes, 0);
            shard.file.read(&shard.acts, in_shard * width * n_bytes, &mut bytes)?;
            if !self.dtype.read(&bytes, piece) {
                return Err(self.not_finite(shard, in_shard, piece));
            }
            (token, left) = (token + n_tokens, after);
        }
        Ok(())
    }

    fn not_finite(&self, shard: &Shard, first: usize, piece: &[f32]) -> Error {
        let place = piece.iter().position(|act| !act.is_finite()).expect("one of them is not finite");
        let (vector, coordinate) = (place / self.d_model, place % self.d_model);
        let (token, hook) = (first + vector / self.hooks.len(), self.hooks[vector % self.hooks.len()]);
        let reason = format!(
            "tensor {ACTS:?} has {} at token {token} (of the folder: {}), hook point {hook}, coordinate {coordinate}: \
             activations have to be finite numbers; leave the sequence out or write them in another type",
            piece[place],
            shard.first_token + token
        );
        Error::invalid(&shard.file.path, reason)
    }
}
