//! What was given on a command line. It wins over what a notebook's cell says, and what was not given does not.

use crate::options::{Parser, value};
use crate::settings::{CROSSCODER, OWN, PRESETS, RECIPES, unknown};
use crate::{Error, Location, Result, Settings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::env::{self, VarError};
use std::path::{Path, PathBuf};

/// Names the variable with which `cargo xtask` hands what it was given to notebooks, as JSON.
pub const VARIABLE: &str = "STAGEDIFF_SETTINGS";

/// The choices of a run that were given: the fields of [`Settings`], each there or not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Overrides {
    /// As in [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// As in [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// As in [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
    /// As in [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// As in [`Settings`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stories: Option<PathBuf>,
    /// As in [`Settings`]; single values that are not given stay.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

impl Overrides {
    /// What `STAGEDIFF_SETTINGS` holds, nothing where it is not set.
    ///
    /// # Errors
    /// It holds something else than settings.
    pub fn from_env() -> Result<Overrides> {
        match env::var(VARIABLE) {
            Ok(text) => Overrides::from_json(VARIABLE, &text),
            Err(VarError::NotPresent) => Ok(Overrides::default()),
            Err(VarError::NotUnicode(bytes)) => Err(not_json(VARIABLE, &bytes.to_string_lossy(), "it is not UTF-8")),
        }
    }

    /// What JSON of the form of `STAGEDIFF_SETTINGS` says; `place` is where it stands.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_json(place: &str, text: &str) -> Result<Overrides> {
        serde_json::from_str(text).map_err(|error| not_json(place, text, &error.to_string()))
    }

    /// All that settings say, so that they win in every field; where they name no stories, others' stay.
    pub fn all_of(settings: &Settings) -> Overrides {
        let Settings { preset, recipe, seed, stories, set, .. } = settings.clone();
        let run = Some(settings.name().into());
        Overrides { preset: Some(preset), run, recipe: Some(recipe), seed: Some(seed), stories, set }
    }

    /// The value of `STAGEDIFF_SETTINGS` that stands for these.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("settings are plain data")
    }

    /// The settings with what was given put in.
    pub fn onto(&self, settings: &Settings) -> Settings {
        let mut merged = settings.clone();
        let Overrides { preset, run, recipe, seed, stories, set } = self.clone();
        merged.preset = preset.unwrap_or(merged.preset);
        merged.run = run.unwrap_or(merged.run);
        merged.recipe = recipe.unwrap_or(merged.recipe);
        merged.seed = seed.unwrap_or(merged.seed);
        merged.stories = stories.or(merged.stories);
        merged.set.extend(set);
        merged
    }

    /// What of `settings` these change, each with both values: `preset small instead of tiny`.
    pub fn changes(&self, settings: &Settings) -> Vec<String> {
        let merged = self.onto(settings);
        let (before, after) = (values(settings), values(&merged));
        let named_after_preset = settings.run.is_empty() && merged.name() == merged.preset;
        let changed = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
        changed
            .filter(|(name, _)| !(named_after_preset && *name == "run"))
            .map(|(name, value)| match before.get(name) {
                Some(old) => format!("{name} {value} instead of {old}"),
                None => format!("{name} {value}"),
            })
            .collect()
    }

    /// Takes an option's value from the command line, if the option is one of the settings': `--preset`, `--run`,
    /// `--recipe`, `--seed`, `--seeds`, `--stories`, `--set`, or one of [`OWN`]. Returns whether it is.
    ///
    /// # Errors
    /// The value is missing or not allowed.
    pub fn take(&mut self, option: &str, parser: &mut Parser) -> Result<bool> {
        match option {
            "--preset" => self.preset = Some(one_of("preset", value(option, parser)?, &PRESETS)?),
            "--recipe" => self.recipe = Some(one_of("recipe", value(option, parser)?, &RECIPES)?),
            "--run" => {
                let run = value(option, parser)?;
                Settings { run: run.clone(), ..Settings::new("") }.check_name()?;
                self.run = Some(run);
            }
            "--seed" => {
                let text = value(option, parser)?;
                let seed = text.parse().map_err(|_| format!("seed `{text}` is not a whole number from 0"))?;
                self.seed = Some(seed);
            }
            "--seeds" => {
                self.set.insert("n_seeds".into(), value(option, parser)?);
            }
            "--stories" => self.stories = Some(value(option, parser)?.into()),
            own if OWN.iter().any(|(_, option)| *option == own) => {
                let name = own.trim_start_matches('-').replace('-', "_");
                self.set.insert(name, value(option, parser)?);
            }
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

    /// Makes the paths of stories, texts, models, activations and crosscoders absolute, seen from `folder`, unless they lie
    /// on the hub.
    ///
    /// # Errors
    /// There is no such file or folder.
    pub fn find_files(&mut self, folder: &Path) -> Result<()> {
        if let Some(path) = &mut self.stories {
            *path = found("--stories ", path, folder)?;
        }
        for (name, value) in &mut self.set {
            let is_path = OWN.iter().any(|(own, _)| own == name) || name.starts_with(CROSSCODER);
            if is_path && !(name == "base" && value == "train") {
                *value = found(&format!("--set {name}="), Path::new(value.as_str()), folder)?.to_string_lossy().into();
            }
        }
        Ok(())
    }
}

fn not_json(place: &str, text: &str, why: &str) -> Error {
    Error::setting(place, text, format!("expected JSON settings: {why}"))
}

/// Every choice by its name, as a person reads it.
fn values(settings: &Settings) -> BTreeMap<String, String> {
    let stories = settings.stories.as_ref().map_or("the built-in ones".into(), |path| path.display().to_string());
    let fields = [
        ("preset", settings.preset.clone()),
        ("run", settings.name().into()),
        ("recipe", settings.recipe.clone()),
        ("seed", settings.seed.to_string()),
        ("stories", stories),
    ];
    fields.into_iter().map(|(name, value)| (name.into(), value)).chain(settings.set.clone()).collect()
}

fn found(option: &str, path: &Path, folder: &Path) -> Result<PathBuf> {
    let there = folder.join(path);
    match Location::is_meant(&path.to_string_lossy()) {
        true => Ok(path.into()),
        false if there.exists() => Ok(there),
        false => Err(format!("{option}{}: no such file or folder", path.display()).into()),
    }
}

fn one_of(what: &str, name: String, known: &[&str]) -> Result<String> {
    if known.contains(&name.as_str()) { Ok(name) } else { Err(unknown(what, &name, known)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BaseModel;
    use crate::options::{Word, next};
    use serde_json::{Value, json};

    fn parsed(line: &str) -> Result<Overrides> {
        let mut given = Overrides::default();
        let mut parser = Parser::from_args(line.split_whitespace());
        while let Some(Word::Option(option)) = next(&mut parser)? {
            assert!(given.take(&option, &mut parser)?, "{option}");
        }
        Ok(given)
    }

    fn written(given: &Overrides) -> Value {
        serde_json::from_str(&given.to_json()).unwrap()
    }

    fn with(settings: Settings, set: &[(&str, &str)]) -> Settings {
        let set = set.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Settings { set, ..settings }
    }

    #[test]
    fn what_is_not_given_is_not_written_and_changes_nothing() {
        let cell = Settings { seed: 3, ..with(Settings::new("smoke"), &[("steps", "5")]) };
        let nothing = parsed("").unwrap();
        assert_eq!((written(&nothing), nothing.onto(&cell)), (json!({}), cell.clone()));
        assert_eq!(nothing.changes(&cell), [""; 0]);
    }

    #[test]
    fn what_is_given_wins_field_by_field_and_is_told() {
        let cell = Settings { seed: 3, ..with(Settings::new("smoke"), &[("steps", "5"), ("batch", "2")]) };
        let given = parsed("--preset small --set steps=9 --set n_latents=64").unwrap();
        let merged = Settings { preset: "small".into(), ..cell.clone() };
        assert_eq!(given.onto(&cell), with(merged, &[("steps", "9"), ("batch", "2"), ("n_latents", "64")]));
        assert_eq!(given.changes(&cell), ["n_latents 64", "preset small instead of smoke", "steps 9 instead of 5"]);
    }

    #[test]
    fn a_name_is_told_where_it_is_not_the_presets() {
        let changes = |line: &str, cell: &Settings| parsed(line).unwrap().changes(cell);
        let (plain, named) = (Settings::new("tiny"), Settings { run: "mine".into(), ..Settings::new("tiny") });
        assert_eq!(changes("--preset small --run small", &plain), ["preset small instead of tiny"]);
        assert_eq!(changes("--run tiny", &plain), [""; 0]);
        assert_eq!(changes("--run other", &plain), ["run other instead of tiny"]);
        assert_eq!(changes("--preset tiny --run tiny", &named), ["run tiny instead of mine"]);
        assert_eq!(changes("--stories hf:a/b", &plain), ["stories hf:a/b instead of the built-in ones"]);
    }

    #[test]
    fn all_that_is_given_is_written_and_read() {
        let line =
            "--preset small --run=mine --recipe published --seed 7 --stories hf:a/b --set base=train --set=steps=5";
        let given = parsed(line).unwrap();
        let json = json!({
            "preset": "small", "run": "mine", "recipe": "published", "seed": 7, "stories": "hf:a/b",
            "set": { "base": "train", "steps": "5" }
        });
        assert_eq!(written(&given), json);
        assert_eq!(serde_json::from_value::<Overrides>(json).unwrap(), given);
        assert!(serde_json::from_value::<Overrides>(json!({ "presett": "tiny" })).is_err());
    }

    #[test]
    fn a_cell_may_be_given_settings_as_json() {
        let cell = Settings::new("tiny").with("steps", "5");
        let given = cell.given(r#"{"preset": "smoke", "set": {"batch": "2"}}"#).unwrap();
        assert_eq!(given, with(Settings::new("smoke"), &[("steps", "5"), ("batch", "2")]));
        for wrong in ["{", r#"{"presett": "smoke"}"#, r#"{"preset": "huge"}"#, r#"{"stories": "no/such"}"#] {
            assert!(cell.given(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn whole_settings_win_in_every_field() {
        let cell = Settings { recipe: "published".into(), seed: 3, ..Settings::new("small") };
        assert_eq!(
            Overrides::all_of(&Settings::default()).onto(&cell),
            Settings { run: "tiny".into(), ..Settings::default() }
        );
    }

    #[test]
    fn what_is_not_allowed_is_refused_by_name() {
        for (line, sentence) in [
            ("--preset huge", "preset is huge, expected smoke, tiny, small or paper"),
            ("--recipe right", "recipe is right, expected corrected or published"),
            ("--run ../up", "run is ../up, expected letters, digits, '-', '_' and '.'"),
            ("--run=", "run is , expected letters, digits, '-', '_' and '.'"),
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
        let mut given = parsed("--stories Cargo.toml --set base=src").unwrap();
        given.find_files(here).unwrap();
        let settings = given.onto(&Settings::default());
        assert_eq!(settings.stories, Some(here.join("Cargo.toml")));
        assert_eq!(settings.base(), BaseModel::Folder(here.join("src")));
        assert_eq!(settings.on_hub(), Ok(Vec::new()));
        for (line, place) in [
            ("--stories no/such", "--stories no/such"),
            ("--set base=no/such", "--set base=no/such"),
            ("--tuned no/such", "--set tuned=no/such"),
            ("--base-text no/such", "--set base_text=no/such"),
            ("--set crosscoder.S=no/such", "--set crosscoder.S=no/such"),
        ] {
            let error = parsed(line).unwrap().find_files(here).unwrap_err().to_string();
            assert_eq!(error, format!("{place}: no such file or folder"));
        }
    }

    #[test]
    fn places_on_the_hub_are_told_from_paths() {
        let settings = |line: &str| {
            let mut given = parsed(line).unwrap();
            given.find_files(Path::new("/")).unwrap();
            given.onto(&Settings::default())
        };
        let places =
            settings("--stories hf:a/b@~parquet --base hf:c/d --tuned hf:e/f --base-text hf:g/h").on_hub().unwrap();
        let places: Vec<String> = places.iter().map(Location::to_string).collect();
        assert_eq!(places, ["hf://datasets/a/b@refs/convert/parquet", "hf://c/d", "hf://e/f", "hf://datasets/g/h"]);
        assert!(settings("--set base=hf:gpt2").on_hub().is_err());
    }
}
