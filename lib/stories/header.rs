//! What a header says of a story: which words and which sentence of it, which fields, and in which order.

use super::record::{Feature, Field};
use super::sentence::{sentences, words};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Share of records with a `Features:` line, and so on: 50 records of the validation split of TinyStories-Instruct.
const FEATURES_FRAC: f64 = 0.76;
const WORDS_FRAC: f64 = 0.78;
const SUMMARY_FRAC: f64 = 0.74;
const RANDOM_SENTENCE_FRAC: f64 = 0.26;

/// Share of the Summaries that stand after the story.
const SUMMARY_AFTER_FRAC: f64 = 0.05;

/// Words in a `Words:` line.
pub const N_WORDS: usize = 3;

/// Words too common to say anything; the length limit of [`is_content`] keeps out the shorter ones.
const COMMON: &str = "about after again also always around asked away back because been before called came come could \
    couldn't didn't does doesn't don't down each even ever every everyone felt found from gave goes going gone good \
    have having here into it's just knew know let's like liked little lived long look looked loved made make many more \
    most much must named need never next nice once only other over people play played really said saved should some \
    someone something soon started still such suddenly take than that that's their them then there these they they're \
    thing things think this those thought time told took tried upon very want wanted wasn't went were what when where \
    which while will with would wouldn't your";

/// Share of all records whose `Features:` line has this feature, from the same 50.
pub fn feature_frac(feature: Feature) -> f64 {
    match feature {
        Feature::Dialogue => 0.54,
        Feature::Twist => 0.20,
        Feature::BadEnding => 0.12,
        Feature::Foreshadowing => 0.10,
        Feature::Conflict => 0.08,
        Feature::MoralValue => 0.06,
    }
}

/// Everything that a header could say of a story.
pub struct Facts {
    /// True of the story; may be empty.
    pub features: Vec<Feature>,
    /// Occur in the story.
    pub words: Vec<String>,
    /// What happens.
    pub summary: String,
    /// A sentence of the story.
    pub random_sentence: String,
}

/// Draws which facts are told and in which order: `(fields before the story, fields after it)`.
///
/// At least one field stands before the story.
pub fn draw(rng: &mut impl Rng, facts: Facts) -> (Vec<Field>, Vec<Field>) {
    let told = [FEATURES_FRAC, WORDS_FRAC, SUMMARY_FRAC, RANDOM_SENTENCE_FRAC].map(|frac| rng.random_bool(frac));
    let summary_last = rng.random_bool(SUMMARY_AFTER_FRAC);
    let mut order = [0, 1, 2, 3];
    order.shuffle(rng);

    let all = [
        Field::Features(facts.features),
        Field::Words(facts.words),
        Field::Summary(facts.summary),
        Field::RandomSentence(facts.random_sentence),
    ];
    let drawn = order.iter().filter(|&&i| told[i] && !all[i].value().is_empty()).map(|&i| all[i].clone());
    let is_last = |field: &Field| summary_last && matches!(field, Field::Summary(_));
    let (after, mut before): (Vec<_>, Vec<_>) = drawn.partition(is_last);
    if before.is_empty() {
        let [_, words, summary, sentence] = all;
        before.push(if after.is_empty() {
            summary
        } else if words.value().is_empty() {
            sentence
        } else {
            words
        });
    }
    (before, after)
}

/// The words of a story that might stand in a `Words:` line, each once.
///
/// A word with a capital may be a name or only the first of its sentence, so it does not count.
pub fn content_words(story: &[String]) -> BTreeSet<String> {
    story.iter().flat_map(|line| words(line)).filter(|word| is_content(word)).map(String::from).collect()
}

fn is_content(word: &str) -> bool {
    let n_letters = word.chars().count();
    (4..=12).contains(&n_letters)
        && word.chars().all(|c| c.is_ascii_lowercase())
        && !COMMON.split(' ').any(|common| common == word)
}

/// Any sentence of at least four words; of a story without one, the longest.
pub fn random_sentence(rng: &mut impl Rng, story: &[String]) -> String {
    let mut all: Vec<&str> = story.iter().flat_map(|line| sentences(line)).collect();
    all.sort_by_key(|sentence| Reverse(words(sentence).count()));
    let n_long = all.iter().filter(|sentence| words(sentence).count() >= 4).count().max(1);
    all.truncate(n_long);
    all.choose(rng).map_or(String::new(), |sentence| sentence.to_string())
}
