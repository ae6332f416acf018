//! `cargo xtask bench`: the library beside other people's programs.

use crate::Result;
use crate::places::cargo;
use crate::setup;
use std::process::Command;

/// Names the Python that runs the other programs.
const PYTHON: &str = "STAGEDIFF_PYTHON";

/// Sets up the library and hands the arguments to the benchmark.
///
/// # Errors
/// What setup says, or that the benchmark failed.
pub fn bench(arguments: &[String]) -> Result<()> {
    let machine = setup::library()?;
    let cargo = || machine.places.command(cargo(), &machine.libtorch);
    if arguments.iter().any(|word| word == "--series") {
        finish(cargo().args(["build", "--quiet", "--package", "notebooks", "--bin", "notebooks"]))?;
    }
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "benches", "--bin", "bench", "--"]).args(arguments);
    if std::env::var_os(PYTHON).is_none() {
        command.env(PYTHON, machine.places.venv_bin("python"));
    }
    finish(&mut command)
}

fn finish(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the benchmark did not finish".into()) }
}
