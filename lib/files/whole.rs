//! Files and folders that are written beside their place and renamed: a reader sees a whole one or none, also after the
//! power failed.

use crate::{Error, Result};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a writer that was killed leaves beside its place ends so.
const PART: &str = ".part";

/// No writer takes so long; what was not changed since is left over.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// Writes `bytes` beside `path`, to the disk, and renames, so that a reader never sees half a file. Makes the folder if
/// need be.
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
    let beside = beside(path)?;
    let written = File::create(&beside)
        .and_then(|mut file| write(&mut file).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(&beside, path))
        .and_then(|()| sync_folder_of(path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Error::io(path)(error)
    })
}

/// Has `write` fill a folder beside `path`, and renames it: the folder is there with all its files or not at all. A file
/// may be written so, too.
///
/// # Errors
/// There is something at `path`, the place cannot be written to, or `write` fails.
pub fn write_folder_whole<E: From<Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    if path.exists() {
        return Err(Error::invalid(path, "is there already: remove it or name another").into());
    }
    let beside = beside(path)?;
    let renamed = |()| {
        std::fs::rename(&beside, path)
            .and_then(|()| sync_folder_of(path))
            .map_err(|error| Error::io(path)(error).into())
    };
    write(&beside).and_then(renamed).inspect_err(|_| {
        let _ = std::fs::remove_dir_all(&beside).or_else(|_| std::fs::remove_file(&beside));
    })
}

/// Removes what writers that were killed have left below a folder, an hour ago or earlier.
pub(crate) fn remove_left_over(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, Ok(about)) = (entry.path(), entry.metadata()) else { continue };
        let is_old = about.modified().is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > LEFT_OVER));
        if about.is_dir() {
            remove_left_over(&path);
        } else if is_old && path.to_string_lossy().ends_with(PART) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// A name beside `path` that no other thread or process has; makes the folder.
fn beside(path: &Path) -> Result<PathBuf> {
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
    }
    static N_WRITTEN: AtomicU64 = AtomicU64::new(0);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}-{}{PART}", std::process::id(), N_WRITTEN.fetch_add(1, Ordering::Relaxed)));
    Ok(beside.into())
}

/// A rename is on the disk when its folder is.
fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(dir).and_then(|dir| dir.sync_all()) {
        // some network disks have no such call; the rename itself was done
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("stagediff-whole-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_folder_whose_writer_fails_is_not_there() {
        let dir = folder("fails");
        let place = dir.join("model");
        let broken = write_folder_whole(&place, |beside| {
            write_whole(&beside.join("config.json"), b"{}")?;
            Err(Error::setting("disk", "full", "expected room"))
        });
        assert!(broken.is_err());
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
        write_folder_whole(&place, |beside| write_whole(&beside.join("config.json"), b"{}")).unwrap();
        let again = write_folder_whole(&place, |_| Ok::<(), Error>(()));
        assert!(again.unwrap_err().to_string().contains("is there already"));
        assert_eq!(std::fs::read(place.join("config.json")).unwrap(), b"{}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn only_what_was_left_over_long_ago_is_removed() {
        let dir = folder("left_over");
        let [old, new, other] = ["w/a.1-0.part", "w/b.2-0.part", "w/a"].map(|name| dir.join(name));
        for path in [&old, &new, &other] {
            write_whole(path, b"half").unwrap();
        }
        for path in [&old, &other] {
            let long_ago = std::time::SystemTime::now() - 2 * LEFT_OVER;
            File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
        }
        remove_left_over(&dir);
        assert_eq!([&old, &new, &other].map(|path| path.exists()), [false, true, true]);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
