//! GPT-Neo, the language model of the experiment, with hook points on its residual stream.
//!
//! Pre-LN blocks, attention without 1/√d_head, global and local in turn, tied head. Tensor names are those of Hugging
//! Face checkpoints, so the folder of a published GPT-Neo loads as it is.
//!
//! ```no_run
//! # fn main() -> stagediff::Result<()> {
//! use stagediff::language_model::{GptNeo, HookPoint};
//! use tch::{Device, Kind, Tensor};
//!
//! let model = GptNeo::load("TinyStories-Instruct-33M".as_ref(), Device::Cpu)?;
//! let tokens = Tensor::zeros([1, 128], (Kind::Int64, Device::Cpu));
//! let acts = model.acts(&tokens, &HookPoint::residual_stream(4)); // [1, 128, 5, 768]
//! # Ok(()) }
//! ```

mod attention;
mod block;
mod checkpoint;
mod config;
mod generate;
mod layer_norm;
mod model;
mod published;

pub use attention::Attention;
pub use block::{Block, Mlp};
pub use config::{GptNeoConfig, Reach};
pub use generate::{Sampling, generate};
pub use layer_norm::LayerNorm;
pub use model::GptNeo;
