//! `cargo xtask convert`: models, adapters and crosscoders from and to other libraries' forms.

use crate::Result;
use crate::places::finish;
use crate::setup;

/// Sets up the library and hands the arguments to the program that converts; paths are seen from where the command was given.
///
/// # Errors
/// What setup says, or that the conversion failed.
pub fn convert(arguments: &[String]) -> Result<()> {
    let machine = setup::library()?;
    let mut command =
        machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", "convert", "--manifest-path"]);
    command.arg(machine.places.root.join("Cargo.toml")).arg("--").args(arguments);
    command.current_dir(std::env::current_dir().map_err(|error| error.to_string())?);
    finish(&mut command, "nothing was converted")
}
