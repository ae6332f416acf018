//! `cargo xtask test`: every test of the workspace, those of the Python programs, and a notebook through the kernel.

use crate::places::finish;
use crate::progress::{Steps, duration};
use crate::python::{self, MOTO, SNAKEMAKE};
use crate::setup::setup;
use crate::{Result, kernel};
use std::time::Instant;

/// Other processors and numbers of threads under which the tests of numbers pass too: as libtorch, and the library's own
/// vectorised code, see them.
const SETTINGS: [[(&str, &str); 2]; 2] = [
    [("ATEN_CPU_CAPABILITY", "avx2"), ("OMP_NUM_THREADS", "1")],
    [("ATEN_CPU_CAPABILITY", "default"), ("OMP_NUM_THREADS", "4")],
];

/// Sets up, tries a small notebook, JupyterLab and plain Jupyter, and runs all tests, those of the library again under
/// other settings; with arguments only what `cargo test` makes of them.
///
/// # Errors
/// What setup says, or that a test failed.
pub fn test(arguments: &[String]) -> Result<()> {
    let machine = setup()?;
    if !arguments.is_empty() {
        return finish(machine.cargo(&["test", "--workspace"]).args(arguments), "a test failed");
    }
    let start = Instant::now();
    kernel::try_out(&machine.places, &machine.libtorch, &Steps::new(machine.places.cache.join("logs")))?;
    println!("a notebook through the kernel: ok ({})\n", duration(start.elapsed().as_secs_f64()));
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut python = python::tests(&machine.places.root, &machine.places.venv_bin("python"));
    python.env("XTASK", program);
    for (variable, extra, what) in [("SNAKEMAKE", &SNAKEMAKE, "snakemake"), ("MOTO", &MOTO, "")] {
        match python::extra(&machine.places, extra) {
            Ok(programs) => {
                python.env(variable, programs.join(what));
            }
            Err(error) => println!("skipped, what needs {}: {error}", variable.to_lowercase()),
        }
    }
    finish(&mut python, "a test of the Python programs failed")?;
    finish(&mut machine.cargo(&["test", "--workspace"]), "a test failed")?;
    for settings in SETTINGS {
        let shown = settings.map(|(name, value)| format!("{name}={value}")).join(" ");
        println!("\n── the tests of numbers again, with {shown}");
        let mut command = machine.cargo(&["test", "--package", "stagediff", "--lib", "--test", "it"]);
        finish(command.envs(settings), &format!("a test failed with {shown}"))?;
    }
    Ok(())
}
