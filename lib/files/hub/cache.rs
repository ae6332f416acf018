//! The hub's cache on disk, laid out as its Python client lays it out, so that both find each other's files:
//! ```text
//! models--OWNER--NAME/
//!   refs/main                     the commit that a revision stood for
//!   snapshots/COMMIT/config.json  a link to
//!   blobs/ETAG                    the content, named after its hash
//!   blobs/ETAG.incomplete         what has come of it so far
//!   listings/COMMIT               ours: the names of all the commit's files, one a line
//! ```

use super::{Kind, Location};
use crate::files::write_whole;
use crate::{Error, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A repository's part of the cache.
pub struct RepoCache {
    dir: PathBuf,
    locks: PathBuf,
}

impl RepoCache {
    /// The part of `location`'s repository; it need not be there.
    pub fn new(cache: &Path, location: &Location) -> RepoCache {
        let kind = if location.kind == Kind::Dataset { "datasets" } else { "models" };
        let folder = format!("{kind}--{}", location.repo.replace('/', "--"));
        RepoCache { dir: cache.join(&folder), locks: cache.join(".locks").join(folder) }
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The commit that a revision stood for when it was last asked for. A commit stands for itself.
    pub fn commit(&self, revision: &str) -> Option<String> {
        match fs::read_to_string(self.dir.join("refs").join(revision)) {
            Ok(commit) => Some(commit.trim().into()),
            Err(_) => self.snapshot(revision).is_dir().then(|| revision.into()),
        }
    }

    /// The folder of a commit's files.
    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.dir.join("snapshots").join(commit)
    }

    /// The names of a commit's files, if the hub has told them before.
    pub fn listing(&self, commit: &str) -> Option<Vec<String>> {
        let text = fs::read_to_string(self.dir.join("listings").join(commit)).ok()?;
        Some(text.lines().map(String::from).collect())
    }

    /// Keeps what the hub has told of a revision: its commit and the names of the files.
    pub fn keep(&self, revision: &str, commit: &str, names: &[String]) -> Result<()> {
        write_whole(&self.dir.join("listings").join(commit), names.join("\n").as_bytes())?;
        if revision == commit { Ok(()) } else { write_whole(&self.dir.join("refs").join(revision), commit.as_bytes()) }
    }

    /// The names of a commit's files that are here.
    pub fn names(&self, commit: &str) -> Vec<String> {
        let root = self.snapshot(commit);
        let (mut names, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                match path.strip_prefix(&root) {
                    _ if path.is_dir() => folders.push(path),
                    Ok(name) if path.is_file() => names.push(name.to_string_lossy().replace('\\', "/")),
                    _ => {}
                }
            }
        }
        names.sort();
        names
    }

    /// A file of a commit, if its content is here.
    pub fn file(&self, commit: &str, name: &str) -> Option<PathBuf> {
        Some(self.snapshot(commit).join(name)).filter(|path| path.is_file())
    }

    /// The place of a content.
    pub fn blob(&self, etag: &str) -> PathBuf {
        self.dir.join("blobs").join(etag)
    }

    /// The place of what has come of a content so far; what is longer than `n_bytes` is nothing of it and removed.
    pub fn part(&self, etag: &str, n_bytes: u64) -> Result<PathBuf> {
        let dir = self.dir.join("blobs");
        fs::create_dir_all(&dir).map_err(Error::io(&dir))?;
        let part = dir.join(format!("{etag}.incomplete"));
        if part.metadata().is_ok_and(|about| about.len() > n_bytes) {
            fs::remove_file(&part).map_err(Error::io(&part))?;
        }
        Ok(part)
    }

    /// The lock that whoever downloads a content holds, this program or the Python client.
    pub fn lock(&self, etag: &str) -> Result<File> {
        fs::create_dir_all(&self.locks).map_err(Error::io(&self.locks))?;
        let path = self.locks.join(format!("{etag}.lock"));
        let lock = File::create(&path).map_err(Error::io(&path))?;
        lock.lock().map_err(Error::io(&path))?;
        Ok(lock)
    }

    /// Makes a content appear under a commit's file name.
    pub fn link(&self, commit: &str, name: &str, etag: &str) -> Result<PathBuf> {
        let path = self.snapshot(commit).join(name);
        let dir = path.parent().unwrap_or(&path);
        fs::create_dir_all(dir).map_err(Error::io(dir))?;
        if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).map_err(Error::io(&path))?; // a link that leads nowhere
        }
        let up = "../".repeat(2 + name.matches('/').count());
        symlink(Path::new(&format!("{up}blobs/{etag}")), &self.blob(etag), &path).map_err(Error::io(&path))?;
        Ok(path)
    }
}

#[cfg(unix)]
fn symlink(relative: &Path, _blob: &Path, path: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(relative, path)
}

#[cfg(not(unix))]
fn symlink(_relative: &Path, blob: &Path, path: &Path) -> std::io::Result<()> {
    fs::hard_link(blob, path)
}
