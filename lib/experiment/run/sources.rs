//! Where a run's stories, texts and models lie on this machine.

mod own;

pub use own::check_pair;

use crate::experiment::stage::Stage;
use crate::files::hash::KnownHashes;
use crate::files::hub::{Cache, Location};
use crate::stories::kind::{Kind, extension};
use crate::{Error, Result};
use stagediff_settings::{BaseModel, STORY_COLUMN, Settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a run is made from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `None`: the built-in ones.
    pub stories: Option<StoryFiles>,
    /// The folder that the base model is taken from; `None`: it is trained.
    pub base: Option<PathBuf>,
    /// `shipped`, `train`, the folder, or the place on the hub with its commit.
    pub base_identity: String,
    /// The tuned model that is given: a model's folder or an adapter's.
    pub tuned: Option<Place>,
    /// Texts of the user's own: the base model's kind and the tuned one's.
    pub texts: Option<[StoryFiles; 2]>,
    /// The folder of activations that are given instead of models.
    pub activations: Option<PathBuf>,
    /// The crosscoders that are given, by their stages.
    pub crosscoders: BTreeMap<Stage, PathBuf>,
}

/// A folder that was asked for.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it lies on this machine.
    pub dir: PathBuf,
    /// The folder, or the place on the hub with its commit.
    pub identity: String,
}

impl Place {
    fn of(path: &Path, cache: &Cache) -> Result<Place> {
        match on_hub(path) {
            Some(text) => {
                let files = cache.files(&text.parse()?)?;
                Ok(Place { dir: files.dir, identity: files.location.to_string() })
            }
            None => Ok(Place { dir: path.into(), identity: path.display().to_string() }),
        }
    }
}

/// Files of stories that follow one another.
#[derive(Debug, Clone)]
pub struct StoryFiles {
    /// All of one kind.
    pub files: Vec<PathBuf>,
    /// The SHA-256 of each, or the place on the hub with its commit; the column that was named.
    pub identity: String,
}

impl Sources {
    /// What `settings` ask for, with the models that come with the project in `models`; what lies on the hub is looked for
    /// in its cache, a story file that is `known` not read.
    ///
    /// # Errors
    /// A file or folder is missing, or not in the cache.
    pub fn of(settings: &Settings, models: &Path, cache: &Cache, known: &mut KnownHashes) -> Result<Sources> {
        let mut stories = settings.stories.as_ref().map(|path| StoryFiles::of(path, cache, known)).transpose()?;
        match (settings.story_column(), &mut stories) {
            (Some(column), Some(stories)) => stories.identity += &format!(" column {column}"),
            (Some(column), None) => {
                return Err(Error::setting(
                    STORY_COLUMN,
                    column,
                    "has no effect on the built-in stories: add --stories",
                ));
            }
            (None, _) => {}
        }
        let (base, base_identity) = match settings.base() {
            BaseModel::Shipped => {
                let dir = models.join(&settings.preset);
                (dir.join("model.safetensors").exists().then_some(dir), "shipped".into())
            }
            BaseModel::Train => (None, "train".into()),
            BaseModel::Folder(dir) => {
                let place = Place::of(&dir, cache)?;
                (Some(place.dir), place.identity)
            }
        };
        own::check(settings, base.is_some())?;
        let tuned = settings.own("tuned").map(|path| Place::of(path, cache)).transpose()?;
        let (texts, crosscoders) = (own::texts(settings, cache, known)?, own::crosscoders(settings)?);
        let activations = settings.own("activations").map(PathBuf::from);
        Ok(Sources { stories, base, base_identity, tuned, texts, activations, crosscoders })
    }
}

impl StoryFiles {
    fn of(path: &Path, cache: &Cache, known: &mut KnownHashes) -> Result<StoryFiles> {
        match on_hub(path) {
            Some(text) => {
                let files = cache.files(&Location::of_dataset(text)?)?;
                Ok(StoryFiles { files: files.paths, identity: files.location.to_string() })
            }
            None => StoryFiles::at(path, known),
        }
    }

    /// A file, or those of a folder that are of one kind: Parquet, or else JSON lines, text or JSON.
    fn at(path: &Path, known: &mut KnownHashes) -> Result<StoryFiles> {
        let files = if path.is_dir() { inside(path)? } else { vec![path.to_path_buf()] };
        files.iter().try_for_each(|file| Kind::of(file).map(drop))?;
        let hashes = files.iter().map(|file| known.sha256(file)).collect::<Result<Vec<String>>>()?;
        Ok(StoryFiles { files, identity: hashes.join(" ") })
    }
}

fn inside(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        files.push(entry.map_err(Error::io(dir))?.path());
    }
    files.retain(|file| file.is_file());
    files.sort();
    let of_kind = |ends: &[&str]| -> Vec<PathBuf> {
        files.iter().filter(|file| ends.contains(&extension(file).as_str())).cloned().collect()
    };
    [&["parquet"][..], &["jsonl", "ndjson"], &["txt"], &["json"]]
        .into_iter()
        .map(of_kind)
        .find(|found| !found.is_empty())
        .ok_or_else(|| Error::invalid(dir, "has no .parquet, .jsonl, .txt or .json files: expected stories"))
}

fn on_hub(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| Location::is_meant(text))
}
