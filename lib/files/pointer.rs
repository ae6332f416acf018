//! Git LFS pointers: the three lines of text that stand in for a large file where a repository was cloned without it.

use crate::{Error, Result};
use std::io::Read;
use std::path::Path;

/// A pointer is shorter than this (Git LFS, docs/spec.md).
const MAX_BYTES: u64 = 1024;

/// Checks that a file is itself and no pointer. What cannot be opened is left to its reader.
///
/// # Errors
/// It is a pointer; the size that it names and how to get the file are said.
pub(crate) fn refuse_pointer(path: &Path) -> Result<()> {
    let is_short = std::fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() < MAX_BYTES);
    let Some(size) = is_short.then(|| size_named(path)).flatten() else { return Ok(()) };
    let reason = format!(
        "is a Git LFS pointer, not the file of {size} bytes that it stands for: run `git lfs pull` in the folder that \
         was cloned, or download the file itself"
    );
    Err(Error::invalid(path, reason))
}

/// The text of a file that is no pointer.
///
/// # Errors
/// It is missing, no UTF-8, or a pointer.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    refuse_pointer(path)?;
    let bytes = std::fs::read(path).map_err(Error::io(path))?;
    let no_text = |e: std::string::FromUtf8Error| format!("byte {} is not UTF-8", e.utf8_error().valid_up_to());
    String::from_utf8(bytes).map_err(|e| Error::invalid(path, no_text(e)))
}

/// The size that a pointer names; nothing for any other file.
fn size_named(path: &Path) -> Option<u64> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let line = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    text.strip_prefix("version https://")?;
    line("oid ")?;
    line("size ")?.trim().parse().ok()
}
