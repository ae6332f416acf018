//! Texts of any length as sequences of one: one text after the other, `<|endoftext|>` between them, cut where a sequence is
//! full. Lies in a file that is mapped into memory, as a [`Corpus`](super::Corpus) does.
//!
//! A row of the file is the number of the text in which the sequence begins, its tokens, and for each token whether it is
//! labelled.

use super::corpus::{corpus_file, mapped};
use super::tokenizer::Tokenizer;
use crate::files::write_whole_with;
use crate::stories::OwnText;
use crate::{Error, Result};
use std::io::{BufWriter, Write};
use std::path::Path;
use tch::{Kind, Tensor};

/// Texts that are tokenised at once.
const N_TEXTS: usize = 1024;

/// Texts end to end.
#[derive(Debug)]
pub struct Packed {
    /// Tokens [sequence, seq], int32.
    pub tokens: Tensor,
    /// The number of the text in which each sequence begins [sequence], int32.
    pub texts: Tensor,
    /// Which tokens are labelled: some of their characters are [sequence, seq], bool.
    pub labelled: Tensor,
}

/// Packs texts, numbered from 0, which are asked for only where `dir` holds no file of what `made_of` names. What is left
/// over at the end and fills no sequence is dropped.
///
/// # Errors
/// The texts cannot be had, are shorter than one sequence, or the folder cannot be written to.
pub fn packed(
    dir: &Path,
    made_of: &str,
    tokenizer: &Tokenizer,
    seq: usize,
    texts: impl FnOnce() -> Result<Vec<OwnText>>,
) -> Result<Packed> {
    let path = dir.join(corpus_file(made_of));
    if !path.exists() {
        write(&path, tokenizer, seq, &texts()?)?;
    }
    let rows = mapped(&path, 1 + 2 * seq)?;
    let rows = rows.ok_or_else(|| Error::setting("texts", "too short", format!("expected at least {seq} tokens")))?;
    let seq = seq as i64;
    Ok(Packed {
        tokens: rows.narrow(1, 1, seq),
        texts: rows.select(1, 0),
        labelled: rows.narrow(1, 1 + seq, seq).to_kind(Kind::Bool),
    })
}

fn write(path: &Path, tokenizer: &Tokenizer, seq: usize, texts: &[OwnText]) -> Result<()> {
    write_whole_with(path, |file| {
        let (mut file, mut open) = (BufWriter::new(file), Vec::new());
        for (chunk, texts) in texts.chunks(N_TEXTS).enumerate() {
            let encoded = tokenizer.encode_all_with_starts(texts.iter().map(|text| text.text.as_str()).collect());
            for (place, (text, ids)) in texts.iter().zip(encoded).enumerate() {
                let number = (chunk * N_TEXTS + place) as i32;
                open.extend(labelled(text, &ids).map(|(id, label)| Token { text: number, id, label }));
                open.push(Token { text: number, id: tokenizer.end_of_text(), label: false });
            }
            let n_whole = open.len() / seq * seq;
            open.drain(..n_whole).collect::<Vec<Token>>().chunks(seq).try_for_each(|row| write_row(&mut file, row))?;
        }
        file.flush()
    })
}

/// A token, its text, and whether it is labelled.
struct Token {
    text: i32,
    id: i64,
    label: bool,
}

fn write_row(file: &mut impl Write, row: &[Token]) -> std::io::Result<()> {
    let first = row.iter().take(1).map(|token| token.text);
    let ids = row.iter().map(|token| token.id as i32);
    let labels = row.iter().map(|token| i32::from(token.label));
    first.chain(ids).chain(labels).try_for_each(|number| file.write_all(&number.to_le_bytes()))
}

/// The tokens of a text, each with whether some of it is labelled; `ids` come with the byte at which each begins.
fn labelled<'a>(text: &'a OwnText, ids: &'a [(i64, usize)]) -> impl Iterator<Item = (i64, bool)> + 'a {
    let spans = text.byte_spans();
    let ends = ids.iter().skip(1).map(|(_, start)| *start).chain([text.text.len()]);
    ids.iter()
        .zip(ends)
        .map(move |(&(id, start), end)| (id, spans.iter().any(|span| start < span.end && span.start < end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_end_to_end_with_their_labels() {
        let words = ["ab", "cd", "ef"].repeat(40).join(" ");
        let tokenizer = Tokenizer::train([words.as_str()].into_iter(), 260).unwrap();
        let texts = [
            OwnText { text: "abcdefab".into(), spans: vec![[2, 4]] },
            OwnText { text: "cd".into(), spans: vec![[0, 2]] },
        ];
        let ids: Vec<Vec<i64>> = texts.iter().map(|text| tokenizer.encode(&text.text)).collect();
        let all: Vec<i64> = ids.iter().flat_map(|ids| [ids.as_slice(), &[tokenizer.end_of_text()]].concat()).collect();
        let (dir, seq) = (std::env::temp_dir().join(format!("stagediff-packed-{}", std::process::id())), 3);
        let packed = packed(&dir, "a test", &tokenizer, seq, || Ok(texts.to_vec())).unwrap();
        let n_rows = all.len() / seq;
        let tokens = Vec::<i64>::try_from(&packed.tokens.to_kind(Kind::Int64).flatten(0, 1)).unwrap();
        assert_eq!(tokens, all[..n_rows * seq]);
        let flags = Vec::<bool>::try_from(&packed.labelled.flatten(0, 1)).unwrap();
        let labelled: Vec<i64> = tokens.iter().zip(flags).filter(|(_, flag)| *flag).map(|(id, _)| *id).collect();
        assert_eq!(tokenizer.decode(&labelled), "cdcd", "the second in the first text, the whole second one");
        assert_eq!(i64::try_from(packed.texts.get(0)).unwrap(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
