//! `cargo xtask run`: the whole series, headless.

use crate::args::Request;
use crate::fetch::fetch;
use crate::places::{Places, finish};
use crate::progress::duration;
use crate::setup::{Machine, setup};
use crate::{Result, findings, kernel, notebooks, site, store};
use stagediff_settings::{Overrides, Settings, VARIABLE};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Sets up, checks the settings, executes the notebooks asked for, prints what they found, makes the run's site.
///
/// # Errors
/// What setup says, settings that do not fit, or the first cell that failed.
pub fn run(request: &Request) -> Result<()> {
    let settings = &request.settings();
    let locations = settings.on_hub()?;
    let selected =
        notebooks::select(notebooks::all(&Places::find()?.notebooks())?, settings.series(), &request.selection)?;
    let machine = setup()?;
    let count = if selected.len() == 1 { "one notebook" } else { &format!("{} notebooks", selected.len()) };
    println!("\nrun `{}`: preset {}, {count}", settings.name(), settings.preset);
    fetch(&machine.places, &locations)?;
    if let Some(place) = &request.place {
        store::begin(&machine.places, place)?;
    }
    // preset and name choose the folder of the pages
    let named =
        Overrides { preset: Some(settings.preset.clone()), run: Some(settings.name().into()), ..request.given.clone() };
    check(&machine, &named)?;
    let start = Instant::now();
    let mut command = match request.binary {
        true => compiled(&machine, &selected),
        false => executed(&machine, request.in_place, settings, &selected),
    };
    command.env(VARIABLE, named.to_json()).current_dir(machine.places.notebooks());
    let kept = format!(
        "the series did not finish; results so far are kept, `cargo xtask site {}` shows them",
        settings.name()
    );
    let finished = finish(&mut command, &kept).and_then(|()| {
        println!("\nfinished in {}", duration(start.elapsed().as_secs_f64()));
        findings::show(&machine.places, settings)?;
        site::of_run(&machine, machine.places.run(settings))
    });
    // what came of it, also where a notebook failed
    let brought = request.place.as_ref().map_or(Ok(()), |place| store::push(&machine.places, place));
    finished.and(brought)
}

/// Prints every single value that `--set` takes.
///
/// # Errors
/// What setup says, or settings that cannot be.
pub fn list_settings(given: &Overrides) -> Result<()> {
    finish(check_program(&setup()?, given).args(["--", "--list"]), "there is no list of these settings")
}

/// The program that opens a run and writes nothing.
fn check_program(machine: &Machine, given: &Overrides) -> Command {
    let mut command = machine.cargo(&["run", "--quiet", "--offline", "--manifest-path"]);
    command.arg(machine.places.root.join("target/kernel/settings/Cargo.toml"));
    command.env(VARIABLE, given.to_json()).current_dir(machine.places.notebooks());
    command
}

/// Opens the run as its notebooks will, before one begins.
fn check(machine: &Machine, given: &Overrides) -> Result<()> {
    let mut command = check_program(machine, given);
    let output = command.output().map_err(|error| format!("cannot start cargo: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().into()),
    }
}

fn executed(machine: &Machine, in_place: bool, settings: &Settings, selected: &[PathBuf]) -> Command {
    let places = &machine.places;
    let mut command = kernel::execution(places, &machine.libtorch);
    command.arg("--expect").arg(places.root.join(format!("xtask/durations/{}.json", settings.preset)));
    if in_place {
        command.arg("--in-place");
    }
    command.arg(places.run(settings).join("notebooks")).args(selected);
    command
}

fn compiled(machine: &Machine, selected: &[PathBuf]) -> Command {
    let mut command = machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", "notebooks", "--"]);
    command.args(selected.iter().map(|path| notebooks::name(path)));
    command
}
