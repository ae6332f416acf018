//! Where things are: the checkout, the cache shared by all checkouts, the target folder.

use crate::Result;
use stagediff_settings::{Settings, child, hub_cache, openmp};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names another data folder.
const DATA: &str = "STAGEDIFF_DATA";

/// The folders that the commands work in, all absolute.
pub struct Places {
    /// The checkout.
    pub root: PathBuf,
    /// `$STAGEDIFF_CACHE`, or `stagediff` in the user's cache folder: what is the same for every checkout.
    pub cache: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// `$STAGEDIFF_DATA`, or the checkout's: in its `runs` are the runs.
    pub data: PathBuf,
    /// The cache of the hub's Python client. Kernels and downloads work in other folders than the one that a relative
    /// path is meant from, so they are told the whole of it.
    pub hub_cache: PathBuf,
}

impl Places {
    /// Finds the folders from the environment that `cargo run` gives.
    pub fn find() -> Result<Places> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or(env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
        let root = manifest.parent().ok_or("xtask lies in no folder")?.to_owned();
        let exe = env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        // <target>/<host triple>/debug/xtask
        let target =
            exe.ancestors().nth(3).ok_or("this program lies in no target folder; start it by `cargo xtask`")?;
        let cache = env::var_os("STAGEDIFF_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(env::var_os("XDG_CACHE_HOME")?).join("stagediff")))
            .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache/stagediff")))
            .ok_or("no cache folder: set HOME or STAGEDIFF_CACHE")?;
        let here = env::current_dir().map_err(|error| error.to_string())?;
        let hub_cache = here.join(hub_cache(&|name| env::var(name).ok()));
        let data = here.join(env::var_os(DATA).map_or(root.join("data"), PathBuf::from));
        Ok(Places { root, cache: here.join(cache), target: target.to_owned(), data, hub_cache })
    }

    /// The Python environment with libtorch and JupyterLab.
    pub fn venv(&self) -> PathBuf {
        self.cache.join("venv")
    }

    /// A program of the Python environment.
    pub fn venv_bin(&self, name: &str) -> PathBuf {
        self.venv().join("bin").join(name)
    }

    /// The folder of the notebooks, where they also run.
    pub fn notebooks(&self) -> PathBuf {
        self.root.join("notebooks")
    }

    /// The folder of a run's results.
    pub fn run(&self, settings: &Settings) -> PathBuf {
        self.runs().join(settings.name())
    }

    /// The folder of the runs.
    pub fn runs(&self) -> PathBuf {
        self.data.join("runs")
    }

    /// A command in the checkout, with the environment that a program linked to `libtorch` needs.
    pub fn command(&self, program: impl AsRef<Path>, libtorch: &Path) -> Command {
        let mut library_path = vec![libtorch.join("lib")];
        library_path.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
        let mut command = Command::new(program.as_ref());
        command.current_dir(&self.root).env("LIBTORCH", libtorch).env("CARGO_TARGET_DIR", &self.target);
        command.env("HF_HUB_CACHE", &self.hub_cache);
        if env::var_os(DATA).is_some() {
            command.env(DATA, &self.data);
        }
        command.env("LD_LIBRARY_PATH", env::join_paths(library_path).unwrap_or_default());
        child::without_cargos(&mut command).envs(openmp::missing().iter().copied());
        command
    }

    /// A path as it is shown to a person: seen from the checkout where it lies in it.
    pub fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}

/// Writes a file unless it already says the same, making its folder.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Runs a command to its end, or to this program's if that comes first; `failed` says what it means if that is no success.
///
/// # Errors
/// The command cannot be started, or `failed`.
pub fn finish(command: &mut Command, failed: &str) -> Result<()> {
    let status = child::ends_with_us(command).status();
    let status = status.map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(failed.into()) }
}

/// Cargo, as the one that started this program.
pub fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or("cargo".into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_sees_nothing_that_cargo_said_to_this_program() {
        let places = Places {
            root: ".".into(),
            cache: "cache".into(),
            target: "target".into(),
            data: "data".into(),
            hub_cache: "hub".into(),
        };
        let output = places.command("env", Path::new("libtorch")).output().unwrap();
        let environment = String::from_utf8_lossy(&output.stdout).into_owned();
        let names: Vec<&str> = environment.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        assert!(env::var_os("CARGO_PKG_NAME").is_some(), "cargo says it to its tests");
        assert_eq!(names.iter().filter(|name| child::is_cargos(name)).count(), 0, "{environment}");
        assert!(["PATH", "LIBTORCH", "CARGO_TARGET_DIR"].iter().all(|name| names.contains(name)), "{environment}");
    }
}
