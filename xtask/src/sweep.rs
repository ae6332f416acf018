//! `cargo xtask sweep`: the series for each variant of recipe and crosscoder, by the compiled notebooks.

use crate::Result;
use crate::places::cargo;
use crate::settings::Settings;
use crate::setup;

/// Sets up the library and runs what the words name: a number of seeds, then variants or nothing for all.
///
/// # Errors
/// What setup says, or that the sweep broke off. Runs that are finished are kept.
pub fn sweep(settings: &Settings, words: &[String]) -> Result<()> {
    let machine = setup::library()?;
    let status = |arguments: &[&str], words: &[String]| {
        let mut command = machine.places.command_with(cargo(), &machine.libtorch, settings);
        command.args(arguments).args(words);
        command.status().map_err(|error| format!("cannot start cargo: {error}"))
    };
    status(&["build", "--quiet", "--package", "notebooks", "--bins"], &[])?;
    let ended = status(&["run", "--quiet", "--package", "notebooks", "--bin", "sweep", "--"], words)?;
    if ended.success() { Ok(()) } else { Err("the sweep broke off; runs that are finished are kept".into()) }
}
