//! GPT-Neo with hook points, its tokens, and how it is trained: pretraining, NF4, LoRA, QLoRA fine-tunes.
//!
//! It never hears of crosscoders.

pub mod cross_entropy;
pub mod finetune;
pub mod fit;
mod gelu;
pub mod gpt_neo;
pub mod hook;
pub mod linear;
pub mod lora;
pub mod next_token;
pub mod nf4;
pub mod pretrain;
pub mod pretrained;
pub mod tokens;
