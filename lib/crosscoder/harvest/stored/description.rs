//! `activations.json`: what a folder says of itself.

use super::numbers::Dtype;
use crate::files::read_text;
use crate::language_model::HookPoint;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The file that makes a folder one of activations; it is written last.
pub(super) const FILE: &str = "activations.json";

/// Version of the form.
const FORMAT: &str = "stagediff activations 1";

/// Larger than any width or number of hook points of a language model.
const MAX_WIDTH: i64 = 1 << 24;

/// The file's fields. One that is not known may be one that is misspelt, and is refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Description {
    format: String,
    pub model: String,
    pub data: String,
    #[serde(rename = "hook_points")]
    pub hooks: Vec<HookPoint>,
    pub d_model: i64,
    pub dtype: Dtype,
    pub centred: bool,
    pub n_tokens: i64,
    pub n_sequences: i64,
    pub shards: Vec<ShardEntry>,
    tokenizer: Option<String>,
}

/// One shard, in the order of its tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardEntry {
    pub file: String,
    pub n_tokens: i64,
}

impl Description {
    /// Reads and checks the description of `folder`.
    ///
    /// # Errors
    /// It is missing or no description, of another version, or contradicts itself: the field is named.
    pub fn read(folder: &Path) -> Result<Description> {
        let path = folder.join(FILE);
        if folder.is_dir() && !path.exists() {
            let reason = "holds no activations.json: expected a folder that data/activations.py wrote to its end";
            return Err(Error::invalid(folder, reason));
        }
        let refused = |reason: String| Error::invalid(&path, reason);
        let description: Description =
            serde_json::from_str(&read_text(&path)?).map_err(|e| refused(format!("no description: {e}")))?;
        description.check().map_err(refused)?;
        Ok(description)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("format is {:?}, expected {FORMAT:?}", self.format));
        }
        let n_hooks = self.hooks.len() as i64;
        if n_hooks == 0 {
            return Err("hook_points is empty".into());
        }
        for (name, value, most) in [
            ("d_model", self.d_model, MAX_WIDTH / n_hooks),
            ("n_tokens", self.n_tokens, i64::MAX),
            ("n_sequences", self.n_sequences, self.n_tokens),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("{name} is {value}, expected 1 to {most}"));
            }
        }
        let twice = |(i, hook): &(usize, &HookPoint)| self.hooks[..*i].iter().any(|other| other.is_same_place(**hook));
        if let Some((_, hook)) = self.hooks.iter().enumerate().find(twice) {
            return Err(format!("hook_points has {hook} twice, or two names of one place"));
        }
        self.check_shards()
    }

    fn check_shards(&self) -> std::result::Result<(), String> {
        let mut files = BTreeSet::new();
        for ShardEntry { file, n_tokens } in &self.shards {
            if !is_beside(file) {
                return Err(format!("names the shard {file:?}, expected a file beside it"));
            }
            if !files.insert(file) {
                return Err(format!("names the shard {file:?} twice"));
            }
            if *n_tokens < 1 {
                return Err(format!("the shard {file:?} has n_tokens {n_tokens}, expected 1 or more"));
            }
        }
        let total = self.shards.iter().try_fold(0i64, |total, shard| total.checked_add(shard.n_tokens));
        match total {
            Some(total) if total == self.n_tokens => Ok(()),
            _ => {
                let total = total.map_or("too many".into(), |total| total.to_string());
                Err(format!("n_tokens is {}, its shards have {total} together", self.n_tokens))
            }
        }
    }

    /// Where the tokenizer is: a file of the folder, or the one that folders beside it share.
    ///
    /// # Errors
    /// It lies elsewhere, or is not there.
    pub fn tokenizer(&self, folder: &Path) -> Result<Option<PathBuf>> {
        let Some(file) = &self.tokenizer else { return Ok(None) };
        if !is_beside(file.strip_prefix("../").unwrap_or(file)) {
            let reason = format!("names the tokenizer {file:?}, expected a file of the folder or of the one above");
            return Err(Error::invalid(folder.join(FILE), reason));
        }
        let path = folder.join(file);
        crate::files::require_regular(&path)?;
        Ok(Some(path))
    }
}

/// Whether it is the name of a file and no path.
fn is_beside(file: &str) -> bool {
    Path::new(file).file_name().is_some_and(|name| name == file)
}
