//! What the tokens of a folder read as, whatever tokenizer they are of.

use crate::files::read_text;
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The text of each token id.
pub struct TokenTexts {
    texts: Texts,
    path: PathBuf,
}

enum Texts {
    /// By id.
    Listed(Vec<String>),
    /// As a tokenizer decodes them.
    Decoded(Box<tokenizers::Tokenizer>),
}

impl TokenTexts {
    /// Reads a `tokenizer.json` of Hugging Face, of any kind, or a JSON list of texts.
    ///
    /// # Errors
    /// The file is missing, or neither.
    pub fn read(path: &Path) -> Result<TokenTexts> {
        let text = read_text(path)?;
        let neither = |e: String| Error::invalid(path, format!("neither a tokenizer nor a list of texts: {e}"));
        let texts = if text.trim_start().starts_with('[') {
            Texts::Listed(serde_json::from_str(&text).map_err(|e| neither(e.to_string()))?)
        } else {
            Texts::Decoded(Box::new(text.parse().map_err(|e: tokenizers::Error| neither(e.to_string()))?))
        };
        Ok(TokenTexts { texts, path: path.into() })
    }

    /// The text of a token; its number in angle brackets where there is none.
    pub fn text(&self, token: i64) -> String {
        self.known(token).unwrap_or_else(|| format!("<{token}>"))
    }

    fn known(&self, token: i64) -> Option<String> {
        match &self.texts {
            Texts::Listed(texts) => texts.get(usize::try_from(token).ok()?).cloned(),
            Texts::Decoded(tokenizer) => {
                let token = u32::try_from(token).ok()?;
                tokenizer.id_to_token(token)?;
                tokenizer.decode(&[token], false).ok()
            }
        }
    }

    /// Checks that it goes up to the token `largest` of a folder.
    ///
    /// # Errors
    /// It does not.
    pub(super) fn check_knows(&self, largest: i64, folder: &Path) -> Result<()> {
        let n_known = match &self.texts {
            Texts::Listed(texts) => texts.len() as i64,
            Texts::Decoded(tokenizer) => tokenizer.get_vocab(true).values().max().map_or(0, |id| i64::from(*id) + 1),
        };
        if largest < n_known {
            return Ok(());
        }
        let folder = folder.display();
        let reason = format!("goes up to the token {}, {folder} has the token {largest}: another model's", n_known - 1);
        Err(Error::invalid(&self.path, reason))
    }
}

impl std::fmt::Debug for TokenTexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenTexts({})", self.path.display())
    }
}
