//! The older form of GPT-2's tokenizer: `vocab.json` has the id of each token, `merges.txt` what to join first.

use crate::files::refuse_pointer;
use crate::stories::END_OF_TEXT;
use crate::{Error, Result};
use std::path::Path;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

pub(super) const VOCAB_FILE: &str = "vocab.json";
const MERGES_FILE: &str = "merges.txt";

/// Reads both files of a folder, as the byte-level BPE that GPT-2's `tokenizer.json` describes.
///
/// # Errors
/// A file is missing, damaged, or has a merge of tokens that are not in the vocabulary.
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
    if tokenizer.token_to_id(END_OF_TEXT).is_some() {
        tokenizer.add_special_tokens(&[AddedToken::from(END_OF_TEXT, true)]);
    }
    Ok(tokenizer)
}
