//! The Python environment: JupyterLab, the hub's client and, as a wheel, libtorch.

use crate::places::{self, Places};
use crate::progress::{Show, Steps};
use crate::{Result, machine};
use std::path::{Path, PathBuf};
use std::process::Command;

/// JupyterLab, what executes notebooks and makes pages of them, what shows Plotly figures in JupyterLab, and the client
/// of the Hugging Face hub.
const PACKAGES: [&str; 5] =
    ["jupyterlab==4.6.6", "nbclient==0.11.0", "nbconvert==7.17.2", "plotly==6.9.0", "huggingface_hub==2.4.0"];

/// What papermill loads when it starts, if a user installs it.
const PAPERMILL: [(&str, &str); 2] = [
    ("papermill_rust.py", include_str!("../papermill_rust.py")),
    ("rust_parameters.py", include_str!("../rust_parameters.py")),
];

/// Packages for one purpose, in an environment of their own that is made the first time that it is asked for.
pub struct Extra {
    name: &'static str,
    about: &'static str,
    packages: &'static [&'static str],
}

/// The workflow engine that makes sweeps, and what submits its tasks to Slurm.
pub const SNAKEMAKE: Extra = Extra {
    name: "snakemake",
    about: "Snakemake with its Slurm plugin, 60 packages; about 1 minute, 300 MB",
    packages: &["snakemake==9.27.1", "snakemake-executor-plugin-slurm==2.8.0"],
};

/// Object storage.
pub const OBSTORE: Extra =
    Extra { name: "obstore", about: "obstore, for object storage; seconds, 50 MB", packages: &["obstore==0.12.1"] };

/// Object storage and a server of it on this machine, for tests.
pub const MOTO: Extra = Extra {
    name: "moto",
    about: "a server of object storage for the tests; about 1 minute, 150 MB",
    packages: &["obstore==0.12.1", "moto[server,s3]==5.2.5"],
};

/// Makes the environment and installs the packages that are missing in it.
///
/// # Errors
/// What pip says.
pub fn install(places: &Places, python: &Path, steps: &mut Steps) -> Result<()> {
    let venv = places.venv();
    if machine::output(Command::new(places.venv_bin("python")).args(["-m", "pip", "--version"])).is_none() {
        steps.step("python", "a Python environment; seconds, 30 MB", |steps| {
            steps.stream("python", Command::new(python).args(["-m", "venv", "--clear"]).arg(&venv), Show::Packages)
        })?;
    }
    let (marker, wanted) = (venv.join("stagediff-packages"), PACKAGES.join("\n"));
    let extend = || put_translator(&venv).and_then(|()| link(places));
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted) {
        return extend();
    }
    steps.step("jupyter", "JupyterLab, nbconvert, the hub's client; about 1 minute, 300 MB", |steps| {
        steps.stream("jupyter", pip(&places.venv_bin("python")).args(PACKAGES), Show::Packages)
    })?;
    places::write(&marker, &wanted)?;
    extend()
}

/// Puts papermill's translator into the environment, as a package with an entry point.
fn put_translator(venv: &Path) -> Result<()> {
    let lib = std::fs::read_dir(venv.join("lib")).map_err(|error| format!("no Python environment: {error}"))?;
    let Some(packages) = lib.flatten().map(|entry| entry.path().join("site-packages")).find(|path| path.is_dir())
    else {
        return Err(format!("no site-packages in {}", venv.display()));
    };
    let info = packages.join("stagediff_papermill-1.0.dist-info");
    for (name, text) in PAPERMILL {
        places::write(&packages.join(name), text)?;
    }
    places::write(&info.join("METADATA"), "Metadata-Version: 2.1\nName: stagediff-papermill\nVersion: 1.0\n")?;
    places::write(&info.join("entry_points.txt"), "[papermill.engine]\nstagediff = papermill_rust:Engine\n")
}

/// The environment's folder of programs. What a user installs there beside, plugins of Snakemake for instance, stays.
///
/// # Errors
/// What pip says.
pub fn extra(places: &Places, extra: &Extra) -> Result<PathBuf> {
    let venv = places.cache.join(extra.name);
    let (marker, wanted) = (venv.join("stagediff-packages"), extra.packages.join("\n"));
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == wanted) {
        return Ok(venv.join("bin"));
    }
    Steps::new(places.cache.join("logs")).step(extra.name, extra.about, |steps| {
        let mut make = Command::new(places.venv_bin("python"));
        steps.stream(extra.name, make.args(["-m", "venv", "--clear"]).arg(&venv), Show::Packages)?;
        steps.stream(extra.name, pip(&venv.join("bin/python")).args(extra.packages), Show::Packages)
    })?;
    places::write(&marker, &wanted)?;
    Ok(venv.join("bin"))
}

/// `pip install`, quietly.
pub fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "install", "--progress-bar", "off", "--disable-pip-version-check"]);
    command
}

/// `.venv` in the checkout leads to the environment.
fn link(places: &Places) -> Result<()> {
    let link = places.root.join(".venv");
    if std::fs::read_link(&link).is_ok_and(|target| target == places.venv()) {
        return Ok(());
    }
    if link.is_symlink() {
        let _ = std::fs::remove_file(&link);
    } else if link.exists() {
        return Ok(());
    }
    std::os::unix::fs::symlink(places.venv(), &link).map_err(|error| format!("cannot make .venv: {error}"))
}

/// The tests of the Python programs, in xtask/tests.
pub fn tests(root: &Path, python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-B", "-m", "unittest", "discover", "-s"]).arg(root.join("xtask/tests"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_programs_pass_their_tests() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = root.join(".venv/bin/python");
        if !python.exists() {
            return println!("skipped: no JupyterLab in .venv (`cargo xtask setup` installs it)");
        }
        let output = tests(&root, &python).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
