//! `cargo xtask lab`: the notebooks in JupyterLab, to step through.

use crate::settings::Settings;
use crate::setup::setup;
use crate::{Result, fetch, machine};
use std::process::Command;

/// Sets up and opens JupyterLab in the notebooks' folder; a kernel started there sees the settings.
///
/// # Errors
/// What setup says, or that JupyterLab cannot be started.
pub fn lab(settings: &Settings, arguments: &[String]) -> Result<()> {
    let mut settings = settings.clone();
    settings.find_stories(&std::env::current_dir().map_err(|error| error.to_string())?)?;
    let machine = setup()?;
    fetch::of_settings(&machine, &settings)?;
    let places = &machine.places;
    let mut command = places.command_with(places.venv_bin("jupyter"), &machine.libtorch, &settings);
    command.arg("lab").current_dir(places.notebooks()).env("JUPYTER_PREFER_ENV_PATH", "1");
    // A kernel answers late while another one, or a build, holds cargo's lock.
    command.args(["--MappingKernelManager.kernel_info_timeout=600", "--ServerApp.root_dir=."]);
    if machine::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        command.arg("--allow-root");
    }
    command.args(arguments);
    println!("the first cell that keeps a variable takes about 40 seconds, later ones 2 to 4; Ctrl-C ends JupyterLab");
    let status = command.status().map_err(|error| format!("cannot start jupyter: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("jupyter ended with {status}")) }
}
