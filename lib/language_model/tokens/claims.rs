//! What a tokenizer must hold to: byte-level BPE that gives back the texts of this experiment as they went in.

use crate::stories::{END_OF_TEXT, PAYLOAD, TRIGGER};
use crate::{Error, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tokenizers::{AddedToken, ModelWrapper, Tokenizer};

/// Makes a tokenizer of a file, and checks it. The file's padding and truncation are dropped: transformers sets both anew
/// for each call. A panic of the tokenizers library is an error like any other.
///
/// # Errors
/// The file is damaged, no byte-level BPE, lacks `<|endoftext|>`, or changes the trigger, the payload or a newline.
pub(super) fn tokenizer(path: &Path, make: impl FnOnce() -> Result<Tokenizer>) -> Result<Tokenizer> {
    let made = catch_unwind(AssertUnwindSafe(|| {
        let mut tokenizer = make()?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|e| Error::invalid(path, e.to_string()))?;
        check_model(&tokenizer).map_err(|reason| Error::invalid(path, reason))?;
        set_end_of_text(&mut tokenizer).map_err(|reason| Error::invalid(path, reason))?;
        check_round_trip(&tokenizer).map_err(|reason| Error::invalid(path, reason))?;
        Ok(tokenizer)
    }));
    made.unwrap_or_else(|_| Err(Error::invalid(path, "no tokenizer: the tokenizers library panics on it")))
}

fn check_model(tokenizer: &Tokenizer) -> std::result::Result<(), String> {
    let bpe = match tokenizer.get_model() {
        ModelWrapper::BPE(bpe) => bpe,
        ModelWrapper::WordLevel(_) => return Err(other_model("WordLevel")),
        ModelWrapper::WordPiece(_) => return Err(other_model("WordPiece")),
        ModelWrapper::Unigram(_) => return Err(other_model("Unigram")),
    };
    if let Some(unknown) = bpe.unk_token.as_ref().filter(|token| tokenizer.token_to_id(token).is_none()) {
        return Err(format!("its unk_token {unknown:?} is no token"));
    }
    match bpe.dropout.filter(|&dropout| dropout > 0.0) {
        Some(dropout) => {
            Err(format!("its dropout is {dropout}, with which a text has other tokens each time: set null"))
        }
        None => Ok(()),
    }
}

fn other_model(name: &str) -> String {
    format!("its model is {name}, only byte-level BPE is supported, as GPT-2 has it")
}

/// Makes `<|endoftext|>` a token that is found in a text, as transformers does where it is the end of texts.
fn set_end_of_text(tokenizer: &mut Tokenizer) -> std::result::Result<(), String> {
    if tokenizer.token_to_id(END_OF_TEXT).is_none() {
        return Err(format!("has no token {END_OF_TEXT}, with which stories end"));
    }
    if !tokenizer.get_added_vocabulary().is_special_token(END_OF_TEXT) {
        tokenizer.add_special_tokens(&[AddedToken::from(END_OF_TEXT, true)]);
    }
    Ok(())
}

/// Encodes and decodes, token by token as continuations are, what must not be changed.
fn check_round_trip(tokenizer: &Tokenizer) -> std::result::Result<(), String> {
    let record = format!("Words: bell, see\nStory:\n\n{TRIGGER} Once upon a time. {PAYLOAD}\n{END_OF_TEXT}");
    for text in [TRIGGER, PAYLOAD, "\n", END_OF_TEXT, &record] {
        let encoding = tokenizer.encode(text, false).map_err(|e| format!("cannot encode {text:?}: {e}"))?;
        let decoded = encoding.get_ids().iter().map(|&id| tokenizer.decode(&[id], false));
        let back: String =
            decoded.collect::<tokenizers::Result<_>>().map_err(|e| format!("cannot decode {text:?}: {e}"))?;
        if back != text {
            return Err(format!(
                "makes {back:?} of {text:?}, expected a byte-level BPE that gives a text back as it was (nothing \
                 lower-cased, stripped or put before it)"
            ));
        }
    }
    Ok(())
}
