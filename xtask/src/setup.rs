//! What is missing, from nothing to a machine on which everything runs. Each part looks first what is there.

use crate::places::{Places, cargo};
use crate::progress::{Steps, duration};
use crate::{Result, checkout, evcxr, kernel, libtorch, machine, python};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What the other commands need of a machine that is set up.
pub struct Machine {
    pub places: Places,
    /// The folder of libtorch.
    pub libtorch: PathBuf,
}

impl Machine {
    /// A cargo command in the checkout.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.places.command(cargo(), &self.libtorch);
        command.args(arguments);
        command
    }
}

/// Sets up what is missing.
///
/// # Errors
/// The step that failed, why, and what to do.
pub fn setup() -> Result<Machine> {
    let start = Instant::now();
    let (machine, mut steps) = with_libtorch()?;
    let Machine { places, libtorch } = &machine;
    let evcxr = evcxr::install(places, &mut steps)?;
    kernel::install_spec(places, libtorch, &evcxr)?;
    kernel::write_local_config(places, libtorch)?;
    kernel::build(places, libtorch, &evcxr, &mut steps)?;
    match steps.table() {
        table if table.is_empty() => println!("set up ({})", duration(start.elapsed().as_secs_f64())),
        table => println!("{table}"),
    }
    Ok(machine)
}

/// Sets up what the library alone needs: libtorch, without the kernel.
///
/// # Errors
/// As [`setup`].
pub fn library() -> Result<Machine> {
    Ok(with_libtorch()?.0)
}

/// Sets up what needs no libtorch: the Python environment.
///
/// # Errors
/// As [`setup`].
pub fn python() -> Result<Places> {
    let places = Places::find()?;
    python::install(&places, &machine::python()?, &mut Steps::new(places.cache.join("logs")))?;
    Ok(places)
}

fn with_libtorch() -> Result<(Machine, Steps)> {
    let places = Places::find()?;
    let mut steps = Steps::new(places.cache.join("logs"));
    let python = machine::check(&places)?;
    checkout::claim_target(&places)?;
    python::install(&places, &python, &mut steps)?;
    let libtorch = libtorch::install(&places, &mut steps)?;
    Ok((Machine { places, libtorch }, steps))
}
