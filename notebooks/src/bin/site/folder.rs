//! The folder that becomes a site: made beside the one that is there, and put in its place when it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A site in the making.
pub struct Folder {
    making: PathBuf,
    place: PathBuf,
    n_bytes: u64,
    n_files: usize,
}

impl Folder {
    /// Begins a site at `place`.
    pub fn new(place: &Path) -> io::Result<Folder> {
        let making = beside(place, "new");
        remove(&making)?;
        fs::create_dir_all(&making)?;
        Ok(Folder { making, place: place.into(), n_bytes: 0, n_files: 0 })
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, content: impl AsRef<[u8]>) -> io::Result<()> {
        let path = self.making.join(name);
        fs::create_dir_all(path.parent().unwrap_or(&self.making))?;
        self.n_bytes += content.as_ref().len() as u64;
        self.n_files += 1;
        fs::write(path, content)
    }

    /// Puts the site in its place; says how many files of how many bytes it has.
    pub fn finish(self) -> io::Result<(usize, u64)> {
        let old = beside(&self.place, "old");
        remove(&old)?;
        if self.place.exists() {
            fs::rename(&self.place, &old)?;
        }
        fs::rename(&self.making, &self.place)?;
        remove(&old)?;
        Ok((self.n_files, self.n_bytes))
    }
}

fn beside(place: &Path, what: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{what}-{}", std::process::id()))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_takes_the_place_of_the_one_before_with_all_its_files() {
        let home = std::env::temp_dir().join(format!("stagediff-site-folder-{}", std::process::id()));
        let place = home.join("site");
        let mut first = Folder::new(&place).unwrap();
        first.add("old.html", "old").unwrap();
        first.finish().unwrap();
        let mut second = Folder::new(&place).unwrap();
        second.add("data/new.js", "new").unwrap();
        assert!(place.join("old.html").exists(), "it stays until the new one is whole");
        assert_eq!(second.finish().unwrap(), (1, 3));
        assert!(!place.join("old.html").exists() && place.join("data/new.js").exists());
        assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
        fs::remove_dir_all(&home).unwrap();
    }
}
