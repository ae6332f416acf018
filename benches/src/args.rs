//! The command line.

use crate::Result;
use crate::answer::Clock;
use crate::setup::{On, Setup};
use serde::de::DeserializeOwned;
use stagediff::crosscoder::Products;
use std::path::PathBuf;

/// What `cargo xtask bench help` prints.
pub const USAGE: &str = "\
cargo xtask bench [options]    measure this library beside other people's programs, in turn; leaves
                               data/runs/bench/tables/bench.parquet and data/runs/bench/figures/bench.svg

  --quick            small cases and few turns
  --only WORD        cases with WORD in their name; may be given again
  --list             name the cases
  --threads N        threads of each side (as many as there are processors)
  --turns N          turns of each side (5, with --quick 3)
  --device cpu|cuda  where tensors live, both sides' (cpu)
  --products float32|bf16
                     precision of crosscoders' matrix products (float32); peers' by autocast
  --clock wall|cpu   which time counts (wall; cpu where other programs keep the machine busy)
  --growth           how cost grows with latents, hook points and activations too, as figures/growth.svg
  --series           the whole series at preset `tiny` too, which takes minutes

Peers are run by the Python that STAGEDIFF_PYTHON names, or the project's own; what it lacks is reported.
benches/peers/requirements.txt lists their packages.";

/// A parsed command line.
#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    List,
    Bench(Request),
    /// This program as one side of a case; for the driver's own use.
    Side(PathBuf),
    /// This program as the machine's measure; likewise.
    Machine(Setup),
}

/// What is to be measured, and how.
#[derive(Debug, PartialEq)]
pub struct Request {
    pub quick: bool,
    pub only: Vec<String>,
    pub setup: Setup,
    pub n_turns: usize,
    pub clock: Clock,
    pub growth: bool,
    pub series: bool,
}

/// Parses the arguments.
///
/// # Errors
/// Names the option that is not known, or the value that is missing or not allowed.
pub fn parse(words: &[String]) -> Result<Command> {
    match words {
        [word] if ["help", "--help", "-h"].contains(&word.as_str()) => return Ok(Command::Help),
        [word] if word == "--list" => return Ok(Command::List),
        [word, folder] if word == "side" => return Ok(Command::Side(folder.into())),
        [word, setup] if word == "machine" => return Ok(Command::Machine(serde_json::from_str(setup)?)),
        _ => {}
    }
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut request = Request {
        quick: false,
        only: Vec::new(),
        setup: Setup { n_threads, device: On::default(), products: Products::default() },
        n_turns: 0,
        clock: Clock::default(),
        growth: false,
        series: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || inline.clone().or_else(|| words.next().cloned()).ok_or(format!("`{option}` needs a value"));
        match option {
            "--only" => request.only.push(value()?),
            "--threads" => request.setup.n_threads = count(option, &value()?)?,
            "--device" => request.setup.device = name(option, &value()?, "cpu or cuda")?,
            "--products" => request.setup.products = name(option, &value()?, "float32 or bf16")?,
            "--turns" => request.n_turns = count(option, &value()?)?,
            "--clock" => request.clock = name(option, &value()?, "wall or cpu")?,
            "--quick" | "--growth" | "--series" if inline.is_some() => {
                return Err(format!("`{option}` takes no value").into());
            }
            "--quick" => request.quick = true,
            "--growth" => request.growth = true,
            "--series" => request.series = true,
            _ => return Err(format!("unknown option `{word}`\n\n{USAGE}").into()),
        }
    }
    if request.n_turns == 0 {
        request.n_turns = if request.quick { 3 } else { 5 };
    }
    Ok(Command::Bench(request))
}

fn count(option: &str, value: &str) -> Result<usize> {
    let count = value.parse().ok().filter(|count| (1..=1000).contains(count));
    count.ok_or_else(|| format!("{option} {value}: expected a whole number from 1 to 1000").into())
}

fn name<T: DeserializeOwned>(option: &str, value: &str, expected: &str) -> Result<T> {
    serde_json::from_value(value.into()).map_err(|_| format!("{option} {value}: expected {expected}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(&line.split_whitespace().map(String::from).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_both_spellings() {
        let Command::Bench(request) = parsed("--quick --only sae --only=b256 --threads 1 --clock cpu").unwrap() else {
            panic!()
        };
        assert_eq!((request.quick, request.setup.n_threads, request.n_turns), (true, 1, 3));
        assert_eq!((request.only, request.clock), (vec!["sae".into(), "b256".into()], Clock::Cpu));
        let Command::Bench(request) = parsed("--device cuda --products=bf16").unwrap() else { panic!() };
        assert_eq!((request.setup.device, request.setup.products), (On::Cuda, Products::Bf16));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, part) in [
            ("--fast", "`--fast`"),
            ("--only", "`--only` needs a value"),
            ("--threads none", "--threads none"),
            ("--turns 0", "--turns 0"),
            ("--clock sun", "--clock sun"),
            ("--device tpu", "--device tpu: expected cpu or cuda"),
            ("--products int8", "--products int8"),
            ("--quick=yes", "`--quick`"),
            ("all", "`all`"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
