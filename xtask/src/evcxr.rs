//! The program behind the notebook kernel: evcxr_jupyter.

use crate::Result;
use crate::machine;
use crate::places::{self, Places};
use crate::progress::{Show, Steps};
use stagediff_settings::child;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The version that the kernel's workspace is made for.
pub const VERSION: &str = "0.22.0";

/// Crates that evcxr_jupyter is built from, for the progress.
const N_CRATES: usize = 330;

/// Finds evcxr_jupyter, or builds it; returns its path.
///
/// # Errors
/// What cargo says.
pub fn install(places: &Places, steps: &mut Steps) -> Result<PathBuf> {
    if let Some(path) = on_path() {
        return Ok(path);
    }
    let root = places.cache.join("evcxr");
    let path = root.join("bin/evcxr_jupyter");
    if is_right(&path) {
        return Ok(path);
    }
    steps.step("notebook kernel", "builds evcxr_jupyter; 5 to 12 minutes on two cores, 40 MB", |steps| {
        let mut command = Command::new(places::cargo());
        child::without_cargos(&mut command);
        command.args(["install", "--locked", "evcxr_jupyter", "--version", VERSION, "--force", "--root"]).arg(&root);
        // It is started once a notebook: half the build time is worth more than a faster program.
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
        command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        command.env("CARGO_TARGET_DIR", places.cache.join("evcxr-build")).current_dir(&places.cache);
        steps.stream("evcxr", &mut command, Show::Crates(N_CRATES))?;
        let _ = std::fs::remove_dir_all(places.cache.join("evcxr-build"));
        match is_right(&path) {
            true => Ok(()),
            false => Err(format!("{} does not start", path.display())),
        }
    })?;
    Ok(path)
}

/// An evcxr_jupyter of the right version that the user has on PATH.
fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("evcxr_jupyter")).find(|path| is_right(path))
}

/// Whether a program starts and cargo notes the right version of it. It does not tell its version itself.
fn is_right(path: &Path) -> bool {
    let notes = path.ancestors().nth(2).map(|root| root.join(".crates.toml"));
    let noted = notes.and_then(|notes| std::fs::read_to_string(notes).ok());
    noted.is_some_and(|text| text.contains(&format!("\"evcxr_jupyter {VERSION} ")))
        && machine::output(Command::new(path).arg("--help")).is_some()
}
