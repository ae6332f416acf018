//! `cargo xtask lint`: format, clippy and documentation, all without warnings.

use crate::Result;
use crate::places::finish;
use crate::setup;

/// Sets up the library and checks all of the workspace.
///
/// # Errors
/// What setup says, or which check found something.
pub fn lint() -> Result<()> {
    let machine = setup::library()?;
    let check = |arguments: &str, failed: &str| {
        let mut command = machine.cargo(&arguments.split(' ').collect::<Vec<_>>());
        finish(command.env("RUSTDOCFLAGS", "-Dwarnings"), failed)
    };
    check("fmt --all --check", "not all code is formatted: `cargo fmt --all` does it")?;
    check("clippy --workspace --all-targets -- -D warnings", "clippy has found something")?;
    check(
        "clippy --package stagediff --features distributed --all-targets -- -D warnings",
        "clippy has found something in what several processes do",
    )?;
    check("doc --workspace --no-deps", "the documentation has warnings")
}
