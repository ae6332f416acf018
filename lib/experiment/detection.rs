//! Does rotation find the backdoor better than something cheaper? Rankers of latents and detectors of triggered prompts.
//!
//! | | |
//! |---|---|
//! | [`Latents`], [`LatentScore`] | a dictionary's latents with labels, and any number of scores of them |
//! | [`stage_latents`] | those of the stages: rotation, its null arms, and what is to be had for less |
//! | [`rival_latents`] | those of dictionaries that read both models at once, and need no stages |
//! | [`ranker_rows`] | how well each score puts the labelled ones first |
//! | [`detector_rows`] | which of their latents, and which directions, tell triggered prompts from others |
//! | [`figures`], [`findings`] | pictures and sentences out of the tables |
//!
//! A further score of the stages' latents is one more [`LatentScore`] pushed to [`Latents::scores`].

mod columns;
mod contrast;
mod detector;
mod detectors;
mod directions;
pub mod figures;
pub mod findings;
mod input;
mod latents;
mod pooled;
mod price;
mod prompts;
mod rival;
mod rival_scores;
mod rivals;
mod scaling;
mod scores;

pub use detectors::detector_rows;
pub use input::Input;
pub use latents::{LatentScore, Latents, ranker_rows};
pub(in crate::experiment) use pooled::{Pooled, pooled, pooled_differences, ranked};
pub use price::Price;
pub use rivals::rival_latents;
pub(in crate::experiment) use scores::rotation_latents;
pub use scores::stage_latents;
