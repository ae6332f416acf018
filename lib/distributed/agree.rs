//! Processes that are to do the same compare what they are about to do, before they do it.

use super::ProcessGroup;
use crate::Result;
use std::collections::BTreeMap;

impl ProcessGroup {
    /// Compares texts by name with those of the other processes.
    ///
    /// # Errors
    /// One differs: it is named with both values and ranks, in every process. Or another process has ended.
    pub fn agree(&self, on: &BTreeMap<&str, String>) -> Result<()> {
        let number = self.n_agreed.replace(self.n_agreed.get() + 1);
        let own = serde_json::to_string(on).map_err(|error| self.error(error.to_string()))?;
        let all = self.exchange(&format!("agree/{number}"), &own)?;
        if let Some((rank, text)) = all.iter().enumerate().find(|(_, text)| **text != all[0]) {
            let read = |text: &str| serde_json::from_str(text).map_err(|error| self.error(error.to_string()));
            return Err(self.error(difference(rank, &read(&all[0])?, &read(text)?)));
        }
        Ok(())
    }
}

/// What differs between the first process and another.
fn difference(rank: usize, first: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> String {
    let none = String::from("nothing");
    let names = first.keys().chain(other.keys());
    let differing = names.map(|name| (name, first.get(name).unwrap_or(&none), other.get(name).unwrap_or(&none)));
    match differing.clone().find(|(_, of_first, of_other)| of_first != of_other) {
        None => format!("rank {rank} is not about to do what rank 0 is"),
        Some((name, of_first, of_other)) => format!(
            "rank {rank} has another {name} than rank 0: {of_other}, there {of_first}; give all processes the same \
             program, settings and files"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let texts = |seed: &str| BTreeMap::from([("version".into(), "1".into()), ("seed".into(), seed.into())]);
        let said = difference(2, &texts("7"), &texts("8"));
        assert!(said.contains("rank 2 has another seed than rank 0: 8, there 7"), "{said}");
        let said = difference(1, &texts("7"), &BTreeMap::from([("seed".into(), "7".into())]));
        assert!(said.contains("another version than rank 0: nothing, there 1"), "{said}");
    }
}
