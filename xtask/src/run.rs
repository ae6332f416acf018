//! `cargo xtask run`: the whole series, headless.

use crate::args::Request;
use crate::fetch::fetch;
use crate::places::{Places, finish};
use crate::progress::duration;
use crate::setup::{Machine, setup};
use crate::{Result, findings, kernel, notebooks};
use stagediff_settings::VARIABLE;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Sets up, executes the notebooks asked for, prints what they found.
///
/// # Errors
/// What setup says, or the first cell that failed.
pub fn run(request: &Request) -> Result<()> {
    let settings = &request.settings;
    let locations = settings.on_hub()?;
    let selected = notebooks::select(notebooks::series(&Places::find()?.notebooks())?, &request.selection)?;
    let machine = setup()?;
    println!("\nrun `{}`: preset {}, {} notebooks", settings.name(), settings.preset, selected.len());
    fetch(&machine.places, &locations)?;
    let start = Instant::now();
    let mut command = match request.binary {
        true => compiled(&machine, &selected),
        false => executed(&machine, request, &selected),
    };
    command.env(VARIABLE, settings.to_json()).current_dir(machine.places.notebooks());
    finish(&mut command, "the series did not finish; results so far are kept")?;
    println!("\nfinished in {}", duration(start.elapsed().as_secs_f64()));
    findings::show(&machine.places, settings)
}

fn executed(machine: &Machine, request: &Request, selected: &[PathBuf]) -> Command {
    let places = &machine.places;
    let mut command = kernel::execution(places, &machine.libtorch);
    command.arg("--expect").arg(places.root.join(format!("xtask/durations/{}.json", request.settings.preset)));
    if request.in_place {
        command.arg("--in-place");
    }
    command.arg(places.run(&request.settings).join("notebooks")).args(selected);
    command
}

fn compiled(machine: &Machine, selected: &[PathBuf]) -> Command {
    let mut command = machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", "notebooks", "--"]);
    command.args(selected.iter().map(|path| notebooks::name(path)));
    command
}
