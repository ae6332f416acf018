//! Opens the run that `STAGEDIFF_SETTINGS` asks for and writes nothing: `cargo xtask run` begins with it, so that what does
//! not fit is said before a notebook starts.

use stagediff::experiment::{Overrides, Run, Settings};
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match open() {
        Ok(run) => {
            println!("{run:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn open() -> Result<Run, Box<dyn Error>> {
    Ok(Run::open(Overrides::from_env()?.onto(&Settings::default()))?)
}
