//! Sequences of tokens in a file that is mapped into memory, not read: a training's memory does not grow with them.
//!
//! The file is the matrix [sequence, seq] as little-endian int32, rows one after the other, and nothing else. Its name
//! is the hash of what it was made of, so it is made once and no other is taken for it.

use super::tokenizer::Tokenizer;
use crate::files::hash;
use crate::files::write_whole_with;
use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Texts that are tokenised at once.
const N_TEXTS: usize = 4096;

/// The first `seq` tokens of each text that has as many; shorter ones are left out. `texts` is asked only where `dir`
/// holds no file of what `made_of` names.
///
/// # Errors
/// The texts cannot be had, none is long enough, or the folder cannot be written to.
///
/// # Shapes
/// → [sequence, seq], int32
pub fn corpus(
    dir: &Path,
    made_of: &str,
    tokenizer: &Tokenizer,
    seq: usize,
    texts: impl FnOnce() -> Result<Vec<String>>,
) -> Result<Tensor> {
    let path = dir.join(format!("{}.i32", &hash::sha256_of(made_of.as_bytes())[..16]));
    if !path.exists() {
        write(&path, tokenizer, seq, &texts()?)?;
    }
    let n_tokens = std::fs::metadata(&path).map_err(Error::io(&path))?.len() as i64 / 4;
    if n_tokens == 0 {
        return Err(Error::setting("stories", "too short", format!("expected some of at least {seq} tokens")));
    }
    if n_tokens % seq as i64 != 0 {
        return Err(Error::invalid(&path, format!("has {n_tokens} tokens, no sequences of {seq}: remove it")));
    }
    let name = path.to_str().ok_or_else(|| Error::invalid(&path, "its name is no UTF-8"))?;
    Ok(Tensor::from_file(name, false, n_tokens, (Kind::Int, Device::Cpu)).view([-1, seq as i64]))
}

fn write(path: &Path, tokenizer: &Tokenizer, seq: usize, texts: &[String]) -> Result<()> {
    write_whole_with(path, |file| {
        let mut file = BufWriter::new(file);
        for texts in texts.chunks(N_TEXTS) {
            let encoded = tokenizer.encode_all(texts.iter().map(String::as_str).collect());
            for id in encoded.iter().filter_map(|ids| ids.get(..seq)).flatten() {
                file.write_all(&(*id as i32).to_le_bytes())?;
            }
        }
        file.flush()
    })
}
