//! Numbers by regular expression: `rank_pattern` and `alpha_pattern`.

use regex::Regex;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::marker::PhantomData;

/// Numbers of layers whose names match: in the order of the file, the first that matches counts.
#[derive(Debug, Clone)]
pub(super) struct Pattern<T>(Vec<(Regex, T)>);

impl<T> Default for Pattern<T> {
    fn default() -> Pattern<T> {
        Pattern(Vec::new())
    }
}

impl<T: Copy> Pattern<T> {
    /// The number of a layer, if the pattern has one for it.
    pub fn of(&self, layer: &str) -> Option<T> {
        self.0.iter().find(|(regex, _)| regex.is_match(layer)).map(|(_, number)| *number)
    }

    /// All numbers.
    pub fn numbers(&self) -> impl Iterator<Item = T> {
        self.0.iter().map(|(_, number)| *number)
    }
}

/// PEFT matches a key against the end of a name, from a dot on (`get_pattern_key`).
fn at_end(key: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!(r"^(?:.*\.)?(?:{key})$"))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pattern<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Pattern<T>, D::Error> {
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

/// A map of the file with its keys in order, which a map in memory would not keep.
struct InOrder<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
    type Value = Pattern<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("numbers by names of layers")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pattern<T>, M::Error> {
        let mut numbers = Vec::new();
        while let Some((key, number)) = map.next_entry::<String, T>()? {
            numbers.push((at_end(&key).map_err(M::Error::custom)?, number));
        }
        Ok(Pattern(numbers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_matches_from_a_dot_on_counts() {
        let pattern: Pattern<i64> =
            serde_json::from_str(r#"{"v_proj": 2, "h.0.attn.attention.q_proj": 3, ".*q_proj": 4, "proj": 5}"#).unwrap();
        let of = |layer: &str| pattern.of(&format!("transformer.{layer}"));
        assert_eq!(of("h.1.attn.attention.v_proj"), Some(2));
        assert_eq!(of("h.0.attn.attention.q_proj"), Some(3));
        assert_eq!(of("h.10.attn.attention.q_proj"), Some(4));
        assert_eq!(of("h.1.attn.attention.k_proj"), None);
        assert!(serde_json::from_str::<Pattern<i64>>(r#"{"(": 2}"#).is_err());
    }
}
