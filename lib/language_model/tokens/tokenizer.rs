//! Text to token ids and back: byte-level BPE, as in GPT-2.

use super::{claims, gpt2};
use crate::files::{read_text, write_whole};
use crate::stories::END_OF_TEXT;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tokenizers::AddedToken;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// The file of a tokenizer in a language model's folder.
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";

/// What transformers notes beside it.
pub(crate) const CONFIG_FILE: &str = "tokenizer_config.json";

/// A byte-level BPE tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
}

impl Tokenizer {
    /// Learns the merges of `texts` up to `n_vocab` tokens, `<|endoftext|>` among them.
    ///
    /// # Errors
    /// The texts are too few to learn that many tokens from.
    pub fn train<'a>(texts: impl Iterator<Item = &'a str> + Send, n_vocab: usize) -> Result<Tokenizer> {
        let failed = |e: tokenizers::Error| Error::setting("tokenizer", "training failed", e.to_string());
        let trainer = BpeTrainer::builder()
            .vocab_size(n_vocab)
            .show_progress(false)
            .special_tokens(vec![AddedToken::from(END_OF_TEXT, true)])
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        let byte_level = || Some(ByteLevel::new(false, true, true));
        let mut inner = tokenizers::Tokenizer::new(BPE::default());
        inner.with_pre_tokenizer(byte_level()).with_post_processor(byte_level()).with_decoder(byte_level());
        inner.train(&mut TrainerWrapper::from(trainer), texts).map_err(failed)?;
        let tokenizer = Tokenizer { inner, path: PathBuf::from("trained") };
        if tokenizer.n_vocab() != n_vocab as i64 {
            let expected = format!("expected {n_vocab}: give more text or a smaller vocabulary");
            return Err(Error::setting("tokens learnt from these texts", tokenizer.n_vocab(), expected));
        }
        Ok(tokenizer)
    }

    /// Reads the tokenizer of a Hugging Face folder: `tokenizer.json`, or `vocab.json` and `merges.txt`.
    ///
    /// # Errors
    /// The folder has neither, or they are no byte-level BPE with `<|endoftext|>` that gives texts back as they were.
    pub fn load(dir: &Path) -> Result<Tokenizer> {
        check_config(&dir.join(CONFIG_FILE))?;
        let path = dir.join(TOKENIZER_FILE);
        if path.exists() {
            return Tokenizer::read(path);
        }
        let vocab = dir.join(gpt2::VOCAB_FILE);
        if !vocab.exists() {
            return Err(Error::invalid(
                dir,
                "holds no tokenizer: expected tokenizer.json, or vocab.json and merges.txt",
            ));
        }
        let inner = claims::tokenizer(&vocab, || gpt2::read(dir))?;
        Ok(Tokenizer { inner, path: vocab })
    }

    /// Reads `tokenizer.json`. Its blocks for padding and truncation are ignored.
    ///
    /// # Errors
    /// The file is missing, or no byte-level BPE with `<|endoftext|>` that gives texts back as they were.
    pub fn read(path: impl AsRef<Path>) -> Result<Tokenizer> {
        let path = path.as_ref();
        let text = read_text(path)?;
        let inner = claims::tokenizer(path, || {
            text.parse().map_err(|e: tokenizers::Error| Error::invalid(path, format!("no tokenizer: {e}")))
        })?;
        Ok(Tokenizer { inner, path: path.into() })
    }

    /// Writes `tokenizer.json`.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        let json = self.inner.to_string(false).map_err(|e| Error::invalid(path, e.to_string()))?;
        write_whole(path, json.as_bytes())
    }

    /// Number of tokens.
    pub fn n_vocab(&self) -> i64 {
        self.inner.get_vocab_size(true) as i64
    }

    /// Checks that a model of `n_vocab` embeddings can read this tokenizer's ids. It may have more: many are padded.
    ///
    /// # Errors
    /// There is an id without an embedding; it is named.
    pub(crate) fn check_fits(&self, n_vocab: i64) -> Result<()> {
        let vocab = self.inner.get_vocab(true);
        match vocab.iter().max_by_key(|(_, id)| **id).filter(|(_, id)| i64::from(**id) >= n_vocab) {
            None => Ok(()),
            Some((token, id)) => {
                let reason = format!(
                    "its token {token:?} has the id {id}, the model has {n_vocab} embeddings: take the tokenizer that \
                     belongs to the model"
                );
                Err(Error::invalid(&self.path, reason))
            }
        }
    }

    /// Checks that it gives texts back as they were: an organism's trigger and payload.
    ///
    /// # Errors
    /// It changes one of them.
    pub(crate) fn check_gives_back(&self, texts: &[&str]) -> Result<()> {
        let changed =
            texts.iter().map(|text| (text, self.decode(&self.encode(text)))).find(|(text, back)| back != *text);
        match changed {
            None => Ok(()),
            Some((text, back)) => {
                let reason = format!("makes {back:?} of {text:?}: expected another trigger or payload, or tokenizer");
                Err(Error::invalid(&self.path, reason))
            }
        }
    }

    /// Checks that the tokens and their ids are those of another.
    ///
    /// # Errors
    /// They are not: a token is named with both ids.
    pub(crate) fn check_same(&self, other: &Tokenizer) -> Result<()> {
        let (ours, theirs) = (self.inner.get_vocab(true), other.inner.get_vocab(true));
        let id = |vocab: &HashMap<String, u32>, token: &str| vocab.get(token).map_or("none".into(), u32::to_string);
        let differs = |token: &&String| ours.get(*token) != theirs.get(*token);
        match ours.keys().chain(theirs.keys()).filter(differs).min() {
            None => Ok(()),
            Some(token) => {
                let (here, there) = (id(&ours, token), id(&theirs, token));
                let reason = format!(
                    "its token {token:?} has the id {here}, that of {} {there}: expected one tokenizer for both models",
                    other.path.display()
                );
                Err(Error::invalid(&self.path, reason))
            }
        }
    }

    /// Token ids of a text, nothing added.
    pub fn encode(&self, text: &str) -> Vec<i64> {
        ids(&self.inner.encode_fast(text, false).expect("byte-level BPE encodes any text"))
    }

    /// Token ids of many texts, on all threads.
    pub fn encode_all(&self, texts: Vec<&str>) -> Vec<Vec<i64>> {
        let encodings = self.inner.encode_batch_fast(texts, false).expect("byte-level BPE encodes any text");
        encodings.iter().map(ids).collect()
    }

    /// Token ids of many texts with the byte of the text at which each token begins.
    pub(crate) fn encode_all_with_starts(&self, texts: Vec<&str>) -> Vec<Vec<(i64, usize)>> {
        let encodings = self.inner.encode_batch(texts, false).expect("byte-level BPE encodes any text");
        let starts = |encoding: &tokenizers::Encoding| {
            encoding.get_offsets().iter().map(|(start, _)| *start).collect::<Vec<_>>()
        };
        encodings.iter().map(|encoding| ids(encoding).into_iter().zip(starts(encoding)).collect()).collect()
    }

    /// The text of token ids, special tokens included.
    pub fn decode(&self, ids: &[i64]) -> String {
        let ids: Vec<u32> = ids.iter().map(|&id| id as u32).collect();
        self.inner.decode(&ids, false).expect("ids of this tokenizer")
    }

    /// The id of `<|endoftext|>`, which also fills short rows.
    pub fn end_of_text(&self) -> i64 {
        i64::from(self.inner.token_to_id(END_OF_TEXT).expect("a tokenizer with <|endoftext|>"))
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Shown in notebooks that are shared: the file and its folder, not where on this machine they lie.
        let parts: Vec<_> = self.path.iter().collect();
        let shown: PathBuf = parts[parts.len().saturating_sub(2)..].iter().collect();
        write!(f, "Tokenizer({} tokens, {})", self.n_vocab(), shown.display())
    }
}

/// Checks `tokenizer_config.json`, where there is one, for what transformers would do to texts beyond the tokenizer's own
/// file.
fn check_config(path: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Config {
        add_prefix_space: Option<bool>,
    }
    if !path.exists() {
        return Ok(());
    }
    let config: Config = serde_json::from_str(&read_text(path)?).map_err(|e| Error::invalid(path, e.to_string()))?;
    match config.add_prefix_space {
        Some(true) => Err(Error::invalid(path, "add_prefix_space is true, only false is supported")),
        _ => Ok(()),
    }
}

fn ids(encoding: &tokenizers::Encoding) -> Vec<i64> {
    encoding.get_ids().iter().map(|&id| i64::from(id)).collect()
}
