//! `cargo xtask fetch`: models and stories from the Hugging Face hub, by the library's own downloader.

use crate::Result;
use crate::places::cargo;
use crate::settings::Settings;
use crate::setup::{Machine, setup};

/// Sets up and downloads what the words name, `hf:OWNER/NAME`.
///
/// # Errors
/// What setup says, or that something could not be had.
pub fn fetch(words: &[String]) -> Result<()> {
    downloaded(&setup()?, &Settings::default(), words)
}

/// Downloads what the settings name, here rather than in a notebook, where no bar could be shown.
///
/// # Errors
/// Something could not be had.
pub fn of_settings(machine: &Machine, settings: &Settings) -> Result<()> {
    if settings.names_the_hub() { downloaded(machine, settings, &[]) } else { Ok(()) }
}

fn downloaded(machine: &Machine, settings: &Settings, words: &[String]) -> Result<()> {
    let mut command = machine.places.command_with(cargo(), &machine.libtorch, settings);
    command.args(["run", "--quiet", "--package", "notebooks", "--bin", "fetch", "--"]).args(words);
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("not all of it could be downloaded; what came is kept".into()) }
}
