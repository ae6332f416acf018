//! The hash in a file's ETag, and whether a file has it.

use crate::files::hash;
use crate::{Error, Result};
use std::path::Path;

/// How a file's ETag was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// A large file's.
    Sha256,
    /// A small file's, as git names it.
    GitBlob,
}

impl Hash {
    /// The hash that an ETag is, by its length.
    pub fn of_etag(etag: &str) -> Option<Hash> {
        let is_hex = etag.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        match etag.len() {
            64 if is_hex => Some(Hash::Sha256),
            40 if is_hex => Some(Hash::GitBlob),
            _ => None,
        }
    }

    /// Removes a file that has another hash: going on from it would not help.
    pub fn check(self, part: &Path, etag: &str, url: &str) -> Result<()> {
        let (name, found) = match self {
            Hash::Sha256 => ("SHA-256", hash::sha256(part)?),
            Hash::GitBlob => ("git SHA-1", hash::git_blob(part)?),
        };
        if found == etag {
            return Ok(());
        }
        std::fs::remove_file(part).map_err(Error::io(part))?;
        let reason = format!("what came has the {name} {found}, the hub says {etag}; it was removed: try again");
        Err(Error::download(url, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_can_be_checked() {
        assert_eq!(Hash::of_etag(&"a".repeat(64)), Some(Hash::Sha256));
        assert_eq!(Hash::of_etag(&"0".repeat(40)), Some(Hash::GitBlob));
        assert_eq!(Hash::of_etag("5f3-x"), None);
        assert_eq!(Hash::of_etag(&"/".repeat(40)), None);
    }
}
