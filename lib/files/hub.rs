//! Models and data sets of the Hugging Face hub, as they lie in the cache of its Python client.
//!
//! `cargo xtask fetch` brings them there (xtask/fetch.py), or any program that uses that client. The library only reads:
//! ```text
//! models--OWNER--NAME/
//!   refs/main                     the commit that a revision stood for at the first download
//!   snapshots/COMMIT/config.json  a file of that commit, there when it is whole
//!   stagediff/COMMIT.json         ours: the files of each place that was fetched, by its path
//! ```
//! A commit without such a note was brought by another program; its files are chosen as fetch would choose them.

mod chosen;

use stagediff_settings::hub_cache;
#[doc(inline)]
pub use stagediff_settings::{Kind, Location};

use crate::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The cache of the hub's Python client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its folder.
    pub dir: PathBuf,
}

/// Files of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The place at its commit.
    pub location: Location,
    /// Its folder in the cache: of a model the one that
    /// [`GptNeo::load`](crate::language_model::gpt_neo::GptNeo::load) takes.
    pub dir: PathBuf,
    /// What the place stands for: a model's files, or files of stories that follow one another.
    pub paths: Vec<PathBuf>,
}

impl Cache {
    /// The cache that the environment names, by the variables that the Python client reads ([`hub_cache`]).
    pub fn from_env() -> Cache {
        Cache { dir: hub_cache(&|name| std::env::var(name).ok()) }
    }

    /// The files that a location stands for.
    ///
    /// # Errors
    /// They have not been fetched, or not all of them.
    pub fn files(&self, location: &Location) -> Result<Files> {
        let kind = if location.kind == Kind::Dataset { "datasets" } else { "models" };
        let repository = self.dir.join(format!("{kind}--{}", location.repo.replace('/', "--")));
        let absent = |what: &str| {
            let reason =
                format!("{what} is not in the cache ({}): run `cargo xtask fetch {location}`", repository.display());
            Error::download(location.to_string(), reason)
        };
        let commit = match std::fs::read_to_string(repository.join("refs").join(&location.revision)) {
            Ok(commit) => commit.trim().to_string(),
            Err(_) => location.revision.clone(),
        };
        let snapshot = repository.join("snapshots").join(&commit);
        let names = match fetched(&repository.join(format!("stagediff/{commit}.json")), &location.path)? {
            Some(names) => names,
            None => chosen::names(&snapshot, location, &absent)?,
        };
        if let Some(missing) = names.iter().find(|name| !snapshot.join(name).is_file()) {
            return Err(absent(missing));
        }
        let paths = names.iter().map(|name| snapshot.join(name)).collect();
        let dir = if location.path.is_empty() { snapshot } else { snapshot.join(&location.path) };
        Ok(Files { location: location.at(&commit), dir, paths })
    }
}

/// The names of the files that fetch has noted for a path in the repository.
fn fetched(note: &Path, path: &str) -> Result<Option<Vec<String>>> {
    let Ok(text) = std::fs::read_to_string(note) else { return Ok(None) };
    let mut places: BTreeMap<String, Vec<String>> =
        serde_json::from_str(&text).map_err(|e| Error::invalid(note, format!("no list of files ({e}): remove it")))?;
    Ok(places.remove(path))
}
