//! The project's commands: `cargo xtask setup`, `run`, `test`, `lint`, `lab`, `fetch`, `convert`, `sweep`, `push`, `pull`, `site`,
//! `bench`.
//!
//! xtask depends on nothing that needs libtorch, so it runs on a machine that has only Rust, and fetches the rest.

mod args;
mod bench;
mod checkout;
mod convert;
mod evcxr;
mod fetch;
mod findings;
mod kernel;
mod lab;
mod libtorch;
mod lint;
mod machine;
mod notebooks;
mod places;
mod progress;
mod python;
mod run;
mod setup;
mod site;
mod store;
mod sweep;
mod test;

use args::Command;
use std::process::ExitCode;

/// Errors are told to a person and handled nowhere: what failed, and what to do about it.
type Result<T, E = String> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match args::parse(std::env::args().skip(1)).and_then(dispatch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Help => {
            println!("{}", args::USAGE);
            Ok(())
        }
        Command::SettingList(given) => run::list_settings(&given),
        Command::Setup => setup::setup().map(|_| ()),
        Command::Run(request) => run::run(&request),
        Command::Test(rest) => test::test(&rest),
        Command::Lab(given, rest) => lab::lab(&given, &rest),
        Command::Lint => lint::lint(),
        Command::Fetch(locations) => fetch::fetch(&setup::python()?, &locations),
        Command::Sweep(given, rest) => sweep::sweep(&given, &rest),
        Command::Sizes(given, rest) => sweep::sizes(&given, &rest),
        Command::Costs(given, rest) => sweep::costs(&given, &rest),
        Command::Push(place) => store::push(&setup::python()?, &place),
        Command::Pull(place) => store::pull(&setup::python()?, &place),
        Command::Convert(rest) => convert::convert(&rest),
        Command::Site(rest) => site::site(&rest),
        Command::Bench(rest) => bench::bench(&rest),
    }
}
