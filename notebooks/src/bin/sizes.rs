//! What λ_s and how many latents give: `cargo xtask sizes [options] [-- [FOLDER] [--l0 15] [--lambda 0.1,0.2]
//! [--latents 512,1024] [--steps 4000]]`. Of a run whose models are there, or of one folder of activations (data/README.md).
//! Prints a line for each size and what to take for the wanted L0, and leaves `tables/sizes.parquet`.

use stagediff::experiment::sizes::{Grid, measure, proposals};
use stagediff::experiment::tables::SizeRow;
use stagediff::experiment::{Run, Settings};
use stagediff_settings::options::{Parser, Word, next, value};
use stagediff_settings::{Overrides, VARIABLE};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

/// What is asked for beside the settings.
struct Request {
    folder: Option<PathBuf>,
    l0: f64,
    grid: Grid,
}

fn main() -> ExitCode {
    match sizes() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn sizes() -> Result<(), Box<dyn Error>> {
    let settings = Overrides::from_env().map_err(|error| format!("{VARIABLE}: {error}"))?.onto(&Settings::default());
    let run = Run::open(settings)?;
    let request = Request::parse(std::env::args().skip(1), Grid::around(&run))?;
    println!("latents      λ_s   steps       L0     FVU    dead    time s    peak MiB");
    let rows = measure(&run, request.folder.as_deref(), &request.grid, &mut |row| println!("{}", line(row)))?;
    let is_again = |held: &SizeRow| rows.iter().any(|row| size(row) == size(held));
    run.replace("sizes", &rows, is_again)?;
    for proposal in proposals(&rows, request.l0) {
        println!("{proposal}");
    }
    println!("{}", run.path("tables/sizes.parquet").display());
    Ok(())
}

fn size(row: &SizeRow) -> (i64, f64, i64) {
    (row.n_latents, row.lambda_s, row.n_steps)
}

fn line(row: &SizeRow) -> String {
    let SizeRow { n_latents, lambda_s, n_steps, l0_mean, fvu, dead_frac, wall_s, peak_mib, .. } = row;
    let dead_percent = 100.0 * dead_frac;
    format!(
        "{n_latents:>7} {lambda_s:>8.4} {n_steps:>7} {l0_mean:>8.2} {fvu:>7.4} {dead_percent:>5.1} % {wall_s:>9.1} {peak_mib:>11.0}"
    )
}

impl Request {
    fn parse(words: impl Iterator<Item = String>, grid: Grid) -> Result<Request, Box<dyn Error>> {
        let mut request = Request { folder: None, l0: 15.0, grid };
        let mut parser = Parser::from_args(words);
        while let Some(word) = next(&mut parser)? {
            match word {
                Word::Plain(folder) => request.folder = Some(folder.into()),
                Word::Option(option) => {
                    let given: String = value(&option, &mut parser)?;
                    match option.as_str() {
                        "--l0" => request.l0 = one(&option, &given)?,
                        "--lambda" => request.grid.lambda_s = many(&option, &given)?,
                        "--latents" => request.grid.n_latents = many(&option, &given)?,
                        "--steps" => request.grid.n_steps = one(&option, &given)?,
                        _ => {
                            let known = "--l0, --lambda, --latents and --steps";
                            return Err(format!("unknown option `{option}`: there are {known}").into());
                        }
                    }
                }
            }
        }
        Ok(request)
    }
}

fn one<T: FromStr>(option: &str, given: &str) -> Result<T, String> {
    given.trim().parse().map_err(|_| format!("{option} {given:?} is no number"))
}

fn many<T: FromStr>(option: &str, given: &str) -> Result<Vec<T>, String> {
    given.split(',').map(|given| one(option, given)).collect()
}
