//! libtorch, from Python's wheel or the user's own.

use crate::machine;
use crate::places::Places;
use crate::progress::{Show, Steps};
use crate::python::pip;
use crate::{Result, places};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The libtorch that tch is made for.
pub const VERSION: &str = "2.11.0";

/// What the CPU's library needs of CUDA, though it never calls it.
const CPU_PACKAGES: [&str; 2] = ["nvidia-cuda-runtime==13.0.*", "nvidia-cuda-cupti==13.0.*"];

/// The user's own libtorch: the folder that `LIBTORCH` names, if its version is right.
fn own() -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("LIBTORCH")?);
    if version_of(&folder).as_deref() == Some(VERSION) && folder.join("lib").is_dir() {
        return Some(folder);
    }
    let found = version_of(&folder).map_or("none".into(), |version| format!("libtorch {version}"));
    println!("LIBTORCH={} holds {found}; {VERSION} is needed, so one from Python's wheel is used", folder.display());
    None
}

/// The wheel's libtorch in the Python environment, if the environment is there.
fn in_venv(venv: &Path) -> Option<PathBuf> {
    let lib = std::fs::read_dir(venv.join("lib")).ok()?;
    let folders = lib.flatten().map(|entry| entry.path().join("site-packages/torch"));
    folders.into_iter().find(|folder| version_of(folder).as_deref() == Some(VERSION))
}

/// The version that a libtorch says it has: `build-version` in an archive, `version.py` in a wheel.
fn version_of(folder: &Path) -> Option<String> {
    let plain = std::fs::read_to_string(folder.join("build-version")).ok();
    let text = plain.or_else(|| {
        let module = std::fs::read_to_string(folder.join("version.py")).ok()?;
        let line = module.lines().find_map(|line| line.strip_prefix("__version__ = "))?;
        Some(line.trim_matches(['\'', '"']).to_owned())
    })?;
    Some(text.trim().split('+').next().unwrap_or_default().to_owned())
}

/// The folder of libtorch: the user's own, or the wheel's, which is installed into the Python environment.
///
/// # Errors
/// What pip says, or that libtorch cannot be loaded.
pub fn install(places: &Places, steps: &mut Steps) -> Result<PathBuf> {
    match own() {
        Some(folder) => Ok(folder),
        None => install_wheel(&places.venv(), &places.venv_bin("python"), steps),
    }
}

fn install_wheel(venv: &Path, python: &Path, steps: &mut Steps) -> Result<PathBuf> {
    let gpu = machine::has_gpu();
    let marker = venv.join("stagediff-libtorch");
    let wanted = format!("{VERSION} {}\n", if gpu { "gpu" } else { "cpu" });
    let there = || in_venv(venv).filter(|libtorch| loads(python, libtorch));
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted)
        && let Some(libtorch) = in_venv(venv)
    {
        return Ok(libtorch);
    }
    let about = match gpu {
        true => format!("libtorch {VERSION} for the GPU, by Python's wheel; 5 to 15 minutes, 4.7 GB"),
        false => format!("libtorch {VERSION}, by Python's wheel; 1 to 5 minutes, 1.3 GB"),
    };
    let libtorch = steps.step("libtorch", &about, |steps| {
        if there().is_none() || gpu {
            let torch = format!("torch=={VERSION}");
            let packages: Vec<&str> = match gpu {
                true => vec![&torch],
                false => [&["--no-deps", &torch], &CPU_PACKAGES[..]].concat(),
            };
            steps.stream("libtorch", pip(python).args(&packages), Show::Packages)?;
            if there().is_none() {
                steps.stream("libtorch", pip(python).arg("--force-reinstall").args(&packages), Show::Packages)?;
            }
        }
        there().ok_or(format!("the wheel is installed in {}, but its library cannot be loaded", venv.display()))
    })?;
    places::write(&marker, &wanted)?;
    Ok(libtorch)
}

/// Whether the library itself can be opened: an install that was cut off half way leaves a version behind.
fn loads(python: &Path, libtorch: &Path) -> bool {
    let open = "import ctypes, sys; ctypes.CDLL(sys.argv[1])";
    let library = libtorch.join("lib/libtorch_cpu.so");
    let mut command = Command::new(python);
    command.args(["-c", open]).arg(library).env("LD_LIBRARY_PATH", libtorch.join("lib"));
    machine::output(&mut command).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_libtorch_tell_their_version() {
        let folder = std::env::temp_dir().join(format!("stagediff-libtorch-{}", std::process::id()));
        places::write(&folder.join("wheel/version.py"), "x = 1\n__version__ = '2.11.0+cu130'\n").unwrap();
        places::write(&folder.join("archive/build-version"), "2.9.1+cpu\n").unwrap();
        assert_eq!(version_of(&folder.join("wheel")).as_deref(), Some("2.11.0"));
        assert_eq!(version_of(&folder.join("archive")).as_deref(), Some("2.9.1"));
        assert_eq!(version_of(&folder.join("nothing")), None);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
