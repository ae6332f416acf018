//! The folder that the parity tests read, and what of it was read.

use crate::fixture;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stagediff::files::Weights;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

/// What says something about the folder and is no case.
const NO_CASES: [&str; 5] = ["gen", "__pycache__", "README.md", "MANIFEST.json", "spec.json"];

thread_local! {
    /// Files read on this thread, and tensors as `file: tensor`, while [`read_by`] runs.
    static READ: RefCell<Option<BTreeSet<String>>> = const { RefCell::new(None) };
}

/// tests/fixtures, or the folder that `STAGEDIFF_FIXTURES` names.
pub fn root() -> PathBuf {
    other_root().unwrap_or_else(|| fixture::path(""))
}

fn other_root() -> Option<PathBuf> {
    std::env::var_os("STAGEDIFF_FIXTURES").filter(|dir| !dir.is_empty()).map(PathBuf::from)
}

/// A file of the folder.
#[track_caller]
pub fn path(file: &str) -> PathBuf {
    let path = root().join(file);
    assert!(
        path.is_file(),
        "{file} is missing in {}: tests/fixtures/README.md says what belongs there, tests/fixtures/gen makes it",
        root().display()
    );
    note(file.into());
    path
}

/// Whether the folder has a file.
pub fn has(file: &str) -> bool {
    root().join(file).is_file()
}

/// A JSON file.
#[track_caller]
pub fn json(file: &str) -> Value {
    let path = path(file);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A number in JSON.
#[track_caller]
pub fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name} is {}, expected a number", value[name]))
}

/// A list of numbers in JSON.
#[track_caller]
pub fn numbers(value: &Value, name: &str) -> Vec<f64> {
    let list = value[name].as_array().unwrap_or_else(|| panic!("{name} is {}, expected a list", value[name]));
    list.iter().map(|number| number.as_f64().unwrap()).collect()
}

/// The fields of an object in JSON, such as the cases of a folder.
#[track_caller]
pub fn fields<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[name].as_object().unwrap_or_else(|| panic!("{name} is {}, expected an object", value[name])).iter()
}

/// The tensors of a safetensors file.
#[track_caller]
pub fn tensors(file: &str) -> Tensors {
    let weights = Weights::read(path(file), Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
    Tensors { file: file.into(), weights }
}

/// Tensors by name.
pub struct Tensors {
    file: String,
    weights: Weights,
}

impl Tensors {
    /// The tensor called `name`.
    #[track_caller]
    pub fn get(&self, name: &str) -> Tensor {
        let path = self.weights.path().display();
        let tensor = self.weights.tensors.get(name).unwrap_or_else(|| panic!("no tensor {name:?} in {path}"));
        note(format!("{}: {name}", self.file));
        tensor.shallow_clone()
    }

    /// Whether there is a tensor called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.weights.tensors.contains_key(name)
    }

    /// The names.
    pub fn names(&self) -> Vec<&str> {
        self.weights.tensors.keys().map(String::as_str).collect()
    }

    /// Tensors whose name begins with `prefix`, under the rest of their name.
    pub fn below(&self, prefix: &str) -> Vec<(&str, Tensor)> {
        let rest = |name| str::strip_prefix(name, prefix);
        self.names().into_iter().filter_map(|name| Some((rest(name)?, self.get(name)))).collect()
    }
}

fn note(what: String) {
    READ.with_borrow_mut(|read| {
        if let Some(read) = read {
            read.insert(what);
        }
    });
}

/// What `run` reads of the folder.
pub fn read_by(run: impl FnOnce()) -> BTreeSet<String> {
    READ.set(Some(BTreeSet::new()));
    run();
    READ.take().expect("the set of above")
}

/// Whether [`read_by`] runs.
pub fn is_noting() -> bool {
    READ.with_borrow(Option::is_some)
}

/// All cases of the folder: its files, and the tensors of its safetensors files as `file: tensor`.
pub fn contents() -> BTreeSet<String> {
    let mut contents = BTreeSet::new();
    for file in files(&root()) {
        if file.ends_with(".safetensors") {
            let weights = Weights::read(root().join(&file), Device::Cpu).unwrap_or_else(|error| panic!("{error}"));
            contents.extend(weights.tensors.keys().map(|name| format!("{file}: {name}")));
        }
        contents.insert(file);
    }
    contents
}

/// Files below `dir` that hold cases, by their path in it.
fn files(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|error| panic!("cannot read {}: {error}", dir.display()));
    let mut files = Vec::new();
    for entry in entries.map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if NO_CASES.contains(&name.as_str()) || name.starts_with('.') {
            continue;
        }
        if entry.path().is_dir() {
            files.extend(self::files(&entry.path()).iter().map(|file| format!("{name}/{file}")));
        } else {
            files.push(name);
        }
    }
    files
}

/// Each file that MANIFEST.json lists is there; of ours it also has the size and the hash that are listed. Another folder
/// may be without a manifest, and its cases may have been changed since it was written.
pub fn check_manifest() {
    let path = root().join("MANIFEST.json");
    let is_ours = other_root().is_none();
    if !is_ours && !path.exists() {
        return;
    }
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let manifest: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    for (file, known) in manifest.as_object().expect("files by name") {
        let bytes = std::fs::read(self::path(file)).unwrap();
        let found = (Some(bytes.len() as u64), Some(format!("{:x}", Sha256::digest(&bytes))));
        let listed = (known["bytes"].as_u64(), known["sha256"].as_str().map(String::from));
        assert!(!is_ours || found == listed, "{file} is {found:?}, {} says {listed:?}", path.display());
    }
}
