//! `cargo xtask run`: the whole series, headless.

use crate::args::Request;
use crate::places::cargo;
use crate::progress::duration;
use crate::settings::{Settings, VARIABLE};
use crate::setup::{Machine, setup};
use crate::{Result, fetch, findings, kernel, notebooks};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Sets up, executes the notebooks asked for, prints what they found.
///
/// # Errors
/// What setup says, or the first cell that failed.
pub fn run(request: &Request) -> Result<()> {
    let mut settings = request.settings.clone();
    settings.find_stories(&std::env::current_dir().map_err(|error| error.to_string())?)?;
    let machine = setup()?;
    let series = notebooks::series(&machine.places.notebooks())?;
    let selected = notebooks::select(series, request.only.as_deref(), request.from.as_deref())?;
    println!("\nrun `{}`: preset {}, {} notebooks", settings.run(), settings.preset(), selected.len());
    fetch::of_settings(&machine, &settings)?;
    let start = Instant::now();
    let mut command = match request.binary {
        true => compiled(&machine, &settings, &selected),
        false => executed(&machine, &settings, &selected, request.in_place),
    };
    let status = command.status().map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
    if !status.success() {
        return Err("the series did not finish; results so far are kept".into());
    }
    println!("\nfinished in {}", duration(start.elapsed().as_secs_f64()));
    findings::show(&machine.places, &settings)
}

fn executed(machine: &Machine, settings: &Settings, selected: &[PathBuf], in_place: bool) -> Command {
    let places = &machine.places;
    let mut command = kernel::execution(places, &machine.libtorch);
    command.env(VARIABLE, settings.to_json().to_string()).current_dir(places.notebooks());
    command.arg("--expect").arg(places.root.join(format!("xtask/durations/{}.json", settings.preset())));
    if in_place {
        command.arg("--in-place");
    }
    command.arg(places.run(settings).join("notebooks")).args(selected);
    command
}

fn compiled(machine: &Machine, settings: &Settings, selected: &[PathBuf]) -> Command {
    let places = &machine.places;
    let mut command = places.command_with(cargo(), &machine.libtorch, settings);
    command
        .args(["run", "--quiet", "--package", "notebooks", "--bin", "notebooks", "--"])
        .current_dir(places.notebooks());
    command.args(selected.iter().map(|path| notebooks::name(path)));
    command
}
