//! What setup cannot install itself: Python, a C++ compiler, room on the disk.

use crate::Result;
use crate::places::Places;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python that the environment is made from.
///
/// # Errors
/// When there is none that libtorch's wheel has a version for, or it lacks `venv`.
pub fn python() -> Result<PathBuf> {
    let names = env::var_os("PYTHON").map(PathBuf::from).into_iter().chain(["python3".into(), "python".into()]);
    let mut found = Vec::new();
    for name in names {
        let Some(version) = output(Command::new(&name).args(["-c", "import sys; print(*sys.version_info[:2])"])) else {
            continue;
        };
        if !matches!(minor(&version), Some(10..=14)) {
            found.push(format!("{} is {}", name.display(), version.trim().replace(' ', ".")));
        } else if output(Command::new(&name).args(["-c", "import venv, ensurepip"])).is_none() {
            found.push(format!("{} lacks the module venv", name.display()));
        } else {
            return Ok(name);
        }
    }
    let found = if found.is_empty() { "none found".into() } else { found.join("; ") };
    Err(format!(
        "Python 3.10 to 3.14 with venv is needed ({found}).\n\
         Install it, on Debian: apt-get install python3 python3-venv; or name one by PYTHON=/path/to/python3"
    ))
}

/// # Errors
/// When there is no C++ compiler.
pub fn check_compiler() -> Result<()> {
    let chosen = env::var("CXX").ok();
    let names = chosen.as_deref().into_iter().chain(["c++", "g++", "clang++"]);
    if names.into_iter().any(|name| output(Command::new(name).arg("--version")).is_some()) {
        return Ok(());
    }
    Err("a C++ compiler is needed for the bindings to libtorch.\n\
         Install one, on Debian: apt-get install g++; or name one by CXX=/path/to/c++"
        .into())
}

/// # Errors
/// When the disk under `folder` has less than `gib` GiB left.
pub fn check_room(folder: &Path, gib: u64) -> Result<()> {
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let Some(free) = output(Command::new("df").arg("-Pk").arg(existing)).as_deref().and_then(free_kib) else {
        return Ok(());
    };
    if free >= gib << 20 {
        return Ok(());
    }
    Err(format!(
        "{} has {:.1} GiB left, {gib} GiB are needed.\n\
         Make room, or put the cache elsewhere by STAGEDIFF_CACHE and the build by CARGO_TARGET_DIR",
        existing.display(),
        free as f64 / (1 << 20) as f64
    ))
}

/// Whether there is an NVIDIA GPU that libtorch could use.
pub fn has_gpu() -> bool {
    output(Command::new("nvidia-smi").arg("-L")).is_some_and(|list| list.contains("GPU "))
}

/// The host's target triple, as rustc names it.
pub fn host() -> Result<String> {
    let version = output(Command::new("rustc").arg("-vV")).ok_or("rustc is not on PATH")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc -vV names no host")?.to_owned())
}

/// # Errors
/// Whatever is missing that setup cannot install.
pub fn check(places: &Places) -> Result<PathBuf> {
    check_compiler()?;
    let venv_there = places.venv().join("bin/jupyter").exists();
    check_room(&places.cache, if venv_there { 1 } else { 5 })?;
    check_room(&places.target, if places.target.join("debug").exists() { 1 } else { 4 })?;
    python()
}

/// What a command prints, if it can be run and succeeds.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The 11 of Python 3.11, printed as `3 11`.
fn minor(version: &str) -> Option<u32> {
    version.trim().strip_prefix("3 ")?.parse().ok()
}

/// The fourth column of the second line that `df -Pk` prints.
fn free_kib(table: &str) -> Option<u64> {
    table.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_programs_print() {
        assert_eq!((minor("3 11\n"), minor("2 7"), minor("")), (Some(11), None, None));
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda1 1000 400 600 40% /\n";
        assert_eq!((free_kib(table), free_kib("")), (Some(600), None));
    }

    #[test]
    fn too_little_room_is_an_error_that_says_what_to_do() {
        let error = check_room(Path::new("/no/such/folder"), 1 << 40).unwrap_err();
        assert!(error.contains("STAGEDIFF_CACHE"), "{error}");
        assert_eq!(check_room(Path::new("/"), 0), Ok(()));
    }
}
