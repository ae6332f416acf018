//! `cargo xtask sweep`: the series for each variant of recipe and crosscoder, by the compiled notebooks.

use crate::Result;
use crate::fetch::fetch;
use crate::places::finish;
use crate::setup;
use stagediff_settings::{Overrides, Settings, VARIABLE};

/// Sets up the library and runs what the words name: a number of seeds, then variants or nothing for all.
///
/// # Errors
/// What setup says, or that the sweep broke off. Runs that are finished are kept.
pub fn sweep(given: &Overrides, words: &[String]) -> Result<()> {
    let locations = given.onto(&Settings::default()).on_hub()?;
    let machine = setup::library()?;
    fetch(&machine.places, &locations)?;
    let failed = "the sweep broke off; runs that are finished are kept";
    finish(&mut machine.cargo(&["build", "--quiet", "--package", "notebooks", "--bins"]), failed)?;
    let mut command = machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", "sweep", "--"]);
    finish(command.args(words).env(VARIABLE, given.to_json()), failed)
}
