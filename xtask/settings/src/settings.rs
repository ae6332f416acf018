//! The choices of a run.

use crate::{Error, Location, Overrides, Result, Series};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The presets, from small to large.
pub const PRESETS: [&str; 4] = ["smoke", "tiny", "small", "paper"];

/// The recipes.
pub const RECIPES: [&str; 2] = ["corrected", "published"];

/// The single value that names the column of the stories.
pub const STORY_COLUMN: &str = "stories.column";

/// The single value that names the column of texts of one's own.
pub const TEXT_COLUMN: &str = "texts.column";

/// The single values that name files and folders of a user's own, each with the option that stands for it.
pub const OWN: [(&str, &str); 5] = [
    ("base", "--base"),
    ("tuned", "--tuned"),
    ("base_text", "--base-text"),
    ("tuned_text", "--tuned-text"),
    ("activations", "--activations"),
];

/// What the single values that name crosscoders begin with: `crosscoder.S`, ….
pub const CROSSCODER: &str = "crosscoder.";

/// The choices of a run. Everything else follows from them.
#[derive(Debug, Clone, PartialEq)]
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
    /// Single values by dotted name: `base`, `tuned`, `timings`, `stories.column`, `organism`, `recipe.same_spacing`,
    /// `n_latents`, `stage_s.lambda_s`, ….
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

    /// The same with a single value set.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Settings {
        self.set.insert(name.into(), value.into());
        self
    }

    /// The same under another name.
    pub fn named(self, run: &str) -> Settings {
        Settings { run: run.into(), ..self }
    }

    /// Whether a single value says what is not of a preset, a recipe or the like: where something lies, or how it is read.
    pub fn is_place(name: &str) -> bool {
        let known = ["timings", STORY_COLUMN, TEXT_COLUMN];
        known.contains(&name) || OWN.iter().any(|(own, _)| *own == name) || name.starts_with(CROSSCODER)
    }

    /// A file or folder of the user's own, by one of the names of [`OWN`] or of [`CROSSCODER`].
    pub fn own(&self, name: &str) -> Option<&Path> {
        self.set.get(name).map(|path| Path::new(path.as_str()))
    }

    /// Which notebooks are the run's series.
    pub fn series(&self) -> Series {
        match self {
            _ if self.set.contains_key("activations") => Series::Activations,
            _ if self.set.contains_key("base_text") || self.set.contains_key("tuned_text") => Series::Texts,
            _ => Series::Stories,
        }
    }

    /// These settings with what was given on the command line of `cargo xtask` put in ([`Overrides`]); prints what that
    /// changes.
    ///
    /// # Errors
    /// The variable that hands it on, `STAGEDIFF_SETTINGS`, holds something else than settings.
    pub fn or_env(&self) -> Result<Settings> {
        let given = Overrides::from_env()?;
        let changes = given.changes(self);
        if !changes.is_empty() {
            println!("from the command line: {}", changes.join(", "));
        }
        Ok(given.onto(self))
    }

    /// These settings with those of a JSON text put in, of the form of `STAGEDIFF_SETTINGS`: what a notebook's injected
    /// cell says where papermill was given parameters. Paths are seen from the working folder.
    ///
    /// # Errors
    /// It holds something else than settings, a preset or recipe that there is not, or a path with nothing there.
    pub fn given(&self, json: &str) -> Result<Settings> {
        let mut given = Overrides::from_json("settings.given", json)?;
        given.find_files(&std::env::current_dir().map_err(|error| error.to_string())?)?;
        let settings = given.onto(self);
        let known = [("preset", &settings.preset, &PRESETS[..]), ("recipe", &settings.recipe, &RECIPES[..])];
        if let Some((what, name, known)) = known.into_iter().find(|(_, name, known)| !known.contains(&name.as_str())) {
            return Err(unknown(what, name, known));
        }
        Ok(settings)
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
            None if self.stories.is_some() || self.series() == Series::Texts => BaseModel::Train,
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

    /// The places on the hub that stories, texts and models come from.
    ///
    /// # Errors
    /// One is not written as such.
    pub fn on_hub(&self) -> Result<Vec<Location>> {
        let stories = self.stories.as_ref().map(|path| path.to_string_lossy());
        let stories = stories.filter(|text| Location::is_meant(text)).map(|text| Location::of_dataset(&text));
        let own = |name: &str| self.set.get(name).filter(|text| Location::is_meant(text));
        let models = ["base", "tuned"].into_iter().filter_map(|name| own(name).map(|text| text.parse()));
        let texts = ["base_text", "tuned_text"].into_iter().filter_map(own);
        stories.into_iter().chain(models).chain(texts.map(|text| Location::of_dataset(text))).collect()
    }
}

/// The error of a name that is none of `known`.
pub fn unknown(what: &str, name: &str, known: &[&str]) -> Error {
    let (last, others) = known.split_last().unwrap_or((&"nothing", &[]));
    Error::setting(what, name, format!("expected {} or {last}", others.join(", ")))
}
