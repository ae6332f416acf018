//! What a place stands for among the files of a snapshot that another program has brought into the cache: the choice of
//! xtask/fetch.py, from the files that are there.

use super::{Kind, Location};
use crate::files::weights::Index;
use crate::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

/// A model's tokenizer, in the order of preference.
const TOKENIZERS: [&[&str]; 2] = [&["tokenizer.json"], &["vocab.json", "merges.txt"]];

/// What belongs to a tokenizer and may be absent.
const BESIDE: [&str; 3] = ["added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"];

/// A model's weights, the safest first.
const WEIGHTS: [&[&str]; 4] = [
    &["model.safetensors"],
    &["model.safetensors.index.json"],
    &["pytorch_model.bin"],
    &["pytorch_model.bin.index.json"],
];

/// How it is said that something is not in the cache.
type Absent<'a> = &'a dyn Fn(&str) -> Error;

/// The names of a place's files.
///
/// # Errors
/// Something is missing of it, or it is not said which file is meant.
pub(super) fn names(snapshot: &Path, location: &Location, absent: Absent) -> Result<Vec<String>> {
    if !snapshot.is_dir() {
        return Err(absent("it"));
    }
    let there = files_in(snapshot);
    match location.kind {
        Kind::Model => model(snapshot, &there, &location.path, absent),
        Kind::Dataset => stories(&there, location, absent),
    }
}

fn model(snapshot: &Path, there: &BTreeSet<String>, path: &str, absent: Absent) -> Result<Vec<String>> {
    let inside = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}/{name}") };
    let first = |choices: &[&[&str]]| {
        let mut whole = choices.iter().map(|choice| choice.iter().map(|name| inside(name)).collect::<Vec<_>>());
        let found = whole.find(|choice| choice.iter().all(|name| there.contains(name)));
        found.ok_or_else(|| absent(&inside(choices[0][0])))
    };
    let mut names = [first(&[&["config.json"]])?, first(&TOKENIZERS)?].concat();
    names.extend(BESIDE.map(inside).into_iter().filter(|name| there.contains(name)));
    names.extend(first(&WEIGHTS)?);
    if let Some(index) = names.last().filter(|name| name.ends_with(".index.json")) {
        let index = Index::read(&snapshot.join(index))?;
        names.extend(index.shards().into_iter().map(|shard| inside(shard)));
    }
    Ok(names)
}

fn stories(there: &BTreeSet<String>, location: &Location, absent: Absent) -> Result<Vec<String>> {
    let path = &location.path;
    if there.contains(path) {
        return Ok(vec![path.clone()]);
    }
    let inside = |name: &&String| path.is_empty() || name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
    let ending = |end: &str| {
        let all: Vec<String> = there.iter().filter(inside).filter(|name| name.ends_with(end)).cloned().collect();
        let train: Vec<String> = all.iter().filter(|name| name.contains("train")).cloned().collect();
        if train.is_empty() { all } else { train }
    };
    let (parquet, texts) = (ending(".parquet"), ending(".txt"));
    if let Some(missing) = parquet.iter().find_map(|name| missing_part(name, &parquet)) {
        return Err(absent(&missing));
    }
    match (parquet.as_slice(), texts.as_slice()) {
        ([], []) => Err(absent("a Parquet or text file of it")),
        ([], [_, _, ..]) => {
            let reason =
                format!("it has several files: add one of them, as in …/{} (there are {})", texts[0], texts.join(", "));
            Err(Error::download(location.to_string(), reason))
        }
        ([], [_]) => Ok(texts),
        _ => Ok(parquet),
    }
}

/// Of files that are numbered as data sets are, `train-00000-of-00002.parquet`, the first that is not there.
fn missing_part(name: &str, there: &[String]) -> Option<String> {
    let (before, after) = name.rsplit_once("-of-")?;
    let (stem, number) = before.rsplit_once('-')?;
    let n_digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let n_parts: usize = after[..n_digits].parse().ok()?;
    let part = |i: usize| format!("{stem}-{i:0width$}-of-{after}", width = number.len());
    (0..n_parts.min(there.len() + 1)).map(part).find(|part| !there.contains(part))
}

/// Names of the files below a folder, seen from it.
fn files_in(dir: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let Ok(entries) = std::fs::read_dir(dir) else { return names };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.extend(files_in(&path).into_iter().map(|inner| format!("{name}/{inner}")));
        } else if path.is_file() {
            names.insert(name); // a link to a content that is whole
        }
    }
    names
}
