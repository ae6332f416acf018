//! The series of notebooks: which there are, in which order they run.

use crate::Result;
use stagediff_settings::Series;
use std::path::{Path, PathBuf};

/// The notebooks `NN_name.ipynb` in the order of their numbers.
///
/// # Errors
/// When there is none.
pub fn all(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| number(path).is_some()).collect();
    found.sort_by_key(|path| number(path));
    if found.is_empty() {
        return Err(format!("no notebooks in {}", folder.display()));
    }
    Ok(found)
}

/// Which notebooks are to be executed.
#[derive(Debug, Default, PartialEq)]
pub enum Selection {
    /// The series.
    #[default]
    All,
    /// One, by name or number.
    Only(String),
    /// One and those after it in the series.
    From(String),
}

impl Selection {
    /// Chooses once.
    ///
    /// # Errors
    /// Something was chosen before.
    pub fn set(&mut self, selection: Selection) -> Result<()> {
        match std::mem::replace(self, selection) {
            Selection::All => Ok(()),
            _ => Err("--only and --from exclude each other, and are given once".into()),
        }
    }
}

/// The notebooks of a selection, in the order of the series.
///
/// # Errors
/// It names no notebook, or begins with one that is not of the series.
pub fn select(notebooks: Vec<PathBuf>, series: Series, selection: &Selection) -> Result<Vec<PathBuf>> {
    let is_named =
        |path: &&PathBuf, wanted: &str| name(path) == wanted || wanted.parse() == Ok(number(path).unwrap_or(99));
    let find = |notebooks: &[PathBuf], wanted: &str| {
        let known = || notebooks.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ");
        let found = notebooks.iter().position(|path| is_named(&path, wanted));
        found.ok_or_else(|| format!("no notebook `{wanted}`: there are {}", known()))
    };
    if let Selection::Only(wanted) = selection {
        return Ok(vec![notebooks[find(&notebooks, wanted)?].clone()]);
    }
    let mut of_series: Vec<PathBuf> =
        notebooks.into_iter().filter(|path| series.place(&name(path)).is_some()).collect();
    of_series.sort_by_key(|path| series.place(&name(path)));
    let first = if let Selection::From(wanted) = selection { find(&of_series, wanted)? } else { 0 };
    Ok(of_series.split_off(first))
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
        ["01_a", "02_b", "08_c", "09_d", "10_e", "11_f", "00_o"]
            .map(|name| PathBuf::from(format!("n/{name}.ipynb")))
            .into()
    }

    fn names(selected: Result<Vec<PathBuf>>) -> Vec<String> {
        selected.unwrap().iter().map(|path| name(path)).collect()
    }

    #[test]
    fn other_files_are_no_notebooks() {
        let folder = std::env::temp_dir().join(format!("stagediff-series-{}", std::process::id()));
        for name in ["10_c.ipynb", "00_o.ipynb", "02_b.ipynb", "01_a.ipynb", "build.rs", "Untitled.ipynb", "1_x.ipynb"]
        {
            crate::places::write(&folder.join(name), "x").unwrap();
        }
        assert_eq!(names(all(&folder)), ["00_o", "01_a", "02_b", "10_c"]);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_number_or_a_name_selects() {
        let select = |selection: Selection| select(some(), Series::Stories, &selection);
        let only = |name: &str| select(Selection::Only(name.into()));
        assert_eq!((names(only("2")), names(only("00"))), (vec!["02_b".into()], vec!["00_o".into()]));
        assert_eq!(names(only("9")), ["09_d"], "beyond the series, by name alone");
        assert_eq!(names(select(Selection::From("08_c".into()))), ["08_c", "10_e", "00_o"]);
        assert_eq!(names(select(Selection::All)), ["01_a", "02_b", "08_c", "10_e", "00_o"]);
        assert!(only("7").unwrap_err().contains("08_c"));
        assert!(select(Selection::From("11".into())).unwrap_err().contains("10_e, 00_o"), "beyond the series");
    }

    #[test]
    fn a_series_has_an_order_of_its_own() {
        let mut notebooks = some();
        notebooks.push("n/15_y.ipynb".into());
        let select = |series| select(notebooks.clone(), series, &Selection::All);
        assert_eq!(names(select(Series::Texts)), ["15_y", "08_c", "10_e", "00_o"]);
        assert_eq!(names(select(Series::Activations)), ["15_y"]);
    }
}
