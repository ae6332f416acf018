//! The characters of a built-in story, and the pronouns that go with them.

use super::words::WordList;
use rand::Rng;
use rand::seq::IndexedRandom;

/// Who may play the hero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeroKind {
    /// A girl or a boy.
    Child,
    /// An animal that speaks.
    Animal,
    /// Either.
    Any,
}

/// One character.
#[derive(Debug, Clone)]
pub struct Actor {
    name: String,
    kind: String,
    she: bool,
}

impl Actor {
    /// The actor's name, kind (`rabbit`) or pronoun.
    pub fn form(&self, form: &str) -> Option<&str> {
        let pronoun = |she, he| if self.she { she } else { he };
        Some(match form {
            "" => &self.name,
            "kind" => &self.kind,
            "he" => pronoun("she", "he"),
            "him" => pronoun("her", "him"),
            "his" => pronoun("her", "his"),
            "himself" => pronoun("herself", "himself"),
            _ => return None,
        })
    }
}

/// Hero, friend and the grown-up of a story.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Whom the story is about.
    pub hero: Actor,
    /// A second character of the same kind, often of the other sex, which keeps the pronouns clear.
    pub friend: Actor,
    /// A parent or grandparent, called `mom`, `grandpa`, …
    pub elder: Actor,
}

/// The share of stories whose friend is of the other sex than the hero.
const MIXED_FRAC: f64 = 0.8;

/// Grown-ups: what they are called, and whether it is a she; parents stand twice, so they come more often.
const ELDERS: [(&str, bool); 8] = [
    ("mom", true),
    ("mom", true),
    ("mommy", true),
    ("dad", false),
    ("dad", false),
    ("daddy", false),
    ("grandma", true),
    ("grandpa", false),
];

impl Cast {
    /// Draws the characters; names come from the lists `girl`, `boy`, `shebeast`, `hebeast`, kinds from `beast`.
    pub fn draw(rng: &mut impl Rng, kind: HeroKind, lists: &[WordList]) -> Cast {
        let animals = kind == HeroKind::Animal || kind == HeroKind::Any && rng.random_bool(0.4);
        let she = rng.random_bool(0.5);
        let friend_she = she != rng.random_bool(MIXED_FRAC);
        let hero = actor(rng, animals, she, lists);
        let mut friend = actor(rng, animals, friend_she, lists);
        while friend.name == hero.name || animals && friend.kind == hero.kind {
            friend = actor(rng, animals, friend_she, lists);
        }
        let (elder, elder_she) = ELDERS[rng.random_range(0..ELDERS.len())];
        Cast { hero, friend, elder: Actor { name: elder.into(), kind: elder.into(), she: elder_she } }
    }
}

fn actor(rng: &mut impl Rng, animal: bool, she: bool, lists: &[WordList]) -> Actor {
    let (names, kinds) = match (animal, she) {
        (true, true) => ("shebeast", "beast"),
        (true, false) => ("hebeast", "beast"),
        (false, true) => ("girl", "girl"),
        (false, false) => ("boy", "boy"),
    };
    let name = any(rng, names, lists);
    let kind = if animal { any(rng, kinds, lists) } else { kinds.into() };
    Actor { name, kind, she }
}

fn any(rng: &mut impl Rng, name: &str, lists: &[WordList]) -> String {
    let list = lists.iter().find(|list| list.name == name).map_or(&[][..], |list| &list.entries);
    list.choose(rng).map_or(String::new(), |entry| entry.forms[0].clone())
}
