//! Weights in several files, with an index that says which tensor lies where (`model.safetensors.index.json`).

use super::Weights;
use crate::files::read_text;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tch::Device;

#[derive(Deserialize)]
pub(crate) struct Index {
    /// The file of each tensor, beside the index.
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// # Errors
    /// The file cannot be read, or is no index.
    pub fn read(path: &Path) -> Result<Index> {
        let foreign = |e| Error::invalid(path, format!("no index of weights: {e}"));
        serde_json::from_str(&read_text(path)?).map_err(foreign)
    }

    /// The names of all files.
    pub fn shards(&self) -> BTreeSet<&String> {
        self.weight_map.values().collect()
    }
}

/// Reads the tensors that an index names onto `device`.
///
/// # Errors
/// A shard is missing or damaged, or does not hold a tensor that the index says it holds.
pub(super) fn read(path: &Path, device: Device) -> Result<Weights> {
    let index = Index::read(path)?;
    let mut weights = Weights { path: path.into(), ..Weights::default() };
    for file in index.shards() {
        if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
            return Err(Error::invalid(path, format!("names the shard {file:?}, expected a file beside the index")));
        }
        if Path::new(file).extension().is_some_and(|end| end == "json") {
            return Err(Error::invalid(path, format!("names the shard {file:?}, expected a file of tensors")));
        }
        let mut shard = Weights::read(path.with_file_name(file), device)?;
        for (name, _) in index.weight_map.iter().filter(|(_, holder)| *holder == file) {
            let tensor = shard.tensors.remove(name).ok_or_else(|| {
                Error::invalid(&shard.path, format!("has no tensor {name:?}, which {} says it has", path.display()))
            })?;
            weights.tensors.insert(name.clone(), tensor);
        }
    }
    Ok(weights)
}
