//! Stories to train on: a generator of TinyStories-Instruct records, readers for real files, a held-out split.
//!
//! ```
//! let records = stagediff::stories::built_in(20, 0);
//! let halves = stagediff::stories::split(records, 0.1, 0);
//! assert_eq!((halves.train.len(), halves.heldout.len()), (18, 2));
//! ```
//!
//! The format is that of `roneneldan/TinyStoriesInstruct` (Eldan & Li 2023):
//! ```text
//! Features: Dialogue, Twist
//! Words: quit, oak, gloomy
//! Story:
//! Once upon a time, …
//! <|endoftext|>
//! ```
//! The built-in stories are written from plots (`stories/plot.rs` says how to add one); what a record's header promises is true
//! of its story, so there is something to learn from it.

mod cast;
mod generator;
mod header;
mod instruct;
mod parquet;
mod plain;
mod plot;
mod plots;
mod read;
mod record;
mod sample;
mod scene;
mod sentence;
mod shout;
mod source;
mod split;
mod transformed;
mod words;

pub use generator::built_in;
pub use read::{Form, Reader};
pub use record::{END_OF_TEXT, Feature, Field, Record};
pub use sample::{Sample, read, sample};
pub use split::{Split, split};
