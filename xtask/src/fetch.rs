//! `cargo xtask fetch`: models and stories from the Hugging Face hub, by its own Python client (xtask/fetch.py).

use crate::Result;
use crate::places::{Places, finish};
use stagediff_settings::Location;
use std::process::Command;

/// Downloads what is missing of these places into the hub's cache, where the library looks for them.
///
/// # Errors
/// Something could not be had.
pub fn fetch(places: &Places, locations: &[Location]) -> Result<()> {
    if locations.is_empty() {
        return Ok(());
    }
    let mut command = Command::new(places.venv_bin("python"));
    command.env("HF_HUB_CACHE", &places.hub_cache);
    command.arg(places.root.join("xtask/fetch.py")).args(locations.iter().map(Location::to_string));
    finish(&mut command, "not all of it could be downloaded; what came is kept")
}
