//! `cargo xtask bench`: the library beside other people's programs.

use crate::Result;
use crate::places::finish;
use crate::setup;

/// Names the Python that runs the other programs.
const PYTHON: &str = "STAGEDIFF_PYTHON";

/// Sets up the library and hands the arguments to the benchmark.
///
/// # Errors
/// What setup says, or that the benchmark failed.
pub fn bench(arguments: &[String]) -> Result<()> {
    let machine = setup::library()?;
    let failed = "the benchmark did not finish";
    if arguments.iter().any(|word| word == "--series") {
        finish(&mut machine.cargo(&["build", "--quiet", "--package", "notebooks", "--bin", "notebooks"]), failed)?;
    }
    let mut command = machine.cargo(&["run", "--quiet", "--package", "benches", "--bin", "bench", "--"]);
    if std::env::var_os(PYTHON).is_none() {
        command.env(PYTHON, machine.places.venv_bin("python"));
    }
    finish(command.args(arguments), failed)
}
