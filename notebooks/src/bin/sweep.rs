//! The two ends of a sweep that are ours; what lies between is Snakemake's (notebooks/sweep/Snakefile).
//!
//! `sweep run SNAKEMAKE 3` or, for some variants alone, `sweep run SNAKEMAKE 3 corrected sae`, writes which runs there are
//! and what each is made of, and becomes Snakemake, which gets what follows `--`. `sweep task 05 BASELINE` is one of its
//! tasks: a notebook of the run that `STAGEDIFF_SETTINGS` names, which first takes over what the run BASELINE has finished.

use stagediff::experiment::sweep::Plan;
use stagediff::experiment::{Run, Settings, share_steps};
use stagediff_settings::Overrides;
use stagediff_settings::child::end_with_parent;
use std::env;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

const USAGE: &str = "sweep run SNAKEMAKE SEEDS [VARIANT...] [-- OPTIONS] | sweep task NOTEBOOK [BASELINE]";

/// Seconds that a task waits for one of a sweep that was killed and has not ended yet.
const WAIT: (&str, &str) = ("STAGEDIFF_WAIT", "600");

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    match sweep(&words.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes another program.
fn sweep(words: &[&str]) -> Result<std::convert::Infallible, Box<dyn Error>> {
    let settings = Overrides::from_env()?.onto(&Settings::default());
    let mut command = match words {
        ["run", snakemake, n_seeds, rest @ ..] => engine(snakemake, n_seeds, rest, &settings)?,
        ["task", notebook] => task(notebook, settings, None)?,
        ["task", notebook, baseline] => task(notebook, settings, Some(baseline))?,
        _ => return Err(USAGE.into()),
    };
    let error = command.exec();
    Err(format!("cannot start {}: {error}", command.get_program().display()).into())
}

/// Snakemake with the plan of a sweep.
fn engine(snakemake: &str, n_seeds: &str, rest: &[&str], settings: &Settings) -> Result<Command, Box<dyn Error>> {
    let n_seeds = n_seeds.parse().map_err(|_| format!("{n_seeds:?} is no number of seeds"))?;
    let n_names = rest.iter().position(|word| *word == "--").unwrap_or(rest.len());
    let names: Vec<String> = rest[..n_names].iter().map(|name| name.to_string()).collect();
    let plan = Plan::of(settings, n_seeds, &names)?.write()?;
    let [Some(runs), Some(data)] = [2, 3].map(|n| plan.ancestors().nth(n)) else {
        return Err("the plan lies in no folder of runs".into());
    };
    let mut command = Command::new(snakemake);
    command.arg("--snakefile").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sweep/Snakefile"));
    command.arg("--configfile").arg(&plan).arg("--directory").arg(runs);
    command.args(["--config", &format!("sweep={}", env::current_exe()?.display())]);
    command.args(rest.iter().skip(n_names + 1)).env("STAGEDIFF_DATA", data);
    if env::var_os(WAIT.0).is_none() {
        command.env(WAIT.0, WAIT.1);
    }
    Ok(command)
}

/// The compiled notebooks, which are told to end where the engine is killed.
fn task(notebook: &str, settings: Settings, baseline: Option<&str>) -> Result<Command, Box<dyn Error>> {
    end_with_parent()?;
    if let Some(baseline) = baseline {
        let run = Run::open(settings)?;
        share_steps(&run, &run.path("").with_file_name(baseline))?;
    }
    let mut command = Command::new(env::current_exe()?.with_file_name("notebooks"));
    command.arg(notebook);
    Ok(command)
}
