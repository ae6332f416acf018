//! Records of a plain TinyStories file, with derived headers.

use super::source::Chunk;
use crate::error::Result;
use crate::stories::header::{self, Facts, N_WORDS, content_words, random_sentence};
use crate::stories::record::{Feature, Record};
use crate::stories::sentence::{ends_sentence, has_dialogue, sentences};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;

/// A word in fewer stories than this is taken for a slip or a name, and chosen only where nothing better is left.
const MIN_STORIES_PER_WORD: usize = 4;
/// The headers say something about the stories, not about a run: the same file gives the same headers.
const SEED: u64 = 0;

/// The stories of a file, in its order, without headers.
pub fn records(chunks: impl Iterator<Item = Result<Chunk>>) -> impl Iterator<Item = Result<Record>> {
    let is_cut = |chunk: &Result<Chunk>| chunk.as_ref().is_ok_and(|chunk| !is_complete(chunk));
    chunks.filter(move |chunk| !is_cut(chunk)).map(|chunk| Ok(headless(chunk?)))
}

/// The records with headers, from each one's place in its file and its story.
pub fn with_headers(records: Vec<(usize, Record)>) -> Vec<Record> {
    let mut n_stories: HashMap<String, usize> = HashMap::new();
    for word in records.iter().flat_map(|(_, record)| content_words(&record.story)) {
        *n_stories.entry(word).or_default() += 1;
    }
    records.into_iter().map(|(place, headless)| record(place, headless.story, &n_stories)).collect()
}

fn is_complete(chunk: &Chunk) -> bool {
    chunk.ended || chunk.lines.last().is_some_and(|line| ends_sentence(&line.text))
}

fn headless(chunk: Chunk) -> Record {
    let story = chunk.lines.into_iter().map(|line| line.text).collect();
    Record { fields: Vec::new(), story, fields_after: Vec::new(), derived: true }
}

fn record(place: usize, story: Vec<String>, n_stories: &HashMap<String, usize>) -> Record {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    rng.set_stream(place as u64);
    let facts = Facts {
        features: if has_dialogue(&story.join(" ")) { vec![Feature::Dialogue] } else { Vec::new() },
        words: rare_words(&story, n_stories),
        summary: extract(&story),
        random_sentence: random_sentence(&mut rng, &story),
    };
    let (fields, fields_after) = header::draw(&mut rng, facts);
    Record { fields, story, fields_after, derived: true }
}

/// The three rarest content words that the file does not have only once or twice.
fn rare_words(story: &[String], n_stories: &HashMap<String, usize>) -> Vec<String> {
    let count = |word: &String| n_stories.get(word).copied().unwrap_or(0);
    let mut candidates: Vec<String> = content_words(story).into_iter().collect();
    candidates.sort_by_key(|word| match count(word) {
        n if n >= MIN_STORIES_PER_WORD => (0, n),
        n => (1, usize::MAX - n),
    });
    candidates.truncate(N_WORDS);
    candidates
}

/// The first and the last sentence.
fn extract(story: &[String]) -> String {
    let first = story.first().and_then(|line| sentences(line).first().copied()).unwrap_or("");
    let last = story.last().and_then(|line| sentences(line).last().copied()).unwrap_or("");
    if first == last { first.into() } else { format!("{first} {last}") }
}
