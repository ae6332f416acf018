//! Story files: which form they have, and their records, one after the other.

mod ahead;
mod column;
mod inline;
mod instruct;
mod json;
mod json_type;
pub(crate) mod kind;
mod lines;
mod own;
mod parquet;
mod plain;
mod published;
mod reader;
mod row;
mod rows;
mod sample;
mod source;
mod transformed;
mod usable;

pub use own::{OwnSample, OwnText, own_texts};
pub use reader::{Form, Reader};
pub use sample::{Sample, read, sample};
