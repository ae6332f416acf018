//! The notebooks as one program: the same cells, compiled.
//!
//! `notebooks NAME...` runs notebooks by name or number, `notebooks all` the series, `notebooks list` names them. Those
//! beyond the series compare several runs or take long.

use stagediff_settings::{Overrides, Settings, openmp};
use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// A notebook's code.
type Notebook = fn() -> Result<(), Box<dyn std::error::Error>>;

include!(concat!(env!("OUT_DIR"), "/notebooks.rs"));

fn main() -> ExitCode {
    begin_anew();
    let names: Vec<String> = env::args().skip(1).collect();
    match select(&names).map_err(|error| (error, 1)).and_then(|selected| selected.into_iter().try_for_each(run)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, code)) => {
            eprintln!("error: {error}");
            ExitCode::from(code)
        }
    }
}

/// Replaces this program by itself with what OpenMP's environment lacks: libtorch has read it before `main`.
fn begin_anew() {
    if let (defaults @ [_, ..], Ok(program)) = (openmp::missing(), env::current_exe()) {
        let error = Command::new(program).args(env::args_os().skip(1)).envs(defaults.iter().copied()).exec();
        eprintln!("goes on without {defaults:?}: {error}");
    }
}

/// The notebooks that the arguments name, in the arguments' order; `all` are the series of what `STAGEDIFF_SETTINGS` says.
fn select(names: &[String]) -> Result<Vec<(&'static str, Notebook)>, String> {
    let known = || NOTEBOOKS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    match names {
        [] => Err(format!("name notebooks, or say `all`: there are {}", known())),
        [word] if word == "list" => {
            NOTEBOOKS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(Vec::new())
        }
        [word] if word == "all" => {
            let series = Overrides::from_env().map_err(|error| error.to_string())?.onto(&Settings::default()).series();
            let mut notebooks: Vec<_> =
                NOTEBOOKS.iter().filter(|(name, _)| series.place(name).is_some()).copied().collect();
            notebooks.sort_by_key(|(name, _)| series.place(name));
            Ok(notebooks)
        }
        names => names
            .iter()
            .map(|wanted| {
                let named = |name: &str| name == wanted || name.split('_').next() == Some(wanted);
                let found = NOTEBOOKS.iter().find(|(name, _)| named(name));
                found.copied().ok_or_else(|| format!("no notebook `{wanted}`: there are {}", known()))
            })
            .collect(),
    }
}

/// Runs one; what ended it and the program's exit code for that.
fn run((name, notebook): (&'static str, Notebook)) -> Result<(), (String, u8)> {
    println!("\n── {name}");
    let start = Instant::now();
    let code = |error: &(dyn std::error::Error + 'static)| error.downcast_ref().map_or(1, stagediff::Error::exit_code);
    notebook().map_err(|error| (format!("{name}: {error}"), code(error.as_ref())))?;
    println!("── {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The notebooks with every cell twice in a row. That this compiles is the test: no cell takes away what an earlier one
/// made, so that a person can run any cell again.
#[cfg(test)]
#[allow(dead_code)]
mod twice {
    type Result<T, E> = std::result::Result<T, E>;

    include!(concat!(env!("OUT_DIR"), "/twice.rs"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cells as they stand in the notebook, without the kernel's own lines.
    fn cells(name: &str) -> Vec<String> {
        let path = format!("{}/{name}.ipynb", env!("CARGO_MANIFEST_DIR"));
        let notebook: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let code = |cell: &serde_json::Value| -> String {
            cell["source"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|line| line.as_str())
                .filter(|line| !line.starts_with(":dep"))
                .collect()
        };
        notebook["cells"].as_array().unwrap().iter().filter(|cell| cell["cell_type"] == "code").map(code).collect()
    }

    #[test]
    fn the_binary_holds_the_notebooks_code() {
        let compiled = include_str!(concat!(env!("OUT_DIR"), "/notebooks.rs"));
        for (name, _) in NOTEBOOKS {
            let mut rest = compiled.split(&format!("pub fn nb_{name}()")).nth(1).expect("a function of the notebook");
            for cell in cells(name) {
                let place =
                    rest.find(cell.trim()).unwrap_or_else(|| panic!("{name}: not compiled, or out of order: {cell}"));
                rest = &rest[place + cell.trim().len()..];
            }
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = select(&["nonsense".into()]).unwrap_err();
        assert!(error.contains("nonsense") && error.contains("05_crosscoder"), "{error}");
    }
}
