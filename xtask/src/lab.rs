//! `cargo xtask lab`: the notebooks in JupyterLab, to step through.

use crate::fetch::fetch;
use crate::places::finish;
use crate::setup::setup;
use crate::{Result, machine};
use stagediff_settings::{Settings, VARIABLE};
use std::process::Command;

/// Sets up and opens JupyterLab in the notebooks' folder; a kernel started there sees the settings.
///
/// # Errors
/// What setup says, or that JupyterLab cannot be started.
pub fn lab(settings: &Settings, arguments: &[String]) -> Result<()> {
    let locations = settings.on_hub()?;
    let machine = setup()?;
    let places = &machine.places;
    fetch(places, &locations)?;
    let mut command = places.command(places.venv_bin("jupyter"), &machine.libtorch);
    command.env(VARIABLE, settings.to_json()).env("JUPYTER_PREFER_ENV_PATH", "1");
    // A kernel answers late while another one, or a build, holds cargo's lock.
    command.args(["lab", "--MappingKernelManager.kernel_info_timeout=600", "--ServerApp.root_dir=."]);
    if machine::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        command.arg("--allow-root");
    }
    println!("the first cell that keeps a variable takes about 40 seconds, later ones 2 to 4; Ctrl-C ends JupyterLab");
    finish(command.args(arguments).current_dir(places.notebooks()), "JupyterLab ended with an error")
}
