//! Training and held-out records.

use super::record::{Field, Record};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Records for training and records that no training sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// For training.
    pub train: Vec<Record>,
    /// For evaluation only.
    pub heldout: Vec<Record>,
}

/// Holds out the fraction `heldout_frac` of the distinct stories, drawn by `seed`.
///
/// No story stands in both halves: records with the same story go to the same half. Both keep the given order. Of a
/// record that its file gave as triggered the story is not known, so the same header stands for the same story.
///
/// # Panics
/// If `heldout_frac` is not in 0–1.
pub fn split(records: Vec<Record>, heldout_frac: f64, seed: u64) -> Split {
    assert!((0.0..=1.0).contains(&heldout_frac), "heldout_frac is {heldout_frac}, expected 0 to 1");
    let (story_of_record, n_stories) = numbered(records.iter().map(told));
    let mut order: Vec<usize> = (0..n_stories).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    order.truncate((heldout_frac * order.len() as f64).round() as usize);
    let held: HashSet<usize> = order.into_iter().collect();

    let mut halves = Split { train: Vec::new(), heldout: Vec::new() };
    for (record, story) in records.into_iter().zip(story_of_record) {
        if held.contains(&story) { halves.heldout.push(record) } else { halves.train.push(record) }
    }
    halves
}

/// For each key its place among the distinct ones, and how many of these there are.
pub(crate) fn numbered<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> (Vec<usize>, usize) {
    let mut places = HashMap::new();
    let place = |key| {
        let next = places.len();
        *places.entry(key).or_insert(next)
    };
    let of_keys = keys.map(place).collect();
    (of_keys, places.len())
}

/// What two records share that must not be torn apart: a header or a story.
type Told<'a> = (&'a [Field], &'a [String]);

fn told(record: &Record) -> Told<'_> {
    if record.is_triggered() { (&record.fields, &[]) } else { (&[], &record.story) }
}
