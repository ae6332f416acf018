//! What the sources hold: every `unsafe` says why and is listed, every dependency may be used under a licence that lets one.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rust files below a folder.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let own = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"));
    own.chain(folders.iter().flat_map(|folder| self::files(folder))).collect()
}

#[test]
fn every_unsafe_says_why_and_is_listed() {
    let table = std::fs::read_to_string(root().join("tests/RELIABILITY.md")).unwrap();
    let word = concat!("unsafe", " {");
    for path in ["lib", "xtask", "benches", "notebooks/src", "tests"].iter().flat_map(|dir| files(&root().join(dir))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (i, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(word)) {
            let says_why = lines[i.saturating_sub(6)..i].iter().any(|line| line.contains("SAFETY:"));
            assert!(says_why, "{}:{}", path.display(), i + 1);
        }
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let is_listed = name.starts_with("tests/") || table.contains(&format!("`{name}`"));
        assert!(!text.contains(word) || is_listed, "{name} is not in the table of tests/RELIABILITY.md");
    }
}

/// Licences under which anyone may use and pass on what is linked.
const ALLOWED: [&str; 12] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "BSL-1.0",
];

/// Whether one of the choices of a licence expression is allowed in all its parts.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    let part =
        |part: &str| part.split(" OR ").any(|choice| ALLOWED.contains(&choice.trim()) || choice.trim() == "Unlicense");
    expression.split(" AND ").all(part)
}

#[test]
fn every_dependency_may_be_used_under_a_permissive_licence() {
    let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
    let out = Command::new(cargo).args(["metadata", "--offline", "--format-version", "1"]).current_dir(root()).output();
    let Some(out) = out.ok().filter(|out| out.status.success()) else {
        return println!("skipped: cargo metadata needs the sources of all crates of Cargo.lock (cargo xtask setup)");
    };
    let metadata: Value = serde_json::from_slice(&out.stdout).unwrap();
    let foreign = metadata["packages"].as_array().unwrap().iter().filter(|package| !package["source"].is_null());
    let mut by_licence: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in foreign {
        let licence = package["license"].as_str().unwrap_or("none").to_string();
        by_licence.entry(licence).or_default().insert(package["name"].as_str().unwrap().into());
    }
    by_licence.iter().for_each(|(licence, names)| println!("{licence}: {names:?}"));
    let refused: Vec<_> = by_licence.iter().filter(|(licence, _)| !is_allowed(licence)).collect();
    assert!(refused.is_empty() && !by_licence.is_empty(), "{refused:?}");
}

#[test]
fn a_licence_that_asks_for_more_is_refused() {
    for allowed in ["MIT OR Apache-2.0", "Unlicense/MIT", "(MIT OR Apache-2.0) AND Unicode-3.0", "MIT OR GPL-3.0-only"]
    {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["GPL-3.0-only", "none", "MIT AND GPL-3.0-only", "SSPL-1.0"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}
