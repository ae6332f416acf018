//! The series of notebooks: which there are, in which order they run.

use crate::Result;
use std::path::{Path, PathBuf};

/// The last notebook of the series. Those after it compare several runs, and are executed when they are named.
const LAST: u32 = 8;

/// The notebooks `NN_name.ipynb` in running order: the overview, 00, comes last, for it reads what the others wrote.
///
/// # Errors
/// When there is none.
pub fn series(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    found.sort_by_key(|path| (number(path) == Some(0), number(path)));
    if found.is_empty() {
        return Err(format!("no notebooks in {}", folder.display()));
    }
    Ok(found)
}

/// Keeps one notebook, or one and those after it in the series, or the whole series.
///
/// # Errors
/// When `only` or `from` names no notebook of the series.
pub fn select(series: Vec<PathBuf>, only: Option<&str>, from: Option<&str>) -> Result<Vec<PathBuf>> {
    let position = |wanted: &str| {
        let found =
            series.iter().position(|path| name(path) == wanted || wanted.parse() == Ok(number(path).unwrap_or(99)));
        let known = || series.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("no notebook `{wanted}`: there are {}", known()))
    };
    let range = match (only, from) {
        (Some(_), Some(_)) => return Err("--only and --from exclude each other".into()),
        (Some(wanted), None) => position(wanted)?..position(wanted)? + 1,
        (None, Some(wanted)) => position(wanted)?..series.len(),
        (None, None) => 0..series.len(),
    };
    let is_wanted = |path: &&PathBuf| only.is_some() || number(path) <= Some(LAST);
    Ok(series[range].iter().filter(is_wanted).cloned().collect())
}

/// `05_crosscoder` of `notebooks/05_crosscoder.ipynb`.
pub fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The 5 of `05_crosscoder.ipynb`, nothing for another file.
fn number(path: &Path) -> Option<u32> {
    if path.extension()? != "ipynb" {
        return None;
    }
    name(path).split_once('_').filter(|(digits, _)| digits.len() == 2)?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<PathBuf> {
        ["01_a", "02_b", "08_c", "09_d", "00_o"].map(|name| PathBuf::from(format!("n/{name}.ipynb"))).into()
    }

    fn names(selected: Result<Vec<PathBuf>>) -> Vec<String> {
        selected.unwrap().iter().map(|path| name(path)).collect()
    }

    #[test]
    fn the_overview_comes_last_and_other_files_not_at_all() {
        let folder = std::env::temp_dir().join(format!("stagediff-series-{}", std::process::id()));
        for name in ["10_c.ipynb", "00_o.ipynb", "02_b.ipynb", "01_a.ipynb", "build.rs", "Untitled.ipynb", "1_x.ipynb"]
        {
            crate::places::write(&folder.join(name), "x").unwrap();
        }
        assert_eq!(names(series(&folder)), ["01_a", "02_b", "10_c", "00_o"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_number_or_a_name_selects() {
        assert_eq!(names(select(some(), Some("2"), None)), ["02_b"]);
        assert_eq!(names(select(some(), Some("00"), None)), ["00_o"]);
        assert_eq!(names(select(some(), None, Some("08_c"))), ["08_c", "00_o"]);
        assert_eq!(names(select(some(), None, None)), ["01_a", "02_b", "08_c", "00_o"]);
        assert_eq!(names(select(some(), Some("9"), None)), ["09_d"], "beyond the series, by name alone");
        assert!(select(some(), Some("7"), None).unwrap_err().contains("08_c"));
        assert!(select(some(), Some("1"), Some("2")).is_err());
    }
}
