//! Which of a repository's files are needed.

use super::Location;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of a language model, but for the shards that an index of weights names ([`shards`]).
///
/// Configuration; `tokenizer.json`, or `vocab.json` and `merges.txt`; weights as safetensors, else as
/// `pytorch_model.bin`, of either the whole file or the index of its shards.
///
/// # Errors
/// One of the three is missing; the files that are there are named.
pub fn model(location: &Location, names: &[String]) -> Result<Vec<String>> {
    let at = |name: &str| if location.path.is_empty() { name.into() } else { format!("{}/{name}", location.path) };
    let find = |what: &str, choices: &[&[&str]]| -> Result<Vec<String>> {
        let whole = |choice: &&&[&str]| choice.iter().all(|name| names.contains(&at(name)));
        let found = choices.iter().find(whole).ok_or_else(|| lacking(location, what, names))?;
        Ok(found.iter().map(|name| at(name)).collect())
    };
    let config = find("config.json", &[&["config.json"]])?;
    let weights = find(
        "model.safetensors or pytorch_model.bin",
        &[
            &["model.safetensors"],
            &["model.safetensors.index.json"],
            &["pytorch_model.bin"],
            &["pytorch_model.bin.index.json"],
        ],
    )?;
    let tokenizer = find("tokenizer.json", &[&["tokenizer.json"], &["vocab.json", "merges.txt"]])?;
    Ok([config, tokenizer, weights].concat())
}

/// The shards that an index of weights names, beside it.
///
/// # Errors
/// The file is no index, or a shard lies elsewhere.
pub fn shards(index: &Path, name: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text = std::fs::read_to_string(index).map_err(Error::io(index))?;
    let read: Index =
        serde_json::from_str(&text).map_err(|e| Error::invalid(index, format!("no index of weights: {e}")))?;
    let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let shards: BTreeSet<String> = read.weight_map.into_values().map(|shard| format!("{folder}{shard}")).collect();
    Ok(shards.into_iter().collect())
}

/// The files of stories: the file that the location names, or in its folder (or the whole repository) the Parquet shards,
/// else the text file, of the training split.
///
/// # Errors
/// There are none, or several text files, so that one must be named.
pub fn stories(location: &Location, names: &[String]) -> Result<Vec<String>> {
    if names.contains(&location.path) {
        return Ok(vec![location.path.clone()]);
    }
    let inside = |name: &&String| location.path.is_empty() || name.starts_with(&format!("{}/", location.path));
    let ending =
        |end: &str| names.iter().filter(inside).filter(|name| name.ends_with(end)).cloned().collect::<Vec<_>>();
    let of_training = |found: Vec<String>| {
        let training: Vec<String> = found.iter().filter(|name| name.contains("train")).cloned().collect();
        if training.is_empty() { found } else { training }
    };
    let mut parquet = of_training(ending(".parquet"));
    parquet.sort();
    let text = of_training(ending(".txt"));
    match (parquet.len(), text.len()) {
        (0, 0) => Err(lacking(location, "Parquet or text file of stories", names)),
        (0, 1) => Ok(text),
        (0, _) => {
            let expected = format!("which has several files: add one of them, as in {location}/{}", text[0]);
            Err(Error::setting("place on the hub", location, format!("{expected} (there are {})", text.join(", "))))
        }
        _ => Ok(parquet),
    }
}

fn lacking(location: &Location, what: &str, names: &[String]) -> Error {
    let there = names.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
    Error::setting("place on the hub", location, format!("which has no {what}; its files are {there}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn a_model_is_configuration_tokenizer_and_the_safest_weights() {
        let location: Location = "hf:a/b".parse().unwrap();
        let all =
            names(&["README.md", "config.json", "merges.txt", "model.safetensors", "pytorch_model.bin", "vocab.json"]);
        let expected = names(&["config.json", "vocab.json", "merges.txt", "model.safetensors"]);
        assert_eq!(model(&location, &all).unwrap(), expected);
        let error = model(&location, &names(&["config.json", "tokenizer.json"])).unwrap_err().to_string();
        assert!(error.contains("hf://a/b") && error.contains("pytorch_model.bin"), "{error}");
    }

    #[test]
    fn stories_are_the_shards_of_the_training_split_or_the_one_text() {
        let location = |path: &str| Location::of_dataset(&format!("hf:a/b{path}")).unwrap();
        let both = names(&["data/train-1.parquet", "data/train-0.parquet", "data/validation-0.parquet", "b-train.txt"]);
        assert_eq!(stories(&location(""), &both).unwrap(), names(&["data/train-0.parquet", "data/train-1.parquet"]));
        assert_eq!(stories(&location("/b-train.txt"), &both).unwrap(), names(&["b-train.txt"]));
        let texts = names(&["b-train.txt", "b-valid.txt"]);
        assert_eq!(stories(&location(""), &texts).unwrap(), names(&["b-train.txt"]));
        let several = stories(&location(""), &names(&["b-train.txt", "bV2-train.txt"])).unwrap_err().to_string();
        assert!(several.contains("hf://datasets/a/b/b-train.txt") && several.contains("bV2-train.txt"), "{several}");
        assert!(stories(&location("/data"), &texts).unwrap_err().to_string().contains("no Parquet or text file"));
    }
}
