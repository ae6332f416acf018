//! The command line.

use crate::Result;
use crate::answer::Clock;
use crate::setup::Setup;
use lexopt::prelude::*;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// What `cargo xtask bench help` prints.
pub const USAGE: &str = "\
cargo xtask bench [options]    measure this library beside other people's programs, in turn; leaves
                               data/runs/bench/tables/bench.parquet and data/runs/bench/figures/bench.svg

  --quick            small cases and few turns
  --only WORD        cases with WORD in their name; may be given again
  --list             name the cases
  --threads N        threads of each side (OMP_NUM_THREADS, or as many as there are processors)
  --turns N          turns of each side (5, with --quick 3)
  --device cpu|cuda  where tensors live, both sides' (cpu)
  --products float32|bf16
                     precision of crosscoders' matrix products (float32); peers' by autocast
  --clock wall|cpu   which time counts (wall; cpu where other programs keep the machine busy)
  --growth           how cost grows with latents, hook points and activations too, as figures/growth.svg
  --series           the whole series at preset `tiny` too, which takes minutes
  --side-by-side     instead of peers: how much longer work takes beside a second process that does the same, and
                     beside a busy loop; a crosscoder's and a language model's training, or the cases of --only;
                     leaves data/runs/bench/tables/side_by_side.parquet

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
#[derive(Debug, Default, PartialEq)]
pub struct Request {
    pub quick: bool,
    pub only: Vec<String>,
    pub setup: Setup,
    pub n_turns: usize,
    pub clock: Clock,
    pub growth: bool,
    pub series: bool,
    pub side_by_side: bool,
}

/// Parses the arguments.
///
/// # Errors
/// Names the option that is not known, or the value that is missing or not allowed.
pub fn parse(words: &[String]) -> Result<Command> {
    Ok(command(lexopt::Parser::from_args(words)).map_err(sentence)?)
}

type Read<T> = std::result::Result<T, lexopt::Error>;

fn command(mut words: lexopt::Parser) -> Read<Command> {
    let (mut request, mut n_turns) = (Request::default(), None);
    while let Some(word) = words.next()? {
        match word {
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("list") => return Ok(Command::List),
            Value(word) if word == "help" => return Ok(Command::Help),
            Value(word) if word == "side" => return Ok(Command::Side(words.value()?.into())),
            Value(word) if word == "machine" => {
                let setup = serde_json::from_str(&words.value()?.string()?);
                return setup.map(Command::Machine).map_err(|error| error.to_string().into());
            }
            Long("only") => request.only.push(words.value()?.string()?),
            Long("threads") => request.setup.n_threads = count("--threads", &mut words)?,
            Long("device") => request.setup.device = name("--device", &mut words, "cpu or cuda")?,
            Long("products") => request.setup.products = name("--products", &mut words, "float32 or bf16")?,
            Long("turns") => n_turns = Some(count("--turns", &mut words)?),
            Long("clock") => request.clock = name("--clock", &mut words, "wall or cpu")?,
            Long("quick") => request.quick = true,
            Long("growth") => request.growth = true,
            Long("series") => request.series = true,
            Long("side-by-side") => request.side_by_side = true,
            word => return Err(word.unexpected()),
        }
    }
    if request.side_by_side && (request.growth || request.series || request.clock == Clock::Cpu) {
        return Err("--side-by-side: expected without --growth, --series and --clock cpu".into());
    }
    request.n_turns = n_turns.unwrap_or(if request.quick { 3 } else { 5 });
    Ok(Command::Bench(request))
}

fn count(option: &str, words: &mut lexopt::Parser) -> Read<usize> {
    let value = words.value()?.string()?;
    let count = value.parse().ok().filter(|count| (1..=1000).contains(count));
    count.ok_or_else(|| format!("{option} {value}: expected a whole number from 1 to 1000").into())
}

fn name<T: DeserializeOwned>(option: &str, words: &mut lexopt::Parser, expected: &str) -> Read<T> {
    let value = words.value()?.string()?;
    serde_json::from_value(value.as_str().into()).map_err(|_| format!("{option} {value}: expected {expected}").into())
}

/// What is wrong, in this program's words.
fn sentence(error: lexopt::Error) -> String {
    use lexopt::Error::{MissingValue, UnexpectedArgument, UnexpectedOption, UnexpectedValue};
    match error {
        UnexpectedOption(option) => format!("unknown option `{option}`\n\n{USAGE}"),
        UnexpectedArgument(word) => format!("unknown option `{}`\n\n{USAGE}", word.display()),
        UnexpectedValue { option, .. } => format!("`{option}` takes no value"),
        MissingValue { option: Some(option) } => format!("`{option}` needs a value"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::On;
    use stagediff::crosscoder::Precision;

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
        assert_eq!((request.setup.device, request.setup.products), (On::Cuda, Precision::Bf16));
    }

    #[test]
    fn what_the_driver_says_to_its_own_processes_is_read_back() {
        let setup = Setup { n_threads: 3, ..Setup::default() };
        let machine = parse(&["machine".into(), serde_json::to_string(&setup).unwrap()]).unwrap();
        assert_eq!(machine, Command::Machine(setup));
        assert_eq!(parsed("side some/folder").unwrap(), Command::Side("some/folder".into()));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, part) in [
            ("--fast", "unknown option `--fast`"),
            ("--only", "`--only` needs a value"),
            ("--threads none", "--threads none: expected a whole number from 1 to 1000"),
            ("--turns 0", "--turns 0"),
            ("--clock sun", "--clock sun"),
            ("--device tpu", "--device tpu: expected cpu or cuda"),
            ("--products int8", "--products int8"),
            ("--quick=yes", "`--quick` takes no value"),
            ("--side-by-side --series", "--side-by-side"),
            ("--side-by-side --clock cpu", "--side-by-side"),
            ("all", "unknown option `all`"),
        ] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
