//! Fills a plot's templates: `{slots}` and `[either|or]`.
//!
//! A slot is a character (`{hero}`, `{friend.his}`, `{he}` for the hero's pronoun) or a word list (`{toy}`, `{toy.s}` for
//! the plural, `{cry.ed}`, `{cry.ing}`, `{place.in}`, `{thing.1}` for a second form). The first use of a list draws a word, later ones
//! repeat it; `{toy2}` draws another. A capital letter in the slot gives a capital.

use super::cast::Cast;
use super::plot::Plot;
use super::words::{Class, Entry, WordList, capitalised};
use rand::Rng;
use rand::seq::IndexedRandom;
use std::collections::BTreeMap;

/// What a story has settled so far.
pub struct Scene<'a, R> {
    rng: &'a mut R,
    cast: Cast,
    plot: &'static str,
    lists: Vec<&'a WordList>,
    picked: BTreeMap<String, &'a Entry>,
    /// The nouns, verbs and adjectives that were drawn, in the form that was written.
    pub used: Vec<(Class, String)>,
}

impl<'a, R: Rng> Scene<'a, R> {
    /// A scene in which nothing but the cast is settled; a plot's lists come before shared ones of the same name.
    pub fn new(rng: &'a mut R, cast: Cast, plot: &'a Plot, shared: &'a [WordList]) -> Self {
        let lists = plot.lists.iter().chain(shared).collect();
        Scene { rng, cast, plot: plot.name, lists, picked: BTreeMap::new(), used: Vec::new() }
    }

    /// The random numbers, for what is drawn between templates.
    pub fn rng(&mut self) -> &mut R {
        self.rng
    }

    /// The template with every choice made and every slot filled.
    ///
    /// # Panics
    /// If the template is malformed or names an unknown slot: a mistake in a plot's file.
    pub fn fill(&mut self, template: &str) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some(at) = rest.find(['{', '[']) {
            filled.push_str(&rest[..at]);
            let (inner, after) = bracketed(&rest[at..]);
            if rest[at..].starts_with('{') {
                filled.push_str(&self.slot(inner));
            } else {
                let choices = alternatives(inner);
                let choice = choices.choose(self.rng).copied().unwrap_or("");
                filled.push_str(&self.fill(choice));
            }
            rest = after;
        }
        filled + rest
    }

    fn slot(&mut self, slot: &str) -> String {
        let lower = slot.to_lowercase();
        let (name, form) = lower.split_once('.').unwrap_or((&lower, ""));
        let actor = match name {
            "hero" => self.cast.hero.form(form),
            "friend" => self.cast.friend.form(form),
            "elder" => self.cast.elder.form(form),
            pronoun => self.cast.hero.form(pronoun),
        };
        let word = match actor.map(String::from) {
            Some(word) => word,
            None => self.word(name, form),
        };
        if slot.contains(char::is_uppercase) { capitalised(&word) } else { word }
    }

    fn word(&mut self, name: &str, form: &str) -> String {
        let list_name = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let Some(list) = self.lists.iter().copied().find(|list| list.name == list_name) else {
            panic!("plot {}: no word list {list_name:?}", self.plot)
        };
        let entry = match self.picked.get(name) {
            Some(entry) => entry,
            None => self.pick(name, list),
        };
        let form_idx = match form {
            "" => 0,
            "s" | "ed" | "in" | "1" => 1,
            "ing" | "2" => 2,
            _ => 3,
        };
        let Some(word) = entry.forms.get(form_idx) else {
            panic!("plot {}: {name:?} has no form {form:?}: {:?}", self.plot, entry.forms)
        };
        let word = self.fill(word);
        self.used.push((list.class, word.clone()));
        word
    }

    /// Draws an entry that no other slot of the story has, so long as the list has one.
    fn pick(&mut self, name: &str, list: &'a WordList) -> &'a Entry {
        let taken = |entry: &&Entry| self.picked.values().any(|other| other.forms[0] == entry.forms[0]);
        let free: Vec<&Entry> = list.entries.iter().filter(|entry| !taken(entry)).collect();
        let Some(entry) = free.choose(self.rng).copied().or(list.entries.first()) else {
            panic!("plot {}: word list {:?} is empty", self.plot, list.name)
        };
        self.picked.insert(name.to_string(), entry);
        entry
    }
}

/// The text within the brackets that `text` begins with, and what follows them.
fn bracketed(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    panic!("brackets are not closed: {text}")
}

/// The alternatives of `a|b [c|d]|`: `|` within inner brackets does not count.
fn alternatives(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            '|' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found.push(&text[start..]);
    found
}
