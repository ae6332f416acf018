//! What is missing, from nothing to a machine on which everything runs. Each part looks first what is there.

use crate::places::Places;
use crate::progress::{Steps, duration};
use crate::{Result, checkout, evcxr, kernel, libtorch, machine};
use std::path::PathBuf;
use std::time::Instant;

/// What the other commands need of a machine that is set up.
pub struct Machine {
    pub places: Places,
    /// The folder of libtorch.
    pub libtorch: PathBuf,
}

/// Sets up what is missing.
///
/// # Errors
/// The step that failed, why, and what to do.
pub fn setup() -> Result<Machine> {
    let start = Instant::now();
    let places = Places::find()?;
    let mut steps = Steps::new(places.cache.join("logs"));
    let python = machine::check(&places)?;
    checkout::claim_target(&places)?;
    let libtorch = libtorch::install(&places, &python, &mut steps)?;
    let evcxr = evcxr::install(&places, &mut steps)?;
    kernel::install_spec(&places, &libtorch, &evcxr)?;
    kernel::write_local_config(&places, &libtorch)?;
    kernel::build(&places, &libtorch, &evcxr, &mut steps)?;
    match steps.table() {
        table if table.is_empty() => println!("set up ({})", duration(start.elapsed().as_secs_f64())),
        table => println!("{table}"),
    }
    Ok(Machine { places, libtorch })
}

/// Sets up what the library alone needs: libtorch, without JupyterLab and the kernel.
///
/// # Errors
/// As [`setup`].
pub fn library() -> Result<Machine> {
    let places = Places::find()?;
    let mut steps = Steps::new(places.cache.join("logs"));
    let python = machine::check(&places)?;
    checkout::claim_target(&places)?;
    let libtorch = libtorch::install(&places, &python, &mut steps)?;
    Ok(Machine { places, libtorch })
}
