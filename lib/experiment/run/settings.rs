//! What a run is asked to be: from a notebook's parameters, or from the environment when it is executed headlessly.

use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names the variable with which `cargo xtask run` hands its options to notebooks, as JSON.
pub const VARIABLE: &str = "STAGEDIFF_SETTINGS";

/// The choices of a run. Everything else follows from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `smoke`, `tiny`, `small` or `paper`.
    pub preset: String,
    /// The run's name and folder under `data/runs`; the preset's name if empty.
    pub run: String,
    /// `corrected` or `published`.
    pub recipe: String,
    /// The seed that all random choices are drawn from.
    pub seed: u64,
    /// A file of stories, a folder of such files or a place on the hub (`hf:OWNER/NAME`) instead of the built-in ones.
    pub stories: Option<PathBuf>,
    /// Single values by dotted name: `base`, `timings`, `recipe.same_spacing`, `n_latents`, `stage_s.lambda_s`, ….
    pub set: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Settings {
        let (preset, recipe) = ("tiny".into(), "corrected".into());
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
    pub fn or_env(self) -> Result<Settings> {
        match std::env::var(VARIABLE) {
            Ok(text) => serde_json::from_str(&text)
                .map_err(|e| Error::setting(VARIABLE, text, format!("expected JSON settings: {e}"))),
            Err(_) => Ok(self),
        }
    }

    /// The run's name.
    pub fn name(&self) -> &str {
        if self.run.is_empty() { &self.preset } else { &self.run }
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

    /// Whether timings go into the tables, which then differ from run to run.
    pub fn timings(&self) -> bool {
        self.set.get("timings").is_some_and(|value| value == "true")
    }

    /// Preset and recipe with the single values put in.
    ///
    /// # Errors
    /// An unknown preset, recipe or name, or a value of another type or out of its range.
    pub fn resolve(&self) -> Result<(Preset, Recipe)> {
        let mut preset = serde_json::to_value(Preset::named(&self.preset)?).expect("a preset is plain data");
        let mut recipe = serde_json::to_value(Recipe::named(&self.recipe)?).expect("a recipe is plain data");
        for (name, text) in &self.set {
            match name.strip_prefix("recipe.") {
                _ if name == "base" || name == "timings" => {}
                Some(point) => put(&mut recipe, point, text, name)?,
                None => put(&mut preset, name, text, name)?,
            }
        }
        let wrong = |e: serde_json::Error| {
            Error::setting("--set", format!("{:?}", self.set), format!("expected values that fit: {e}"))
        };
        let preset: Preset = serde_json::from_value(preset).map_err(wrong)?;
        preset.check()?;
        Ok((preset, serde_json::from_value(recipe).map_err(wrong)?))
    }
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

fn put(target: &mut Value, dotted: &str, text: &str, name: &str) -> Result<()> {
    let mut place = target;
    for part in dotted.split('.') {
        let known: Vec<String> = place.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let unknown = || {
            Error::setting("--set", name, format!("{part:?} is not known here, expected one of {}", known.join(", ")))
        };
        place = place.get_mut(part).ok_or_else(unknown)?;
    }
    *place = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
    Ok(())
}
