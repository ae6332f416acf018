//! Trains crosscoders of a run with several processes, which `torchrun`, `srun` or `mpirun` starts:
//! `torchrun --nproc-per-node 2 --no-python train_stages S D M …`. The run is the one of `STAGEDIFF_SETTINGS`; its stories
//! and models are there. Stages of one model and data, which are trained on one stream, are joined: `DF+MF`. The first
//! process writes what notebooks 05 and 06 write, and they take it up. Built with `--features distributed`.

use stagediff::crosscoder::train::TrainStep;
use stagediff::distributed::{ProcessGroup, join};
use stagediff::experiment::{Overrides, Run, Settings, Stage, train_stages};
use std::error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    match train() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let code = error.downcast_ref::<stagediff::Error>().map_or(1, stagediff::Error::exit_code);
            ExitCode::from(code)
        }
    }
}

fn train() -> Result<(), Box<dyn Error>> {
    let group = join()?;
    let together = std::env::args().skip(1).map(|word| stages(&word)).collect::<Result<Vec<_>, _>>()?;
    if together.is_empty() {
        return Err("which stages? for example: train_stages S D+D0 M+M0 DF+MF".into());
    }
    let run = open(group)?;
    for stages in together {
        train_stages(&run, &stages, &mut |label, line: &TrainStep| println!("{label:<4} {line}"))?;
    }
    Ok(())
}

fn open(group: Option<ProcessGroup>) -> Result<Run, Box<dyn Error>> {
    let run = Run::open(Overrides::from_env()?.onto(&Settings::default()))?;
    Ok(match group {
        Some(group) => run.together(group)?,
        None => run,
    })
}

fn stages(word: &str) -> Result<Vec<Stage>, stagediff::Error> {
    word.split('+').map(str::parse).collect()
}
