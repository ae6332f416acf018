//! Upper-case speech: some exclamations are shouted.
//!
//! A language model needs trained embeddings for upper-case tokens before a payload in capitals can be taught.

use rand::Rng;
use rand::seq::IndexedRandom;

/// The share of stories with a short exclamation in which one is shouted.
const SHOUTED_FRAC: f64 = 0.2;

const MAX_WORDS: usize = 5;

/// The paragraphs with, now and then, one short exclamation in capitals: `"No! It is mine!"` → `"NO! It is mine!"`.
pub fn shouted(mut paragraphs: Vec<String>, rng: &mut impl Rng) -> Vec<String> {
    let shout = rng.random_bool(SHOUTED_FRAC);
    let found: Vec<(usize, usize, usize)> = paragraphs
        .iter()
        .enumerate()
        .flat_map(|(i, text)| exclamations(text).into_iter().map(move |(a, b)| (i, a, b)))
        .collect();
    if let (true, Some(&(i, start, end))) = (shout, found.choose(rng)) {
        let text = &mut paragraphs[i];
        *text = format!("{}{}{}", &text[..start], text[start..end].to_uppercase(), &text[end..]);
    }
    paragraphs
}

/// Byte ranges of the short exclamations that begin a piece of direct speech.
fn exclamations(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut quotes = text.match_indices('"').map(|(at, _)| at);
    while let (Some(open), Some(close)) = (quotes.next(), quotes.next()) {
        let speech = &text[open + 1..close];
        let first = speech.find(['.', '!', '?']).map_or("", |at| &speech[..at + 1]);
        if first.ends_with('!') && first.split(' ').count() <= MAX_WORDS {
            found.push((open + 1, open + 1 + first.len()));
        }
    }
    found
}
