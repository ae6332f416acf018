//! Opens the run that `STAGEDIFF_SETTINGS` asks for and writes nothing: `cargo xtask run` begins with it, so that what does
//! not fit is said before a notebook starts. With `--list` it prints what `--set` takes (`cargo xtask run --help settings`).

use stagediff::experiment::{Overrides, Run, Settings, setting_list};
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match open() {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn open() -> Result<String, Box<dyn Error>> {
    let settings = Overrides::from_env()?.onto(&Settings::default());
    match std::env::args().any(|argument| argument == "--list") {
        true => Ok(setting_list(&settings)?),
        false => Ok(format!("{:?}", Run::open(settings)?)),
    }
}
