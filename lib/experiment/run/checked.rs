//! Files of a run are held against the hashes that they had when they were written.

use super::Run;
use super::manifest::Manifest;
use super::series;
use crate::{Error, Result};
use std::path::Path;

impl Run {
    /// SHA-256 of a file of the run. In one process a file is read once, as long as its inode, length and time of change
    /// stay.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn sha256(&self, name: &str) -> Result<String> {
        self.hashes.borrow_mut().sha256(&self.path(name))
    }

    /// Checks that a file is the one that was recorded.
    ///
    /// # Errors
    /// It was changed since, or what made it has not ended: the notebook that makes it again is named.
    pub(super) fn check(&self, name: &str) -> Result<()> {
        let known = self.manifest.borrow().files.get(name).cloned();
        if known.is_some() && known.as_ref() == Some(&self.sha256(name)?) {
            return Ok(());
        }
        // another process may have written it since this one opened the run, or be about to record it
        let known = Manifest::recorded(&self.dir, name)?;
        match (known, series::writer(name)) {
            (Some(known), _) => self.check_hash(name, &known, super::manifest::FILE),
            (None, Some(notebook)) => {
                let reason = format!("no step that was finished has written it: execute notebook {notebook} again");
                Err(Error::invalid(self.path(name), reason))
            }
            (None, None) => Ok(()),
        }
    }

    /// Checks a file against a hash that stands in `record`.
    ///
    /// # Errors
    /// It has another.
    pub(crate) fn check_hash(&self, name: &str, known: &str, record: &str) -> Result<()> {
        let found = self.sha256(name)?;
        if found == known { Ok(()) } else { Err(changed(&self.path(name), name, &found, known, record)) }
    }
}

pub(super) fn changed(path: &Path, name: &str, found: &str, known: &str, record: &str) -> Error {
    let again = match series::writer(name) {
        Some(notebook) => format!("delete it and execute notebook {notebook} again"),
        None => "delete it and make it again".into(),
    };
    let reason =
        format!("was changed since it was written: its SHA-256 is {found}, in {record} it is {known}; {again}");
    Error::invalid(path, reason)
}
