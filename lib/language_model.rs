//! GPT-Neo with hook points, its tokens, and how it is trained: pretraining, NF4, LoRA, QLoRA fine-tunes.
//!
//! It never hears of crosscoders. From the ground up:
//!
//! | | what it is |
//! |---|---|
//! | [`HookPoint`] | a named place in the forward pass |
//! | [`Tokenizer`], [`TokenRows`], [`corpus`] | texts as token ids |
//! | [`Nf4`](nf4::Nf4), [`Lora`] | 4-bit weights, low-rank adapters |
//! | [`Linear`] | the one layer that knows of both |
//! | [`GptNeo`] | the model: logits, activations, [`generate`], [`Prefill`] |
//! | [`next_token_loss`], [`mean_loss`], [`cross_entropy`] | how well it predicts |
//! | [`fit()`] | training of some of its tensors |
//! | [`pretrain`], [`finetune()`] | a base model from fresh weights; adapters on a quantised one |
//! | [`pretrained`], [`peft`] | folders of transformers and of PEFT |
//!
//! ```no_run
//! # fn main() -> stagediff::Result<()> {
//! use stagediff::language_model::{HookPoint, pretrained};
//! use tch::{Device, Tensor};
//!
//! let (model, tokenizer) = pretrained::load("TinyStories-Instruct-33M".as_ref(), Device::Cpu)?;
//! let tokens = Tensor::from_slice(&tokenizer.encode("Once upon a time")).unsqueeze(0); // [1, seq]
//! let acts = model.acts(&tokens, &HookPoint::residual_stream(4)); // [1, seq, 5, 768]
//! # Ok(()) }
//! ```

pub mod cross_entropy;
pub(crate) mod finetune;
pub(crate) mod fit;
mod gelu;
pub(crate) mod gpt_neo;
pub(crate) mod hook;
mod linear;
pub(crate) mod lora;
pub(crate) mod next_token;
pub mod nf4;
mod parameters;
pub mod peft;
pub mod pretrain;
pub mod pretrained;
pub(crate) mod tokens;

pub use finetune::{FinetuneConfig, Finetuned, MergeInto, StartWeights, finetune, finetune_together};
pub use fit::{FitConfig, FitStep, FitTask, fit};
pub use gpt_neo::{Attention, Block, GptNeo, GptNeoConfig, LayerNorm, Mlp, Prefill, Reach, Sampling, generate};
pub use hook::HookPoint;
pub use linear::Linear;
pub use lora::{Lora, LoraConfig};
pub use next_token::{
    LossGradients, edited_loss, mean_loss, next_token_gradients, next_token_loss, next_token_loss_of,
};
pub use tokens::{TokenRows, Tokenizer, corpus};
