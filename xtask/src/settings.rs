//! What a run computes, handed to notebooks and binary in one environment variable.

use crate::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment variable that carries the settings as JSON; the library reads it.
pub const VARIABLE: &str = "STAGEDIFF_SETTINGS";

const PRESETS: [&str; 4] = ["tiny", "small", "smoke", "paper"];
const RECIPES: [&str; 2] = ["corrected", "published"];

/// The settings given on the command line; what is not given is left to the library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    preset: Option<String>,
    run: Option<String>,
    recipe: Option<String>,
    seed: Option<u64>,
    pub stories: Option<PathBuf>,
    pub set: BTreeMap<String, String>,
}

impl Settings {
    /// The preset's name, `tiny` unless given.
    pub fn preset(&self) -> &str {
        self.preset.as_deref().unwrap_or("tiny")
    }

    /// The run's name, the preset's unless given.
    pub fn run(&self) -> &str {
        self.run.as_deref().unwrap_or(self.preset())
    }

    pub fn set_preset(&mut self, name: String) -> Result<()> {
        self.preset = Some(one_of("preset", &PRESETS, name)?);
        Ok(())
    }

    pub fn set_recipe(&mut self, name: String) -> Result<()> {
        self.recipe = Some(one_of("recipe", &RECIPES, name)?);
        Ok(())
    }

    pub fn set_run(&mut self, name: String) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(format!("run `{name}` is not a folder name: letters, digits, `-`, `_` and `.` only"));
        }
        self.run = Some(name);
        Ok(())
    }

    pub fn set_seed(&mut self, number: &str) -> Result<()> {
        self.seed = Some(number.parse().map_err(|_| format!("seed `{number}` is not a whole number from 0"))?);
        Ok(())
    }

    pub fn set_key(&mut self, pair: &str) -> Result<()> {
        match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                self.set.insert(key.to_owned(), value.to_owned());
                Ok(())
            }
            _ => Err(format!("`{pair}` is not of the form KEY=VALUE")),
        }
    }

    /// Makes the path of the stories absolute, seen from `folder`, unless they lie on the hub.
    ///
    /// # Errors
    /// When there is no such file or folder.
    pub fn find_stories(&mut self, folder: &Path) -> Result<()> {
        if let Some(stories) = self.stories.as_mut().filter(|stories| !is_on_hub(&stories.to_string_lossy())) {
            let path = folder.join(&*stories);
            if !path.exists() {
                return Err(format!("--stories {}: no such file or folder", stories.display()));
            }
            *stories = path.canonicalize().unwrap_or(path);
        }
        Ok(())
    }

    /// Whether stories or base model are to come from the Hugging Face hub.
    pub fn names_the_hub(&self) -> bool {
        let stories = self.stories.as_ref().map(|path| path.to_string_lossy().into_owned());
        self.set.get("base").cloned().into_iter().chain(stories).any(|source| is_on_hub(&source))
    }

    /// The value of [`VARIABLE`]. Values of `set` are always strings.
    pub fn to_json(&self) -> Value {
        let mut json = json!({ "preset": self.preset(), "run": self.run() });
        if let Some(recipe) = &self.recipe {
            json["recipe"] = json!(recipe);
        }
        if let Some(seed) = self.seed {
            json["seed"] = json!(seed);
        }
        if let Some(stories) = &self.stories {
            json["stories"] = json!(stories);
        }
        if !self.set.is_empty() {
            json["set"] = json!(self.set);
        }
        json
    }
}

fn is_on_hub(source: &str) -> bool {
    source.starts_with("hf:")
}

fn one_of(what: &str, allowed: &[&str], name: String) -> Result<String> {
    if allowed.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(format!("unknown {what} `{name}`: one of {}", allowed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_not_written() {
        assert_eq!(Settings::default().to_json(), json!({ "preset": "tiny", "run": "tiny" }));
    }

    #[test]
    fn all_that_is_given_is_written() {
        let mut settings = Settings::default();
        settings.set_preset("small".into()).unwrap();
        settings.set_run("mine".into()).unwrap();
        settings.set_recipe("published".into()).unwrap();
        settings.set_seed("7").unwrap();
        settings.set_key("base=train").unwrap();
        let json = json!({
            "preset": "small", "run": "mine", "recipe": "published", "seed": 7, "set": { "base": "train" }
        });
        assert_eq!(settings.to_json(), json);
    }

    #[test]
    fn stories_become_absolute_or_are_missed_at_once() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut settings = Settings { stories: Some("Cargo.toml".into()), ..Settings::default() };
        settings.find_stories(here).unwrap();
        assert!(settings.stories.as_ref().unwrap().is_absolute());
        settings.stories = Some("no/such/file.txt".into());
        assert!(settings.find_stories(here).unwrap_err().contains("no/such/file.txt"));
        assert!(!settings.names_the_hub());
        settings.stories = Some("hf:owner/name".into());
        settings.find_stories(here).unwrap();
        assert!(settings.names_the_hub() && settings.to_json()["stories"] == json!("hf:owner/name"));
    }
}
