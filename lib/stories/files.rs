//! Story files: which form they have, and their records, one after the other.

mod instruct;
mod parquet;
mod plain;
mod reader;
mod sample;
mod source;
mod transformed;
mod usable;

pub use reader::{Form, Reader};
pub use sample::{Sample, read, sample};
