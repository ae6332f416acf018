//! Plots: what may happen in a built-in story, and in which words.
//!
//! A plot is a text file in `plots/`:
//! ```text
//! hero: child                                   who plays it: child, animal or any
//! noun spot: sofa, bed, old box/old boxes       word lists of its own, as in words.txt
//! ## start                                      a beat that begins a paragraph; its lines are alternatives
//! {Oneday}, {hero} [lost|could not find] {his} {toy}.
//! # cry maybe 50                                a beat that goes on with the paragraph (unless it begins with speech),
//!                                               in half the stories
//! {He} {cry.ed}. "Where is my {toy}?" {he} asked.
//! {He} {cry.ed}.
//! ## end if bad                                 only in stories with this outline
//! {He} never found it.
//! # use sad_end                                 beats of plots/shared.txt
//! @ summary if bad                              for the header
//! {hero} loses a {toy} and never finds it.
//! ```
//! Outline words: `good`, `bad`, `twist` (one of the three), `hint`, `conflict`, `moral`; `a b` is a or b, `a&b` is
//! both, `!a` is not a. Every beat needs an alternative without quotation marks, for stories without dialogue.

use super::cast::HeroKind;
use super::words::WordList;
use crate::stories::record::Feature;
use crate::stories::sentence::has_dialogue;
use rand::Rng;
use rand::seq::IndexedRandom;

/// A plot, read from its file.
#[derive(Debug)]
pub struct Plot {
    /// The file's name.
    pub name: &'static str,
    /// Who plays it.
    pub hero: HeroKind,
    /// Its own word lists.
    pub lists: Vec<WordList>,
    /// In the order of the story.
    pub beats: Vec<Beat>,
    /// For the Summary: `summary`, and `detail` for a longer one.
    pub notes: Vec<Beat>,
}

/// Something that happens, in several wordings.
#[derive(Debug, Clone)]
pub struct Beat {
    /// For the reader of the file.
    pub name: &'static str,
    /// Whether a paragraph begins here.
    pub paragraph: bool,
    /// In which outlines it happens.
    condition: Vec<&'static str>,
    /// In which share of these.
    frac: f64,
    /// The wordings: templates.
    pub lines: Vec<&'static str>,
}

/// The features that a story is written to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    /// May be any but BadEnding and Twist together.
    pub features: Vec<Feature>,
}

impl Outline {
    /// Whether the story is to have this feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    fn is(&self, word: &str) -> bool {
        match word {
            "bad" => self.has(Feature::BadEnding),
            "twist" => self.has(Feature::Twist),
            "good" => !self.has(Feature::BadEnding) && !self.has(Feature::Twist),
            "hint" => self.has(Feature::Foreshadowing),
            "conflict" => self.has(Feature::Conflict),
            "moral" => self.has(Feature::MoralValue),
            _ => word.strip_prefix('!').is_some_and(|negated| !self.is(negated)),
        }
    }
}

impl Plot {
    /// Reads a plot's file; `use` lines are replaced by the beats of that name in `shared`.
    pub fn parse(name: &'static str, text: &'static str, shared: &[Beat]) -> Plot {
        let mut plot = Plot { name, hero: HeroKind::Any, lists: Vec::new(), beats: Vec::new(), notes: Vec::new() };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let mark = line.split(' ').next().unwrap_or("");
            match mark {
                "#" | "##" | "@" => {
                    let beat = Beat::parse(mark == "##", line[mark.len()..].trim(), shared);
                    if mark == "@" { plot.notes.push(beat) } else { plot.beats.push(beat) }
                }
                "hero:" => plot.hero = hero_kind(line),
                _ if plot.beats.is_empty() => plot.lists.extend(WordList::parse(line)),
                _ => plot.notes.last_mut().or(plot.beats.last_mut()).into_iter().for_each(|beat| beat.lines.push(line)),
            }
        }
        plot
    }
}

fn hero_kind(line: &str) -> HeroKind {
    match line.split_once(": ") {
        Some((_, "child")) => HeroKind::Child,
        Some((_, "animal")) => HeroKind::Animal,
        _ => HeroKind::Any,
    }
}

impl Beat {
    /// The beat of a line `name`, `name if bad twist`, `name maybe 30`, `use shared_name if good maybe 50`.
    fn parse(paragraph: bool, head: &'static str, shared: &[Beat]) -> Beat {
        let (head, percent) = head.split_once(" maybe ").unwrap_or((head, "100"));
        let (name, condition) = head.split_once(" if ").unwrap_or((head, ""));
        let used = name.strip_prefix("use ").and_then(|used| shared.iter().find(|beat| beat.name == used));
        Beat {
            name,
            paragraph,
            condition: condition.split_whitespace().collect(),
            frac: percent.parse().unwrap_or(100.0) / 100.0,
            lines: used.map_or(Vec::new(), |beat| beat.lines.clone()),
        }
    }

    /// Whether it may happen in a story with this outline.
    pub fn fits(&self, outline: &Outline) -> bool {
        let holds = |alternative: &str| alternative.split('&').all(|word| outline.is(word));
        self.condition.is_empty() || self.condition.iter().any(|alternative| holds(alternative))
    }

    /// Draws whether it happens and in which wording: with speech where the outline asks for it, mostly.
    pub fn draw(&self, rng: &mut impl Rng, outline: &Outline) -> Option<&'static str> {
        if !self.fits(outline) || !rng.random_bool(self.frac) {
            return None;
        }
        let (spoken, told): (Vec<_>, Vec<_>) = self.lines.iter().copied().partition(|line| has_dialogue(line));
        let speak =
            outline.has(Feature::Dialogue) && !spoken.is_empty() && (told.is_empty() || rng.random_bool(SPOKEN_FRAC));
        if speak { spoken.choose(rng).copied() } else { told.choose(rng).copied() }
    }
}

/// In a story with dialogue, the share of beats with spoken wordings for which one of them is taken.
const SPOKEN_FRAC: f64 = 0.65;
