//! `cargo xtask lab`: the notebooks in JupyterLab, to step through.

use crate::fetch::fetch;
use crate::setup::setup;
use crate::{Result, machine};
use stagediff_settings::{Overrides, Settings, VARIABLE};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Sets up and becomes JupyterLab in the notebooks' folder, so that whoever ends this program ends JupyterLab, which ends
/// its kernels. What was given wins over the cells that a kernel started there runs; where nothing was, they stand alone.
///
/// # Errors
/// What setup says, or that JupyterLab cannot be started.
pub fn lab(given: &Overrides, arguments: &[String]) -> Result<()> {
    let locations = given.onto(&Settings::default()).on_hub()?;
    let machine = setup()?;
    let places = &machine.places;
    fetch(places, &locations)?;
    let mut command = places.command(places.venv_bin("jupyter"), &machine.libtorch);
    command.env("JUPYTER_PREFER_ENV_PATH", "1").current_dir(places.notebooks());
    if *given != Overrides::default() {
        command.env(VARIABLE, given.to_json());
    }
    // A kernel answers late while another one, or a build, holds cargo's lock.
    command.args(["lab", "--MappingKernelManager.kernel_info_timeout=600"]);
    if !arguments.iter().any(|argument| argument.starts_with("--ServerApp.root_dir")) {
        command.arg("--ServerApp.root_dir=.");
    }
    if machine::output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0") {
        command.arg("--allow-root");
    }
    println!(
        "the first cell takes about 6 seconds, later ones 1 to 2; names complete once the library was read in the background, \
         a minute after that; Ctrl-C twice ends JupyterLab"
    );
    Err(format!("cannot start JupyterLab: {}", command.args(arguments).exec()))
}
