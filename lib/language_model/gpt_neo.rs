//! GPT-Neo, the language model of the experiment, with hook points along its forward pass.

mod attention;
mod block;
mod checkpoint;
mod config;
mod config_json;
mod edit;
mod generate;
mod layer_norm;
mod model;
mod published;

pub use attention::Attention;
pub use block::{Block, Mlp};
pub use config::{GptNeoConfig, Reach};
pub use generate::{Prefill, Sampling, generate};
pub use layer_norm::LayerNorm;
pub use model::GptNeo;
