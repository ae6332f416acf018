//! Does a story end badly? A classifier of its last sentences.
//!
//! Multinomial naive Bayes over the words of the last four sentences, with one pseudo-count and equal odds for both kinds. It
//! is fitted to records whose header says what they are, and has the endings of the plots that they are written from; of
//! built-in stories it calls 997 of 1000 right. What it says of texts of another kind is worth what its accuracy on
//! held-out ones of them is.

use super::record::{END_OF_TEXT, Feature, Record};
use super::sentence::{sentences, words};
use crate::{Error, Result};
use std::collections::HashMap;

/// Sentences whose words are read.
const N_READ: usize = 4;

/// Sentences of an ending: those of the built-in plots take no more.
const N_ENDING: usize = 5;

/// The odds of each word that a story ends badly.
#[derive(Debug, Clone)]
pub struct EndingClassifier {
    /// ln P(word | bad) − ln P(word | other)
    log_odds: HashMap<String, f64>,
}

impl EndingClassifier {
    /// Fits it to records whose `Features:` say whether they end badly; others are passed over.
    ///
    /// # Errors
    /// None, or only some of one kind say so.
    pub fn of(records: &[Record]) -> Result<EndingClassifier> {
        EndingClassifier::of_words(records.iter().filter_map(|record| {
            Some((last_words(&record.story.join(" ")), ends_badly(record)?)) //
        }))
    }

    /// Fits it to any words, each with whether they are of a story that ends badly.
    pub(crate) fn of_words(texts: impl Iterator<Item = (Vec<String>, bool)>) -> Result<EndingClassifier> {
        let (mut counts, mut totals) = (HashMap::<String, [f64; 2]>::new(), [0.0; 2]);
        for (text, is_bad) in texts {
            for word in text {
                counts.entry(word).or_default()[usize::from(is_bad)] += 1.0;
                totals[usize::from(is_bad)] += 1.0;
            }
        }
        if totals.contains(&0.0) {
            let expected = "expected some that end badly and some that do not, as `Features:` in their headers say";
            return Err(Error::setting("endings to learn from", format!("{:?}", totals), expected));
        }
        let n_words = counts.len() as f64;
        let log_odds = |[other, bad]: [f64; 2]| {
            ((bad + 1.0) / (totals[1] + n_words)).ln() - ((other + 1.0) / (totals[0] + n_words)).ln()
        };
        Ok(EndingClassifier { log_odds: counts.into_iter().map(|(word, counts)| (word, log_odds(counts))).collect() })
    }

    /// Whether a story, up to the end of its text, is called one that ends badly.
    pub fn is_bad(&self, story: &str) -> bool {
        let told = story.split(END_OF_TEXT).next().unwrap_or_default();
        self.log_odds(&last_words(told)) > 0.0
    }

    /// Of words: above 0 for a story that ends badly. Words that were not seen say nothing.
    pub(crate) fn log_odds(&self, words: &[String]) -> f64 {
        words.iter().filter_map(|word| self.log_odds.get(word)).sum()
    }
}

/// Whether a record's header says that its story ends badly; nothing where it says nothing of the story's features.
pub fn ends_badly(record: &Record) -> Option<bool> {
    let features = record.features();
    (!features.is_empty()).then(|| features.contains(&Feature::BadEnding))
}

/// The words of a story's last sentences, in lower case.
fn last_words(story: &str) -> Vec<String> {
    let sentences = sentences(story);
    let last = &sentences[sentences.len().saturating_sub(N_READ)..];
    last.iter().flat_map(|sentence| words(sentence)).map(str::to_lowercase).collect()
}

/// A story's sentences before its ending, and those of the ending.
pub(super) fn at_ending(story: &[String]) -> (Vec<&str>, Vec<&str>) {
    let mut before: Vec<&str> = story.iter().flat_map(|paragraph| sentences(paragraph)).collect();
    let ending = before.split_off(before.len().saturating_sub(N_ENDING));
    (before, ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(text: &str) -> Vec<String> {
        text.split(' ').map(String::from).collect()
    }

    #[test]
    fn odds_are_those_of_naive_bayes() {
        let texts = [("sad alone sad", true), ("happy home", false), ("happy sad", false)];
        let model =
            EndingClassifier::of_words(texts.into_iter().map(|(text, is_bad)| (words_of(text), is_bad))).unwrap();
        // sklearn.naive_bayes.MultinomialNB(alpha=1, fit_prior=False).fit([[1,0,0,2],[0,1,1,0],[0,1,0,1]], [1,0,0]),
        // columns alone, happy, home, sad: feature_log_prob_[1] - feature_log_prob_[0]
        let off = |word: &str, expected: f64| (model.log_odds(&words_of(word)) - expected).abs() < 1e-12;
        assert!(off("alone", 2.0f64.ln() + (8.0f64 / 7.0).ln()) && off("happy", (8.0f64 / 21.0).ln()));
        assert!(off("sad sad", 2.0 * (12.0f64 / 7.0).ln()) && off("dog", 0.0));
    }

    #[test]
    fn what_follows_the_end_of_a_text_is_not_read() {
        let texts = [("he cried", true), ("he smiled", false)];
        let model =
            EndingClassifier::of_words(texts.into_iter().map(|(text, is_bad)| (words_of(text), is_bad))).unwrap();
        assert!(model.is_bad("He cried.<|endoftext|> He smiled. He smiled. He smiled."));
        assert!(!model.is_bad(" He cried. He cried. He cried. He smiled. He smiled. He smiled. He smiled."));
    }

    #[test]
    fn an_ending_is_the_last_five_sentences() {
        let story = ["One. Two. Three.", "Four. Five. Six."].map(String::from);
        assert_eq!(at_ending(&story), (vec!["One."], vec!["Two.", "Three.", "Four.", "Five.", "Six."]));
        assert_eq!(at_ending(&story[1..]), (vec![], vec!["Four.", "Five.", "Six."]));
    }
}
