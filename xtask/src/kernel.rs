//! The kernel spec named `rust`, and the build that its cells link to.

use crate::Result;
use crate::machine;
use crate::places::{self, Places, cargo};
use crate::progress::{Show, Steps};
use serde_json::json;
use stagediff_settings::openmp;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that lays the kernels' workspaces out and stands between Jupyter and evcxr: the first file starts it. They
/// are copied beside the spec.
const PROGRAM: [(&str, &str); 9] = [
    ("start.py", include_str!("../kernel/start.py")),
    ("serve.py", include_str!("../kernel/serve.py")),
    ("analysis.py", include_str!("../kernel/analysis.py")),
    ("cells.py", include_str!("../kernel/cells.py")),
    ("evcxr.py", include_str!("../kernel/evcxr.py")),
    ("output.py", include_str!("../kernel/output.py")),
    ("stop.py", include_str!("../kernel/stop.py")),
    ("variables.py", include_str!("../kernel/variables.py")),
    ("prelude.rs", include_str!("../kernel/prelude.rs")),
];

/// What differs from JupyterLab's own: no question about news, and time for completion while a cell is compiled.
fn lab_settings() -> serde_json::Value {
    json!({
        "@jupyterlab/apputils-extension:notification": { "fetchNews": "false", "checkForUpdates": false, "doNotDisturbMode": false },
        "@jupyterlab/completer-extension:manager": { "providerTimeout": 20_000 },
    })
}

/// Writes the kernel spec and JupyterLab's settings into the Python environment.
pub fn install_spec(places: &Places, libtorch: &Path, evcxr: &Path) -> Result<()> {
    let folder = spec_folder(places);
    let start = program_folder(places).join(PROGRAM[0].0);
    let cargo_bin = cargo().parent().map(Path::to_owned).unwrap_or_default();
    let spec = json!({
        "argv": ["sh", "-c", format!("{}exec \"$@\"", openmp::shell()), "sh", places.venv_bin("python"), start, "{connection_file}"],
        "display_name": "Rust",
        "language": "rust",
        "interrupt_mode": "message",
        "env": {
            "EVCXR_JUPYTER": evcxr,
            "LIBTORCH": libtorch,
            "LD_LIBRARY_PATH": libtorch.join("lib"),
            "STAGEDIFF_CARGO_BIN": cargo_bin,
        },
    });
    for (name, text) in PROGRAM {
        places::write(&program_folder(places).join(name), text)?;
    }
    let lab = places.venv().join("share/jupyter/lab/settings/overrides.json");
    places::write(&lab, &format!("{:#}\n", lab_settings()))?;
    places::write(&folder.join("kernel.json"), &format!("{spec:#}\n"))
}

/// Tells plain cargo where libtorch is, and where the kernel finds what cargo built.
pub fn write_local_config(places: &Places, libtorch: &Path) -> Result<()> {
    let host = machine::host()?;
    let quote = |path: &Path| json!(path).to_string();
    // Cargo sets LD_LIBRARY_PATH itself for what it runs, and takes no such entry from [env].
    let library = libtorch.join("lib");
    let run = format!("{}LD_LIBRARY_PATH={}:$LD_LIBRARY_PATH exec \"$@\"", openmp::shell(), library.display());
    let run = json!(run);
    let text = format!(
        "# Written by `cargo xtask setup`: where libtorch is on this machine.\n\
         [env]\nLIBTORCH = {{ value = {}, force = true }}\n\n\
         [target.{host}]\nrunner = [\"sh\", \"-c\", {run}, \"sh\"]\n",
        quote(libtorch)
    );
    places::write(&places.root.join(".cargo/local.toml"), &text)?;
    places::write(&places.root.join("target/kernel/target-folder"), &places.target.to_string_lossy())
}

/// Builds the library as cells link to it, and tries a kernel if anything it depends on has changed.
pub fn build(places: &Places, libtorch: &Path, evcxr: &Path, steps: &mut Steps) -> Result<()> {
    let marker = places.target.join("kernel-ready");
    let state = fingerprint(places, libtorch, evcxr);
    if std::fs::read_to_string(&marker).is_ok_and(|text| text == state) {
        return build_library(places, libtorch, steps);
    }
    steps.step("sources", "fetches the crates of Cargo.lock; 1 minute, 400 MB", |steps| {
        let mut fetch = places.command(cargo(), libtorch);
        steps.stream("sources", fetch.arg("fetch"), Show::Packages)
    })?;
    let about = "compiles the library and its dependencies; 13 to 20 minutes on two cores, 2 GB";
    steps.step("library", about, |steps| build_library(places, libtorch, steps))?;
    steps.step("trial", "starts a kernel and runs a cell; 20 seconds", |steps| try_out(places, libtorch, steps))?;
    places::write(&marker, &state)
}

fn build_library(places: &Places, libtorch: &Path, steps: &Steps) -> Result<()> {
    let mut lay_out = places.command(places.venv_bin("python"), libtorch);
    lay_out.arg(program_folder(places).join(PROGRAM[0].0)).arg("--lay-out").current_dir(places.root.join("xtask"));
    let output = lay_out.output().map_err(|error| format!("cannot start Python: {error}"))?;
    if !output.status.success() {
        return Err(format!("cannot lay out the kernel's workspace:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let mut build = places.command(cargo(), libtorch);
    steps.stream("library", build.args(["build", "--offline"]).current_dir(folder), Show::Crates(n_crates(places)))
}

/// Executes a notebook of two cells, through Jupyter and the kernel.
///
/// # Errors
/// What it failed with.
pub fn try_out(places: &Places, libtorch: &Path, steps: &Steps) -> Result<()> {
    let cell = |id: &str, source: &str| json!({ "cell_type": "code", "id": id, "metadata": {}, "execution_count": null, "outputs": [], "source": source });
    let dependency = cell("dependency", &format!(":dep stagediff = {{ path = {} }}", json!(places.root)));
    let product = cell("product", "use stagediff as _;\nprintln!(\"{}\", 6 * 7);");
    let notebook = json!({ "cells": [dependency, product], "metadata": {}, "nbformat": 4, "nbformat_minor": 5 });
    let folder = places.root.join("target/kernel/trial");
    let path = folder.join("in/trial.ipynb");
    places::write(&path, &notebook.to_string())?;
    let mut command = execution(places, libtorch);
    command.arg(folder.join("out")).arg(&path);
    steps.stream("trial", &mut command, Show::Packages)?;
    let executed = std::fs::read_to_string(folder.join("out/trial.ipynb")).unwrap_or_default();
    if executed.contains("42") { Ok(()) } else { Err("the kernel did not print 6 · 7".into()) }
}

/// The start of a command that executes notebooks.
pub fn execution(places: &Places, libtorch: &Path) -> Command {
    let mut command = places.command(places.venv_bin("python"), libtorch);
    command.arg(places.root.join("xtask/execute.py"));
    command.env("JUPYTER_PREFER_ENV_PATH", "1");
    command
}

fn spec_folder(places: &Places) -> PathBuf {
    places.venv().join("share/jupyter/kernels/rust")
}

fn program_folder(places: &Places) -> PathBuf {
    spec_folder(places).join("program")
}

/// A word for everything that a build of the dependencies rests on.
fn fingerprint(places: &Places, libtorch: &Path, evcxr: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    for name in ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", ".cargo/local.toml"] {
        std::fs::read(places.root.join(name)).unwrap_or_default().hash(&mut hasher);
    }
    machine::output(Command::new("rustc").arg("-vV")).hash(&mut hasher);
    (&places.root, libtorch, evcxr, PROGRAM).hash(&mut hasher);
    format!("{:016x}\n", hasher.finish())
}

/// How many crates the library is built from, about.
fn n_crates(places: &Places) -> usize {
    let mut tree = Command::new(cargo());
    tree.args(["tree", "--offline", "--locked", "-p", "stagediff", "-e", "normal,build", "--prefix", "none"]);
    let list = machine::output(tree.current_dir(&places.root)).unwrap_or_default();
    list.lines().filter(|line| !line.ends_with("(*)")).collect::<std::collections::HashSet<_>>().len()
}
