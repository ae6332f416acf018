//! The benchmark: `cargo xtask bench`.
//!
//! Each case is one piece of work, done by this library and by other people's programs (peers). Both sides run in
//! processes of their own, read the same tensors from the same files, and take turns, so that a change of the machine's
//! pace meets both. They answer with times and with numbers to compare: losses, norms of gradients, activations.

mod answer;
mod args;
mod case;
mod crosscoder;
mod driver;
mod harvest;
mod machine;
mod process;
mod qlora;
mod report;
mod row;
mod series;
mod setup;
mod side;
mod side_by_side;
mod work;

use args::Command;
use setup::On;
use std::error::Error;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match args::parse(&words).and_then(dispatch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
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
        Command::List => {
            case::all(On::Cpu).iter().for_each(|case| println!("{case}"));
            Ok(())
        }
        Command::Bench(request) => driver::bench(&request),
        Command::Side(folder) => work::serve(&folder),
        Command::Machine(setup) => machine::serve(&setup),
    }
}
