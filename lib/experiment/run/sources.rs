//! Where a run's stories and base model lie on this machine; what lies on the hub is brought first.

use super::bar::Bar;
use super::settings::{BaseModel, Settings};
use crate::files::hash;
use crate::files::hub::{Hub, Location};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// Stories and base model of a run.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `None`: the built-in ones.
    pub stories: Option<StoryFiles>,
    /// With everything on this machine: no place on the hub any more.
    pub base: BaseModel,
    /// `shipped`, `train`, the folder, or the place on the hub with its commit.
    pub base_identity: String,
}

/// Files of stories that follow one another.
#[derive(Debug, Clone)]
pub struct StoryFiles {
    /// All text or all Parquet.
    pub files: Vec<PathBuf>,
    /// The SHA-256 of each, or the place on the hub with its commit.
    pub identity: String,
}

impl Sources {
    /// What `settings` ask for, downloaded where need be. `hub` is asked for only if something lies there.
    ///
    /// # Errors
    /// A file or folder is missing, or cannot be had from the hub.
    pub fn of(settings: &Settings, hub: &dyn Fn() -> Result<Hub>) -> Result<Sources> {
        let stories = match &settings.stories {
            None => None,
            Some(path) => Some(match on_hub(path) {
                Some(text) => StoryFiles::on_hub(&Location::of_dataset(text)?, &hub()?)?,
                None => StoryFiles::at(path)?,
            }),
        };
        let (base, base_identity) = match settings.base() {
            BaseModel::Shipped => (BaseModel::Shipped, "shipped".into()),
            BaseModel::Train => (BaseModel::Train, "train".into()),
            BaseModel::Folder(dir) => match on_hub(&dir) {
                Some(text) => {
                    let location: Location = text.parse()?;
                    let files = hub()?.model(&location, &mut Bar::shown())?;
                    (BaseModel::Folder(files.dir), location.at(&files.commit).to_string())
                }
                None => (BaseModel::Folder(dir.clone()), dir.display().to_string()),
            },
        };
        Ok(Sources { stories, base, base_identity })
    }
}

impl StoryFiles {
    fn on_hub(location: &Location, hub: &Hub) -> Result<StoryFiles> {
        let files = hub.stories(location, &mut Bar::shown())?;
        Ok(StoryFiles { files: files.paths, identity: location.at(&files.commit).to_string() })
    }

    /// A file, or all Parquet files of a folder, or else all its text files.
    fn at(path: &Path) -> Result<StoryFiles> {
        let files = if path.is_dir() { inside(path)? } else { vec![path.to_path_buf()] };
        let hashes = files.iter().map(|file| hash::sha256(file)).collect::<Result<Vec<String>>>()?;
        Ok(StoryFiles { files, identity: hashes.join(" ") })
    }
}

fn inside(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        files.push(entry.map_err(Error::io(dir))?.path());
    }
    files.sort();
    let of_kind = |extension: &str| -> Vec<PathBuf> {
        files.iter().filter(|file| file.extension().is_some_and(|end| end == extension)).cloned().collect()
    };
    [of_kind("parquet"), of_kind("txt")]
        .into_iter()
        .find(|found| !found.is_empty())
        .ok_or_else(|| Error::invalid(dir, "has neither .parquet nor .txt files: expected stories"))
}

fn on_hub(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| Location::is_meant(text))
}
