//! Activations of any model, in a folder: a description, shards of activations, tokens (data/README.md has the form).
//!
//! Everything that can be known without reading the activations is checked when a folder is opened. They are read piece by
//! piece where they are needed, so that memory does not grow with them; a number that is not finite is found then.

mod description;
mod header;
mod numbers;
mod part;
mod shards;
mod texts;
mod tokens;

pub use part::StoredPart;
pub use texts::TokenTexts;

use crate::language_model::HookPoint;
use crate::{Error, Result};
use description::Description;
use shards::Shards;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokens::Tokens;

/// A folder of activations of one model on one set of texts.
#[derive(Clone)]
pub struct StoredActs {
    /// The hook points, in the order in which they lie.
    pub hooks: Vec<HookPoint>,
    /// Width of one hook point.
    pub d_model: i64,
    /// Whose activations they are, on what.
    pub about: StoredAbout,
    inner: Arc<Inner>,
}

/// What a folder says of its activations.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredAbout {
    /// The model, in free words.
    pub model: String,
    /// The texts, in free words.
    pub data: String,
    /// A `tokenizer.json` of Hugging Face, or a JSON list of the tokens' texts by id ([`StoredActs::texts`]).
    pub tokenizer: Option<PathBuf>,
    /// Whether each vector's mean over d_model has been removed.
    pub centred: bool,
}

/// What all parts of a folder read from.
struct Inner {
    folder: PathBuf,
    shards: Shards,
    tokens: Tokens,
}

impl StoredActs {
    /// Opens a folder.
    ///
    /// # Errors
    /// The folder is no such folder, or description, shards and tokens are not of each other: file, tensor or field, both
    /// values are named.
    pub fn open(folder: impl AsRef<Path>) -> Result<StoredActs> {
        let folder = folder.as_ref();
        let description = Description::read(folder)?;
        let shards = Shards::open(folder, &description)?;
        let tokens = Tokens::read(folder, &description)?;
        let Description { hooks, d_model, model, data, centred, .. } = description.clone();
        let about = StoredAbout { model, data, tokenizer: description.tokenizer(folder)?, centred };
        let inner = Inner { folder: folder.into(), shards, tokens };
        Ok(StoredActs { hooks, d_model, about, inner: Arc::new(inner) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// The files that activations and tokens lie in.
    pub fn files(&self) -> Vec<PathBuf> {
        let own = [description::FILE, tokens::FILE].map(|file| self.inner.folder.join(file));
        own.into_iter().chain(self.inner.shards.paths()).collect()
    }

    /// Number of sequences.
    pub fn n_sequences(&self) -> i64 {
        self.inner.tokens.n_sequences()
    }

    /// Number of tokens, as many as there are activations.
    pub fn n_tokens(&self) -> i64 {
        self.inner.tokens.n_tokens()
    }

    /// The token ids of a sequence.
    pub fn tokens_of(&self, sequence: i64) -> Vec<i64> {
        self.inner.tokens.of(sequence).iter().map(|&token| i64::from(token)).collect()
    }

    /// The user's labels of a sequence's tokens, 1 for what the fine-tune was about; nothing where none were given.
    pub fn labels_of(&self, sequence: i64) -> Option<Vec<u8>> {
        self.inner.tokens.labels_of(sequence).map(<[u8]>::to_vec)
    }

    /// The text of each token, if the folder has a tokenizer.
    ///
    /// # Errors
    /// The tokenizer cannot be read, or lacks a token of the folder: the first is named.
    pub fn texts(&self) -> Result<Option<TokenTexts>> {
        let Some(path) = &self.about.tokenizer else { return Ok(None) };
        let texts = TokenTexts::read(path)?;
        texts.check_knows(self.inner.tokens.largest(), &self.inner.folder)?;
        Ok(Some(texts))
    }

    /// Some of the sequences, to be read centred or as they were in the model. What is normalised has no mean to remove.
    ///
    /// # Errors
    /// None are asked for, or one that is not there, or the means are asked for and were removed before.
    pub fn part(&self, sequences: Vec<i64>, centred: bool) -> Result<StoredPart> {
        StoredPart::new(self, sequences, centred)
    }

    /// Checks that the activations of another folder lie in the same spaces, as those of all stages have to.
    ///
    /// # Errors
    /// Width or hook points differ: both folders and both values are named.
    pub fn check_same_spaces(&self, other: &StoredActs) -> Result<()> {
        let differs = |what: &str, own: String, others: String| {
            let other = other.inner.folder.display();
            let reason = format!("has {what} {own}, {other} has {others}: stages are compared in the same spaces");
            Err(Error::invalid(self.inner.folder.join(description::FILE), reason))
        };
        if self.d_model != other.d_model {
            return differs("d_model", self.d_model.to_string(), other.d_model.to_string());
        }
        if self.hooks != other.hooks {
            return differs("the hook points", listed(&self.hooks), listed(&other.hooks));
        }
        Ok(())
    }
}

/// Hook points for a message.
fn listed(hooks: &[HookPoint]) -> String {
    let names: Vec<String> = hooks.iter().map(HookPoint::to_string).collect();
    format!("[{}]", names.join(", "))
}

impl std::fmt::Debug for StoredActs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (n_hooks, d_model) = (self.hooks.len(), self.d_model);
        let (n_sequences, n_tokens) = (self.n_sequences(), self.n_tokens());
        write!(f, "StoredActs({n_hooks} hook points × {d_model}, {n_sequences} sequences, {n_tokens} tokens)")
    }
}
