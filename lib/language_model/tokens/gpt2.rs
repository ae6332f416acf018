//! The older form of GPT-2's tokenizer: `vocab.json` has the id of each token, `merges.txt` what to join first,
//! `added_tokens.json` what was added to them later.

use crate::files::{read_text, refuse_pointer};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

pub(super) const VOCAB_FILE: &str = "vocab.json";
const MERGES_FILE: &str = "merges.txt";
const ADDED_FILE: &str = "added_tokens.json";

/// Reads the files of a folder, as the byte-level BPE that GPT-2's `tokenizer.json` describes.
///
/// # Errors
/// A file is missing or damaged, has a merge of tokens that are not in the vocabulary, or adds a token under an id that
/// is not the next.
pub(super) fn read(dir: &Path) -> Result<Tokenizer> {
    let (vocab, merges) = (dir.join(VOCAB_FILE), dir.join(MERGES_FILE));
    for path in [&vocab, &merges] {
        std::fs::File::open(path).map_err(Error::io(path))?;
        refuse_pointer(path)?;
    }
    let damaged =
        |e: tokenizers::Error| Error::invalid(dir, format!("{VOCAB_FILE} and {MERGES_FILE} make no tokenizer: {e}"));
    let bpe = BPE::from_file(&vocab.to_string_lossy(), &merges.to_string_lossy()).build().map_err(damaged)?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_post_processor(Some(ByteLevel::new(true, false, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    add_tokens(&mut tokenizer, &dir.join(ADDED_FILE))?;
    Ok(tokenizer)
}

/// Adds the tokens of `added_tokens.json`, where there is one, with the ids that it gives them.
fn add_tokens(tokenizer: &mut Tokenizer, path: &Path) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let ids: BTreeMap<String, u32> =
        serde_json::from_str(&read_text(path)?).map_err(|e| Error::invalid(path, e.to_string()))?;
    let mut in_order: Vec<(String, u32)> = ids.into_iter().collect();
    in_order.sort_by_key(|(_, id)| *id);
    for (token, id) in in_order {
        tokenizer.add_tokens(&[AddedToken::from(token.as_str(), false)]);
        let given = tokenizer.token_to_id(&token);
        if given != Some(id) {
            let expected = given.map_or("another".into(), |id| id.to_string());
            return Err(Error::invalid(path, format!("{token:?} has the id {id}, expected {expected}")));
        }
    }
    Ok(())
}
