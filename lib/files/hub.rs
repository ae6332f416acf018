//! Models and data sets of the Hugging Face hub, in the cache that its Python client uses.
//!
//! ```no_run
//! use stagediff::files::hub::{Hub, Location};
//! let place: Location = "hf:roneneldan/TinyStories-Instruct-33M".parse()?;
//! let files = Hub::from_env()?.model(&place, &mut |download| println!("{download}"))?;
//! println!("{} at commit {}", files.dir.display(), files.commit);
//! # Ok::<(), stagediff::Error>(())
//! ```
//!
//! - What is in the cache is taken from there and the hub is not asked: a revision stands for the commit that it stood
//!   for when it was downloaded. To move on, name another revision or delete `refs/` in the repository's cache folder.
//! - A file appears in the cache under its name when it is whole and has the hash that the hub gives it: SHA-256 for
//!   large files, git's SHA-1 for small ones. What has come of it before then lies in `blobs/HASH.incomplete`, and the
//!   next call goes on from there.
//!
//! The crate `hf-hub` is not used. Its blocking line (0.4.3) checks no hash, waits for ever on a silent connection, asks
//! in vain for the rest of a file that is already whole, and sends the token to the store that the hub redirects to, none
//! of which can be mended from outside; its present one (1.0) needs an asynchronous runtime and some 300 more crates.

mod cache;
mod client;
mod etag;
mod failure;
mod location;
mod transfer;
mod wanted;

pub use location::{Kind, Location};

use crate::{Error, Result};
use cache::RepoCache;
use client::{Client, Head};
use etag::Hash;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use transfer::Transfer;

/// A hub, and where its files are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    /// `https://huggingface.co` or a mirror, without a slash at the end.
    pub endpoint: String,
    /// The cache's folder.
    pub cache: PathBuf,
    /// Sent to the endpoint, and to no other host.
    pub token: Option<String>,
    /// Whether to make do with what is in the cache.
    pub offline: bool,
    /// Wait after a request that failed; it doubles with each that fails in a row.
    pub pause: Duration,
}

/// Files of one commit, in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The location's place in the cache: of a model the folder that [`GptNeo::load`](crate::language_model::gpt_neo::GptNeo::load) takes.
    pub dir: PathBuf,
    /// The commit.
    pub commit: String,
    /// The files that were asked for.
    pub paths: Vec<PathBuf>,
}

/// How far a download is; prints as `pytorch_model.bin  45 % of 274 MB`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// The file's name in the repository.
    pub name: String,
    /// Bytes that are here.
    pub n_done: u64,
    /// Bytes in all.
    pub n_bytes: u64,
}

impl Hub {
    /// The hub that the environment names, by the variables that the Python client reads: `HF_ENDPOINT`;
    /// `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or `~/.cache/huggingface/hub`; `HF_TOKEN`, or the file `token` in
    /// `HF_HOME`; `HF_HUB_OFFLINE`.
    ///
    /// # Errors
    /// There is no home folder to have a cache in.
    pub fn from_env() -> Result<Hub> {
        Hub::from_variables(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Hub> {
        let user_cache = || variable("XDG_CACHE_HOME").or_else(|| Some(format!("{}/.cache", variable("HOME")?)));
        let home = variable("HF_HOME").or_else(|| Some(format!("{}/huggingface", user_cache()?)));
        let home =
            PathBuf::from(home.ok_or_else(|| Error::setting("HF_HOME", "not set", "expected a folder for downloads"))?);
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let kept_token = || std::fs::read_to_string(home.join("token")).ok();
        let token = variable("HF_TOKEN").or_else(kept_token).map(|token| token.trim().to_string());
        let is_true = |value: String| ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str());
        Ok(Hub {
            endpoint: endpoint.trim_end_matches('/').into(),
            cache: variable("HF_HUB_CACHE").map_or_else(|| home.join("hub"), PathBuf::from),
            token: token.filter(|token| !token.is_empty()),
            offline: variable("HF_HUB_OFFLINE").is_some_and(is_true),
            pause: Duration::from_secs(1),
        })
    }

    /// A language model: configuration, tokenizer and weights.
    ///
    /// # Errors
    /// They are not in the cache and cannot be downloaded whole, or the repository lacks one of them.
    pub fn model(&self, location: &Location, progress: &mut dyn FnMut(&Download)) -> Result<Files> {
        let commit = self.commit(location)?;
        let wanted = wanted::model(location, &commit.names)?;
        let mut paths = self.files(&commit, &wanted, progress)?;
        if let Some(at) = wanted.iter().position(|name| name.ends_with(".index.json")) {
            let shards = wanted::shards(&paths[at], &wanted[at])?;
            paths.extend(self.files(&commit, &shards, progress)?);
        }
        Ok(commit.files(paths))
    }

    /// Files of stories: the one that the location names, or the training split's Parquet shards, or its text file.
    ///
    /// # Errors
    /// They are not in the cache and cannot be downloaded whole, or there are none.
    pub fn stories(&self, location: &Location, progress: &mut dyn FnMut(&Download)) -> Result<Files> {
        let commit = self.commit(location)?;
        let wanted = wanted::stories(location, &commit.names)?;
        let paths = self.files(&commit, &wanted, progress)?;
        Ok(commit.files(paths))
    }

    /// The commit of the location's revision and the names of its files: from the cache, else from the hub.
    fn commit(&self, location: &Location) -> Result<Commit> {
        let cache = RepoCache::new(&self.cache, location);
        let known = cache.commit(&location.revision);
        let found = |cache: RepoCache, hash: String, names: Vec<String>| {
            Ok(Commit { location: location.clone(), cache, hash, names })
        };
        let listing = known.as_ref().and_then(|hash| cache.listing(hash));
        match (known, listing) {
            (Some(hash), Some(names)) => found(cache, hash, names),
            // a cache of the Python client's has no listings: offline, what it has brought is all there is to be had
            (Some(hash), None) if self.offline => {
                let names = cache.names(&hash);
                found(cache, hash, names)
            }
            (None, _) if self.offline => Err(self.absent(location, &cache, "it")),
            (known, _) => {
                // what the Python client has brought stays the commit of its revision
                let pinned = known.map_or_else(|| location.clone(), |hash| location.at(&hash));
                let revision = Client::new(self).revision(&pinned)?;
                let hash = revision.commit.clone();
                let names: Vec<String> = revision.names().into_iter().filter(|name| stays_inside(name)).collect();
                cache.keep(&location.revision, &hash, &names)?;
                found(cache, hash, names)
            }
        }
    }

    /// The paths of these files, downloading those that are not in the cache.
    fn files(&self, commit: &Commit, names: &[String], progress: &mut dyn FnMut(&Download)) -> Result<Vec<PathBuf>> {
        let path = |name: &String| match commit.cache.file(&commit.hash, name) {
            Some(path) => Ok(path),
            None if self.offline => Err(self.absent(&commit.location, &commit.cache, name)),
            None => self.download(commit, name, progress),
        };
        names.iter().map(path).collect()
    }

    fn download(&self, commit: &Commit, name: &str, progress: &mut dyn FnMut(&Download)) -> Result<PathBuf> {
        let Commit { location, cache, hash, .. } = commit;
        if !stays_inside(name) {
            return Err(Error::download(location.to_string(), format!("it names a file outside of itself, {name:?}")));
        }
        let client = Client::new(self);
        let url = client.url(location, hash, name);
        let Head { etag, n_bytes } = client.head(&url)?;
        let kind = Hash::of_etag(&etag).ok_or_else(|| {
            let reason =
                format!("its ETag {etag:?} is no hash, so what is sent could not be checked: is HF_ENDPOINT right?");
            Error::download(&url, reason)
        })?;
        let _lock = cache.lock(&etag)?;
        let blob = cache.blob(&etag);
        if !blob.is_file() {
            let part = cache.part(&etag, n_bytes)?;
            let download = Download { name: name.into(), n_done: 0, n_bytes };
            Transfer { client: &client, url: &url, part: &part, download, progress }.run()?;
            kind.check(&part, &etag, &url)?;
            std::fs::rename(&part, &blob).map_err(Error::io(&blob))?;
        }
        cache.link(hash, name, &etag)
    }

    fn absent(&self, location: &Location, cache: &RepoCache, what: &str) -> Error {
        let remedy =
            format!("run once without HF_HUB_OFFLINE, or copy {} from a machine that has it", cache.dir().display());
        Error::download(location.to_string(), format!("HF_HUB_OFFLINE is set and {what} is not in the cache: {remedy}"))
    }
}

/// A repository at one commit.
struct Commit {
    location: Location,
    cache: RepoCache,
    hash: String,
    /// All its files, or those in the cache where nobody can say more.
    names: Vec<String>,
}

impl Commit {
    fn files(self, paths: Vec<PathBuf>) -> Files {
        let snapshot = self.cache.snapshot(&self.hash);
        let dir = if self.location.path.is_empty() { snapshot } else { snapshot.join(&self.location.path) };
        Files { dir, commit: self.hash, paths }
    }
}

/// Whether a file's name leads to a place inside the repository.
fn stays_inside(name: &str) -> bool {
    !name.contains('\\') && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

impl fmt::Display for Download {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let percent = 100 * self.n_done / self.n_bytes.max(1);
        match self.n_bytes {
            0..10_000_000 => write!(f, "{}  {percent} % of {} kB", self.name, self.n_bytes.div_ceil(1000)),
            _ => write!(f, "{}  {percent} % of {} MB", self.name, self.n_bytes / 1_000_000),
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let token = if self.token.is_some() { "with" } else { "without" };
        let offline = if self.offline { ", offline" } else { "" };
        write!(f, "Hub({}, {token} a token, cache {}{offline})", self.endpoint, self.cache.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Hub {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Hub::from_variables(&find).unwrap()
    }

    #[test]
    fn the_variables_of_the_python_client_are_heeded() {
        let plain = hub(&[("HOME", "/h")]);
        assert_eq!(
            (plain.endpoint.as_str(), plain.cache.as_path()),
            ("https://huggingface.co", "/h/.cache/huggingface/hub".as_ref())
        );
        assert!(plain.token.is_none() && !plain.offline);
        let set = hub(&[
            ("HF_HOME", "/f"),
            ("HF_ENDPOINT", "http://mirror/"),
            ("HF_TOKEN", "t\n"),
            ("HF_HUB_OFFLINE", "true"),
        ]);
        assert_eq!((set.endpoint.as_str(), set.cache.as_path()), ("http://mirror", "/f/hub".as_ref()));
        assert_eq!((set.token.as_deref(), set.offline), (Some("t"), true));
        assert_eq!(hub(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]).cache, PathBuf::from("/x/huggingface/hub"));
        assert_eq!(hub(&[("HOME", "/h"), ("HF_HUB_CACHE", "/c"), ("HF_HUB_OFFLINE", "0")]).cache, PathBuf::from("/c"));
        assert!(!format!("{set:?}").contains("\"t\"") && Hub::from_variables(&|_| None).is_err());
    }
}
