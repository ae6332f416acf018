//! How a place on the hub is written.

use crate::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// What kind of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Weights, configuration and tokenizer.
    Model,
    /// Data sets; written `datasets/…`.
    Dataset,
}

/// A repository on the hub, a revision of it, and a file or folder in it.
///
/// Written as by Hugging Face's own file system, `hf://[datasets/]OWNER/NAME[@REVISION][/PATH]`; the slashes after `hf:`
/// may be left out. The revision is a branch, a tag, a commit, `refs/…`, or `~parquet` for `refs/convert/parquet`, the
/// branch in which the hub keeps Parquet files of every data set.
///
/// ```
/// use stagediff_settings::{Kind, Location};
/// let shards: Location = "hf://datasets/roneneldan/TinyStoriesInstruct@~parquet/default/train".parse()?;
/// assert_eq!((shards.kind, shards.repo.as_str()), (Kind::Dataset, "roneneldan/TinyStoriesInstruct"));
/// assert_eq!((shards.revision.as_str(), shards.path.as_str()), ("refs/convert/parquet", "default/train"));
/// # Ok::<(), stagediff_settings::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Model or data set.
    pub kind: Kind,
    /// `OWNER/NAME`.
    pub repo: String,
    /// `main` unless given.
    pub revision: String,
    /// A file or folder in the repository; empty for all of it.
    pub path: String,
}

impl Location {
    /// Whether a text is meant for a place on the hub: it begins with `hf:`.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with("hf:")
    }

    /// The location of a data set, where `datasets/` may be left out.
    ///
    /// # Errors
    /// As `parse`.
    pub fn of_dataset(text: &str) -> Result<Location> {
        Ok(Location { kind: Kind::Dataset, ..text.parse()? })
    }

    /// The same place at a fixed commit.
    pub fn at(&self, commit: &str) -> Location {
        Location { revision: commit.into(), ..self.clone() }
    }
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Location> {
        let refused = || {
            let expected = "expected hf:OWNER/NAME, hf:OWNER/NAME@REVISION or hf://datasets/OWNER/NAME@REVISION/PATH";
            Error::setting("place on the hub", text, expected)
        };
        let rest = text.strip_prefix("hf:").ok_or_else(refused)?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (kind, rest) = match rest.strip_prefix("datasets/") {
            Some(rest) => (Kind::Dataset, rest),
            None => (Kind::Model, rest),
        };
        let (owner, rest) = rest.split_once('/').ok_or_else(refused)?;
        let (name, rest) = rest.split_at(rest.find(['/', '@']).unwrap_or(rest.len()));
        let (revision, path) = match rest.strip_prefix('@') {
            Some(rest) => split_revision(rest),
            None => ("main", rest),
        };
        let revision = if revision == "~parquet" { "refs/convert/parquet" } else { revision };
        let path = path.trim_matches('/');
        let parts =
            [owner, name].into_iter().chain(revision.split('/')).chain(path.split('/').filter(|_| !path.is_empty()));
        if parts.into_iter().all(is_plain) {
            Ok(Location { kind, repo: format!("{owner}/{name}"), revision: revision.into(), path: path.into() })
        } else {
            Err(refused())
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let kind = if self.kind == Kind::Dataset { "datasets/" } else { "" };
        write!(f, "hf://{kind}{}", self.repo)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        if self.path.is_empty() { Ok(()) } else { write!(f, "/{}", self.path) }
    }
}

/// Revision and path; a revision of the hub's own, `refs/convert/NAME` or `refs/pr/NUMBER`, has slashes in it.
fn split_revision(text: &str) -> (&str, &str) {
    let n_parts = if text.starts_with("refs/") { 3 } else { 1 };
    let end = text.match_indices('/').nth(n_parts - 1).map_or(text.len(), |(at, _)| at);
    text.split_at(end)
}

/// Whether a text can be one part of a URL and of a path in the cache, and leads nowhere else.
fn is_plain(part: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.~+=".contains(c);
    !part.is_empty() && part.chars().all(allowed) && !part.chars().all(|c| c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_read_and_written_alike() {
        for text in [
            "hf://roneneldan/TinyStories-Instruct-33M",
            "hf://roneneldan/TinyStories-Instruct-33M@v1",
            "hf://datasets/roneneldan/TinyStoriesInstruct@refs/convert/parquet/default/train",
            "hf://datasets/roneneldan/TinyStories/TinyStories-train.txt",
        ] {
            assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        }
        let short: Location = "hf:a/b@refs/pr/3".parse().unwrap();
        assert_eq!((short.revision.as_str(), short.path.as_str()), ("refs/pr/3", ""));
        assert_eq!(Location::of_dataset("hf:a/b").unwrap().to_string(), "hf://datasets/a/b");
    }

    #[test]
    fn what_is_no_location_is_refused() {
        for text in
            ["hf:", "hf:gpt2", "hf:a/", "hf:a/b@", "hf:a/..", "hf:a/b/../../c", "hf:a/b@../x", "hf:a b/c", "a/b"]
        {
            let error = text.parse::<Location>().unwrap_err().to_string();
            assert!(error.contains(text) && error.contains("OWNER/NAME"), "{error}");
        }
    }
}
