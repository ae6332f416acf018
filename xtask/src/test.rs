//! `cargo xtask test`: every test of the workspace, and a notebook through the kernel.

use crate::places::cargo;
use crate::progress::{Steps, duration};
use crate::setup::setup;
use crate::{Result, kernel};
use std::time::Instant;

/// Sets up and runs `cargo test`, then a small notebook; with arguments only what `cargo test` makes of them.
///
/// # Errors
/// What setup says, or that a test failed.
pub fn test(arguments: &[String]) -> Result<()> {
    let machine = setup()?;
    if arguments.is_empty() {
        let start = Instant::now();
        kernel::try_out(&machine.places, &machine.libtorch, &Steps::new(machine.places.cache.join("logs")))?;
        println!("a notebook through the kernel: ok ({})\n", duration(start.elapsed().as_secs_f64()));
    }
    let mut command = machine.places.command(cargo(), &machine.libtorch);
    command.args(["test", "--workspace"]).args(arguments);
    let status = command.status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("a test failed".into()) }
}
