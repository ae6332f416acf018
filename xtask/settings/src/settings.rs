//! The choices of a run.

use crate::options::{Parser, value};
use crate::{Error, Location, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Names the variable with which `cargo xtask run` hands its options to notebooks, as JSON.
pub const VARIABLE: &str = "STAGEDIFF_SETTINGS";

/// The presets, from small to large.
pub const PRESETS: [&str; 4] = ["smoke", "tiny", "small", "paper"];

/// The recipes.
pub const RECIPES: [&str; 2] = ["corrected", "published"];

/// The single value that names the column of the stories.
pub const STORY_COLUMN: &str = "stories.column";

/// The choices of a run. Everything else follows from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `smoke`, `tiny`, `small` or `paper`.
    pub preset: String,
    /// The run's name and folder under `data/runs`; the preset's name if empty.
    pub run: String,
    /// `corrected` or `published`.
    #[serde(skip_serializing_if = "is_corrected")]
    pub recipe: String,
    /// The seed that all random choices are drawn from.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// A file of stories, a folder of such files or a place on the hub (`hf:OWNER/NAME`) instead of the built-in ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stories: Option<PathBuf>,
    /// Single values by dotted name: `base`, `timings`, `stories.column`, `recipe.same_spacing`, `n_latents`, `stage_s.lambda_s`, ….
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

/// Where the base model comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BaseModel {
    /// From `data/models`, or trained where the preset has none there.
    Shipped,
    /// Trained on the run's stories.
    Train,
    /// From a Hugging Face folder with `config.json`, weights and tokenizer, or from a place on the hub (`hf:OWNER/NAME`).
    Folder(PathBuf),
}

impl Default for Settings {
    fn default() -> Settings {
        let (preset, recipe) = (PRESETS[1].into(), RECIPES[0].into());
        Settings { preset, run: String::new(), recipe, seed: 0, stories: None, set: BTreeMap::new() }
    }
}

impl Settings {
    /// The settings of a preset, everything else by default.
    pub fn new(preset: &str) -> Settings {
        Settings { preset: preset.into(), ..Settings::default() }
    }

    /// These settings, unless the environment holds others (`STAGEDIFF_SETTINGS`, which `cargo xtask run` sets).
    ///
    /// # Errors
    /// The variable holds something else than settings.
    pub fn or_env(&self) -> Result<Settings> {
        match std::env::var(VARIABLE) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|e| Error::setting(VARIABLE, text, format!("expected JSON settings: {e}"))),
            Err(_) => Ok(self.clone()),
        }
    }

    /// The value of `STAGEDIFF_SETTINGS` that stands for these settings: preset and run, and what differs from the
    /// default.
    pub fn to_json(&self) -> String {
        let named = Settings { run: self.name().into(), ..self.clone() };
        serde_json::to_string(&named).expect("settings are plain data")
    }

    /// Takes an option's value from the command line, if the option is one of the settings': `--preset`, `--run`,
    /// `--recipe`, `--seed`, `--stories` or `--set`. Returns whether it is.
    ///
    /// # Errors
    /// The value is missing or not allowed.
    pub fn take(&mut self, option: &str, parser: &mut Parser) -> Result<bool> {
        match option {
            "--preset" => self.preset = one_of("preset", value(option, parser)?, &PRESETS)?,
            "--recipe" => self.recipe = one_of("recipe", value(option, parser)?, &RECIPES)?,
            "--run" => {
                self.run = value(option, parser)?;
                self.check_name()?;
            }
            "--seed" => {
                let text = value(option, parser)?;
                self.seed = text.parse().map_err(|_| format!("seed `{text}` is not a whole number from 0"))?;
            }
            "--stories" => self.stories = Some(value(option, parser)?.into()),
            "--set" => {
                let pair = value(option, parser)?;
                let (key, value) = pair
                    .split_once('=')
                    .filter(|(key, _)| !key.is_empty())
                    .ok_or_else(|| format!("`{pair}` is not of the form KEY=VALUE"))?;
                self.set.insert(key.into(), value.into());
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        if self.run.is_empty() { &self.preset } else { &self.run }
    }

    /// Checks that the run's name can be a folder's.
    ///
    /// # Errors
    /// It cannot.
    pub fn check_name(&self) -> Result<()> {
        let name = self.name();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
            return Err(Error::setting("run", name, "expected letters, digits, '-', '_' and '.'"));
        }
        Ok(())
    }

    /// Where the base model comes from.
    pub fn base(&self) -> BaseModel {
        match self.set.get("base").map(String::as_str) {
            Some("train") => BaseModel::Train,
            Some(folder) => BaseModel::Folder(folder.into()),
            None if self.stories.is_some() => BaseModel::Train,
            None => BaseModel::Shipped,
        }
    }

    /// The column of JSON or Parquet that holds the stories; where it is not named, it is looked for.
    pub fn story_column(&self) -> Option<&str> {
        self.set.get(STORY_COLUMN).map(String::as_str)
    }

    /// Whether timings go into the tables, which then differ from run to run.
    pub fn timings(&self) -> bool {
        self.set.get("timings").is_some_and(|value| value == "true")
    }

    /// The places on the hub that stories and base model come from.
    ///
    /// # Errors
    /// One is not written as such.
    pub fn on_hub(&self) -> Result<Vec<Location>> {
        let stories = self.stories.as_ref().map(|path| path.to_string_lossy());
        let stories = stories.filter(|text| Location::is_meant(text)).map(|text| Location::of_dataset(&text));
        let base = self.set.get("base").filter(|text| Location::is_meant(text)).map(|text| text.parse());
        stories.into_iter().chain(base).collect()
    }

    /// Makes the paths of stories and base model absolute, seen from `folder`, unless they lie on the hub.
    ///
    /// # Errors
    /// There is no such file or folder.
    pub fn find_files(&mut self, folder: &Path) -> Result<()> {
        if let Some(path) = &mut self.stories {
            *path = found("--stories ", path, folder)?;
        }
        if let BaseModel::Folder(path) = self.base() {
            let path = found("--set base=", &path, folder)?;
            self.set.insert("base".into(), path.to_string_lossy().into());
        }
        Ok(())
    }
}

fn found(option: &str, path: &Path, folder: &Path) -> Result<PathBuf> {
    let there = folder.join(path);
    match Location::is_meant(&path.to_string_lossy()) {
        true => Ok(path.into()),
        false if there.exists() => Ok(there),
        false => Err(format!("{option}{}: no such file or folder", path.display()).into()),
    }
}

/// The error of a name that is none of `known`.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let (last, others) = known.split_last().unwrap_or((&"nothing", &[]));
    Error::setting(what, name, format!("expected {} or {last}", others.join(", ")))
}

fn one_of(what: &str, name: String, known: &[&str]) -> Result<String> {
    if known.contains(&name.as_str()) { Ok(name) } else { Err(unknown(what, &name, known)) }
}

fn is_corrected(recipe: &str) -> bool {
    recipe == RECIPES[0]
}

fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Word, next};
    use serde_json::{Value, json};

    fn parsed(line: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        let mut parser = Parser::from_args(line.split_whitespace());
        while let Some(Word::Option(option)) = next(&mut parser)? {
            assert!(settings.take(&option, &mut parser)?, "{option}");
        }
        Ok(settings)
    }

    fn written(settings: &Settings) -> Value {
        serde_json::from_str(&settings.to_json()).unwrap()
    }

    #[test]
    fn what_is_not_given_is_not_written() {
        assert_eq!(written(&Settings::default()), json!({ "preset": "tiny", "run": "tiny" }));
    }

    #[test]
    fn all_that_is_given_is_written_and_read() {
        let mut settings =
            parsed("--preset small --run=mine --recipe published --seed 7 --set base=train --set=steps=5").unwrap();
        settings.stories = Some("hf:a/b".into());
        let json = json!({
            "preset": "small", "run": "mine", "recipe": "published", "seed": 7, "stories": "hf:a/b",
            "set": { "base": "train", "steps": "5" }
        });
        assert_eq!(written(&settings), json);
        assert_eq!(serde_json::from_value::<Settings>(json).unwrap(), settings);
        assert!(serde_json::from_value::<Settings>(json!({ "presett": "tiny" })).is_err());
    }

    #[test]
    fn what_is_not_allowed_is_refused_by_name() {
        for (line, sentence) in [
            ("--preset huge", "preset is huge, expected smoke, tiny, small or paper"),
            ("--recipe right", "recipe is right, expected corrected or published"),
            ("--run ../up", "run is ../up, expected letters, digits, '-', '_' and '.'"),
            ("--seed minus", "seed `minus` is not a whole number from 0"),
            ("--set base", "`base` is not of the form KEY=VALUE"),
            ("--stories", "`--stories` needs a value"),
        ] {
            assert_eq!(parsed(line).unwrap_err().to_string(), sentence);
        }
    }

    #[test]
    fn paths_become_absolute_or_are_missed_at_once() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut settings = parsed("--stories Cargo.toml --set base=src").unwrap();
        settings.find_files(here).unwrap();
        assert_eq!(
            (settings.stories.clone(), settings.base()),
            (Some(here.join("Cargo.toml")), BaseModel::Folder(here.join("src")))
        );
        assert_eq!(settings.on_hub(), Ok(Vec::new()));
        for line in ["--stories no/such", "--set base=no/such"] {
            let error = parsed(line).unwrap().find_files(here).unwrap_err().to_string();
            assert_eq!(error, format!("{}: no such file or folder", line));
        }
    }

    #[test]
    fn places_on_the_hub_are_told_from_paths() {
        let mut settings = parsed("--stories hf:a/b@~parquet --set base=hf:c/d").unwrap();
        settings.find_files(Path::new("/")).unwrap();
        let places: Vec<String> = settings.on_hub().unwrap().iter().map(Location::to_string).collect();
        assert_eq!(places, ["hf://datasets/a/b@refs/convert/parquet", "hf://c/d"]);
        assert!(parsed("--set base=hf:gpt2").unwrap().on_hub().is_err());
    }
}
