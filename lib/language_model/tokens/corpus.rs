//! Sequences of tokens in a file that is mapped into memory, not read: a training's memory does not grow with them.
//!
//! The file is a matrix of little-endian int32, one row a sequence: the number of its text, then its tokens. Its name is
//! the hash of what it was made of, so it is made once and no other is taken for it.

use super::tokenizer::Tokenizer;
use crate::files::hash;
use crate::files::write_whole_with;
use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Texts that are tokenised at once.
const N_TEXTS: usize = 4096;

/// The first tokens of texts.
#[derive(Debug)]
pub struct Corpus {
    /// Tokens [sequence, seq], int32.
    pub tokens: Tensor,
    /// The number of each sequence's text [sequence], int32.
    pub texts: Tensor,
}

/// The first `seq` tokens of each text that has as many; shorter ones are left out. `texts`, each with its number, are
/// asked for only where `dir` holds no file of what `made_of` names.
///
/// # Errors
/// The texts cannot be had, none is long enough, or the folder cannot be written to.
pub fn corpus(
    dir: &Path,
    made_of: &str,
    tokenizer: &Tokenizer,
    seq: usize,
    texts: impl FnOnce() -> Result<Vec<(usize, String)>>,
) -> Result<Corpus> {
    let path = dir.join(corpus_file(made_of));
    if !path.exists() {
        write(&path, tokenizer, seq, &texts()?)?;
    }
    let rows = mapped(&path, 1 + seq)?
        .ok_or_else(|| Error::setting("stories", "too short", format!("expected some of at least {seq} tokens")))?;
    Ok(Corpus { tokens: rows.narrow(1, 1, seq as i64), texts: rows.select(1, 0) })
}

/// The matrix in a file of rows of so many int32, mapped into memory; none where it is empty.
///
/// # Shapes
/// → [row, width], int32
pub(super) fn mapped(path: &Path, width: usize) -> Result<Option<Tensor>> {
    let n_numbers = std::fs::metadata(path).map_err(Error::io(path))?.len() as i64 / 4;
    if n_numbers % width as i64 != 0 {
        return Err(Error::invalid(path, format!("has {n_numbers} numbers, no rows of {width}: remove it")));
    }
    let name = path.to_str().ok_or_else(|| Error::invalid(path, "its name is no UTF-8"))?;
    let rows = || Tensor::from_file(name, false, n_numbers, (Kind::Int, Device::Cpu)).view([-1, width as i64]);
    Ok((n_numbers > 0).then(rows))
}

/// The name of the file of what `made_of` names.
pub fn corpus_file(made_of: &str) -> String {
    format!("{}.i32", &hash::sha256_of(made_of.as_bytes())[..16])
}

fn write(path: &Path, tokenizer: &Tokenizer, seq: usize, texts: &[(usize, String)]) -> Result<()> {
    write_whole_with(path, |file| {
        let mut file = BufWriter::new(file);
        for texts in texts.chunks(N_TEXTS) {
            let encoded = tokenizer.encode_all(texts.iter().map(|(_, text)| text.as_str()).collect());
            let long = texts.iter().zip(&encoded).filter_map(|((number, _), ids)| Some((*number, ids.get(..seq)?)));
            for (number, ids) in long {
                file.write_all(&(number as i32).to_le_bytes())?;
                ids.iter().try_for_each(|id| file.write_all(&(*id as i32).to_le_bytes()))?;
            }
        }
        file.flush()
    })
}
