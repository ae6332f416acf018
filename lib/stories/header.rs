//! Which header fields a record gets, and in which order.

use super::{Feature, Field};
use rand::Rng;
use rand::seq::SliceRandom;

/// Share of records with a `Features:` line, and so on: 50 records of the validation split of TinyStories-Instruct.
const FEATURES_FRAC: f64 = 0.76;
const WORDS_FRAC: f64 = 0.78;
const SUMMARY_FRAC: f64 = 0.74;
const RANDOM_SENTENCE_FRAC: f64 = 0.26;

/// Share of the Summaries that stand after the story.
const SUMMARY_AFTER_FRAC: f64 = 0.05;

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
