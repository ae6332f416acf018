//! Regular files, told from what would hang or never end.

use crate::{Error, Result};
use std::path::Path;

/// Checks that a path is a regular file, or leads to one.
///
/// # Errors
/// It is missing, a folder, or a pipe, socket or device.
pub(crate) fn require_regular(path: &Path) -> Result<()> {
    let about = std::fs::metadata(path).map_err(Error::io(path))?;
    match about.is_file() {
        true => Ok(()),
        false if about.is_dir() => Err(Error::invalid(path, "is a folder, expected a file")),
        false => Err(Error::invalid(path, "is a pipe, socket or device: write what comes out of it into a file first")),
    }
}
