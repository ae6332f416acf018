//! Steps that several runs have in common.

use super::held::Record;
use crate::experiment::run::Run;
use crate::{Error, Result};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Takes over the finished steps of the run in `from` of which `run` has no record of its own: their files, as links, and
/// their records. A step that turns out to be made of something else is done anew. Nothing happens where `from` is no run.
///
/// Links share a file's bytes, which is safe since files of a run are replaced and never changed in place; where the disk
/// knows no links the file is copied.
///
/// # Errors
/// Another process writes to `run`, or a file cannot be written or read.
pub fn share_steps(run: &Run, from: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(from.join("steps")) else { return Ok(()) };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let records = names.filter(|name| name.ends_with(".json")).map(|name| format!("steps/{name}"));
    let missing: Vec<String> = records.filter(|record| !run.path(record).exists()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let _alone = run.write_alone("takes over steps")?;
    missing.iter().try_for_each(|record| share(run, from, record))
}

/// Files first: a step is there once its record is.
fn share(run: &Run, from: &Path, file: &str) -> Result<()> {
    let path = from.join(file);
    let bytes = fs::read(&path).map_err(Error::io(&path))?;
    let Ok(record) = serde_json::from_slice::<Record<Value>>(&bytes) else { return Ok(()) };
    for name in record.files.keys().map(String::as_str).chain([file]) {
        link(&from.join(name), &run.path(name))?;
    }
    Ok(())
}

/// Puts a link at `to`, in the place of a file for which no record of a step vouches.
fn link(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(Error::io(to))?;
    match fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Error::io(to)(error)),
        _ => {}
    }
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)).map_err(Error::io(from))
}
