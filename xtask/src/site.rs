//! `cargo xtask site`: a run's pages as one folder that opens from disk.

use crate::Result;
use crate::places::{Places, finish};
use crate::setup::{self, Machine};
use std::path::PathBuf;
use std::process::Command;

/// The run whose site is made where none is named.
const DEFAULT: &str = "tiny";

/// Sets up the library and makes the sites of the runs that the words name; `--beside RUN` puts another run's latents
/// beside theirs.
///
/// # Errors
/// A run that is not there, what setup says, or a site that cannot be made.
pub fn site(words: &[String]) -> Result<()> {
    let places = Places::find()?;
    let arguments = arguments(&places, words)?;
    make(&setup::library()?, &arguments)
}

/// Makes the site of a run that has just ended.
///
/// # Errors
/// As [`site`].
pub fn of_run(machine: &Machine, folder: PathBuf) -> Result<()> {
    make(machine, &[folder.into_os_string().to_string_lossy().into_owned()])
}

fn make(machine: &Machine, arguments: &[String]) -> Result<()> {
    let mut command: Command = machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", "site", "--"]);
    match plotly(&machine.places) {
        Some(script) => drop(command.arg("--plotly").arg(script)),
        None => println!("no Plotly in {}: figures are pictures", machine.places.venv().display()),
    }
    finish(command.args(arguments), "the site was not made")
}

/// Names of runs as their folders, options as they are.
fn arguments(places: &Places, words: &[String]) -> Result<Vec<String>> {
    let is_value = |place: usize| place > 0 && words[place - 1] == "--beside";
    let names_run = |place: usize| !words[place].starts_with('-') && !is_value(place);
    let mut arguments = Vec::new();
    for word in words {
        match word.strip_prefix("--beside=") {
            Some(name) => arguments.extend(["--beside".into(), folder(places, name)?]),
            None if word == "--beside" => arguments.push(word.clone()),
            None if word.starts_with('-') => {
                return Err(format!("unknown option `{word}`; `cargo xtask help` lists them"));
            }
            None => arguments.push(folder(places, word)?),
        }
    }
    if !(0..words.len()).any(names_run) {
        arguments.push(folder(places, DEFAULT)?);
    }
    Ok(arguments)
}

/// The folder of a run.
fn folder(places: &Places, name: &str) -> Result<String> {
    let runs = places.runs();
    let folder = runs.join(name);
    if !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.') && folder.is_dir() {
        return Ok(folder.to_string_lossy().into_owned());
    }
    let entries = std::fs::read_dir(&runs).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir());
    let mut known: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    known.sort();
    let known = if known.is_empty() { "none yet: `cargo xtask run` makes one".into() } else { known.join(", ") };
    Err(format!("no run `{name}` in {}: there are {known}", places.shown(&runs)))
}

/// Plotly's script, as the Python package that setup installs brings it.
fn plotly(places: &Places) -> Option<PathBuf> {
    let versions = std::fs::read_dir(places.venv().join("lib")).ok()?.flatten();
    let script = |version: PathBuf| version.join("site-packages/plotly/package_data/plotly.min.js");
    versions.map(|version| script(version.path())).find(|script| script.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_and_unknown_ones_list_the_known() {
        let root = std::env::temp_dir().join(format!("stagediff-xtask-site-{}", std::process::id()));
        for run in ["tiny", "five"] {
            std::fs::create_dir_all(root.join("data/runs").join(run)).unwrap();
        }
        let places = Places {
            root: root.clone(),
            cache: "cache".into(),
            target: "target".into(),
            data: root.join("data"),
            hub_cache: "hub".into(),
        };
        let parsed = |line: &str| arguments(&places, &line.split_whitespace().map(String::from).collect::<Vec<_>>());
        let folder = |name: &str| root.join("data/runs").join(name).to_string_lossy().into_owned();
        assert_eq!(parsed(""), Ok(vec![folder("tiny")]));
        assert_eq!(parsed("five --beside tiny"), Ok(vec![folder("five"), "--beside".into(), folder("tiny")]));
        assert_eq!(parsed("--beside=five"), Ok(vec!["--beside".into(), folder("five"), folder("tiny")]));
        let error = parsed("nine").unwrap_err();
        assert!(error.contains("`nine`") && error.contains("five, tiny"), "{error}");
        assert!(parsed("../runs/tiny").is_err() && parsed("--all").unwrap_err().contains("--all"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
