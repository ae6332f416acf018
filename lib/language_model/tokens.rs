//! Texts as token ids: the tokenizer, rows to train and measure on, a corpus that stays in its file.

mod claims;
mod corpus;
mod gpt2;
mod packed;
mod rows;
mod tokenizer;

pub(crate) use corpus::corpus_file;
pub use corpus::{Corpus, corpus};
pub use packed::{Packed, packed};
pub use rows::TokenRows;
pub use tokenizer::Tokenizer;
pub(crate) use tokenizer::{CONFIG_FILE, TOKENIZER_FILE};
