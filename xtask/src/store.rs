//! `cargo xtask push` and `pull`, and `run --run s3://…`: runs in object storage, by obstore (xtask/store.py).

use crate::Result;
use crate::places::{Places, finish};
use crate::python::{self, OBSTORE};
use stagediff_settings::Settings;
use std::process::Command;

/// The kinds of object storage; a folder of this machine is one, too.
const SCHEMES: [&str; 4] = ["s3", "gs", "az", "file"];

/// Where a run lies in object storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    url: String,
    /// The run's, by which it is called here.
    pub name: String,
}

impl Place {
    /// Parses `s3://BUCKET/PATH/NAME`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(url: &str) -> Result<Place> {
        let of_kind = |(scheme, path): (&'_ str, &'_ str)| {
            let (parents, name) = path.trim_end_matches('/').rsplit_once('/')?;
            let is_named = Settings::default().named(name).check_name().is_ok() && !parents.is_empty();
            (SCHEMES.contains(&scheme) && is_named).then(|| name.to_string())
        };
        let name = url.split_once("://").and_then(of_kind);
        let name = name.ok_or_else(|| format!("`{url}` is no place of a run such as s3://BUCKET/PATH/NAME"))?;
        Ok(Place { url: url.trim_end_matches('/').into(), name })
    }
}

/// Takes a run from its place before it is gone on with; that it can be written to is seen before anything is computed.
///
/// # Errors
/// The place cannot be read or written to, or the run was changed both here and there.
pub fn begin(places: &Places, place: &Place) -> Result<()> {
    exchange(places, place, "check")?;
    pull(places, place)
}

/// Takes what changed in a place into the run's folder.
///
/// # Errors
/// It cannot be read, or a file was changed both here and there.
pub fn pull(places: &Places, place: &Place) -> Result<()> {
    exchange(places, place, "pull")
}

/// Brings what changed in the run's folder to a place.
///
/// # Errors
/// It cannot be written to, or has changed since it was pulled.
pub fn push(places: &Places, place: &Place) -> Result<()> {
    exchange(places, place, "push")
}

fn exchange(places: &Places, place: &Place, action: &str) -> Result<()> {
    let python = python::extra(places, &OBSTORE)?.join("python");
    let folder = places.runs().join(&place.name);
    let mut command = Command::new(python);
    command.arg(places.root.join("xtask/store.py")).args([action, &place.url]).arg(folder);
    finish(&mut command, &format!("{} was not exchanged with {}", place.name, place.url))
}
