//! Texts as token ids: the tokenizer, rows to train and measure on, a corpus that stays in its file.

mod corpus;
mod gpt2;
mod rows;
mod tokenizer;

pub use corpus::{Corpus, corpus};
pub use rows::TokenRows;
pub(crate) use tokenizer::TOKENIZER_FILE;
pub use tokenizer::Tokenizer;
