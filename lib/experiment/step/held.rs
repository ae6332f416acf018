//! What a run's folder holds of a step.

use super::{MadeOf, Step};
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// `steps/NAME.json`: what the step was made of and by, what it left, and its log.
#[derive(Serialize, Deserialize)]
pub(super) struct Record<Line> {
    pub made_of: MadeOf,
    /// Version, device and threads; nothing in records from before there was this.
    #[serde(default)]
    pub made_with: BTreeMap<String, String>,
    /// SHA-256 of each file.
    #[serde(deserialize_with = "files_of_any_version")]
    pub files: BTreeMap<String, String>,
    pub log: Vec<Line>,
}

/// Its files' hashes; an earlier version wrote their names alone, and the hashes into the run's manifest.
fn files_of_any_version<'de, D: Deserializer<'de>>(file: D) -> std::result::Result<BTreeMap<String, String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Files {
        Hashed(BTreeMap<String, String>),
        Named(Vec<String>),
    }
    Ok(match Files::deserialize(file)? {
        Files::Hashed(hashes) => hashes,
        Files::Named(names) => names.into_iter().map(|name| (name, String::new())).collect(),
    })
}

/// What there is of a step.
pub(super) enum Held<Line> {
    /// Nothing was ever finished.
    Nothing,
    /// Something that is not this step: why not.
    Other(String),
    /// All of it.
    Finished(Record<Line>),
}

impl Step<'_> {
    /// What the run's folder holds of this step.
    ///
    /// # Errors
    /// The step was finished, and a file of it was changed since; or the record cannot be read.
    pub(super) fn held<Line: DeserializeOwned>(&self) -> Result<Held<Line>> {
        let (path, file) = (self.path(), self.file());
        if !path.exists() {
            return Ok(Held::Nothing);
        }
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        let mut record = match serde_json::from_slice::<Record<Line>>(&bytes) {
            Ok(record) => record,
            Err(error) => return Ok(Held::Other(format!("{file} is no record of this version ({error})"))),
        };
        if let Some(difference) = difference(&record.made_of, &self.made_of) {
            return Ok(Held::Other(format!("{file} is of {difference}")));
        }
        for (name, hash) in &mut record.files {
            if !self.run.path(name).exists() {
                return Ok(Held::Other(format!("{name} is gone")));
            }
            match hash.is_empty() {
                true => *hash = self.run.require(name).and_then(|_| self.run.sha256(name))?,
                false => self.run.check_hash(name, hash, &file)?,
            }
        }
        Ok(Held::Finished(record))
    }
}

/// In what two steps differ, if they do.
fn difference(held: &MadeOf, asked: &MadeOf) -> Option<String> {
    if held == asked {
        return None;
    }
    let is_other = |name: &&String| held.inputs.get(*name) != asked.inputs.get(*name);
    let mut names: Vec<String> = asked.inputs.keys().filter(is_other).cloned().collect();
    if held.settings != asked.settings || names.is_empty() {
        names.insert(0, "settings".into());
    }
    Some(format!("other {}", names.join(", ")))
}
