//! Files that are written beside their place and renamed: a reader sees a whole file or none.

use crate::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `bytes` beside `path` and renames, so that a reader never sees half a file. Makes the folder if need be.
///
/// # Errors
/// The folder cannot be written to.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_whole_with(path, |file| file.write_all(bytes))
}

/// [`write_whole`] for what need not be in memory at once.
///
/// # Errors
/// The folder cannot be written to, or `write` fails.
pub(crate) fn write_whole_with(path: &Path, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    }
    // two writers of one file, in two threads or processes, must not share the name beside it
    static N_WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}-{}.part", std::process::id(), N_WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let written =
        File::create(&beside).and_then(|mut file| write(&mut file)).and_then(|()| std::fs::rename(&beside, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Error::io(path)(error)
    })
}
