//! The command line.

use crate::Result;
use crate::settings::Settings;
use std::path::PathBuf;

/// What `cargo xtask help` prints.
pub const USAGE: &str = "\
cargo xtask setup               fetch and build what is missing: libtorch, JupyterLab, the notebook kernel, the library
cargo xtask run [options]       set up, then execute every notebook; leaves tables, figures and pages in data/runs/NAME
cargo xtask test [arguments]    set up, then run every test (arguments go to `cargo test`)
cargo xtask lab [options] [-- arguments]
                                set up, then open the notebooks in JupyterLab (arguments go to `jupyter lab`)
cargo xtask sweep [options] -- SEEDS [VARIANT...]
                                set up, then run the series for each variant of recipe and crosscoder at so many seeds
cargo xtask fetch hf:OWNER/NAME ...
                                set up, then download models or (hf://datasets/OWNER/NAME) stories into the hub's cache
cargo xtask convert ...         convert models, adapters and crosscoders from and to other libraries' forms; needs libtorch
                                alone (`cargo xtask convert help` says how)
cargo xtask bench [options]     measure the library beside other people's programs; needs libtorch alone
                                (`cargo xtask bench help` says how)

what is computed (run, lab, sweep)
  --preset tiny|small|smoke|paper    how large everything is (tiny)
  --run NAME                         folder under data/runs (the preset's name)
  --recipe corrected|published       which rules where the publication and its code differ (corrected)
  --seed N                           seed of every random choice (0)
  --stories PATH                     stories from a file, a folder or hf:OWNER/NAME instead of the built-in ones
  --set KEY=VALUE                    any other setting, may be given again, e.g. --set base=train

which notebooks, and how (run)
  --only NN                          one notebook, by its number
  --from NN                          this notebook and those after it
  --binary                           the same notebooks compiled into one program, without Jupyter
  --in-place                         write the outputs into notebooks/ too (to commit a clean run)";

/// A parsed command line.
#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    Setup,
    Run(Request),
    Test(Vec<String>),
    Lab(Settings, Vec<String>),
    Fetch(Vec<String>),
    Convert(Vec<String>),
    Sweep(Settings, Vec<String>),
    Bench(Vec<String>),
}

/// What `run` is asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Request {
    pub settings: Settings,
    pub only: Option<String>,
    pub from: Option<String>,
    pub binary: bool,
    pub in_place: bool,
}

/// Parses the arguments after `cargo xtask`.
///
/// # Errors
/// Names the unknown command or option, or the value that is missing or not allowed.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Command> {
    let command = words.next().unwrap_or_else(|| "help".into());
    match command.as_str() {
        "help" | "--help" | "-h" => Ok(Command::Help),
        "setup" => match words.next() {
            Some(word) => Err(format!("`setup` takes no arguments, found `{word}`")),
            None => Ok(Command::Setup),
        },
        "test" => Ok(Command::Test(words.collect())),
        "fetch" => match words.collect::<Vec<String>>() {
            places if places.is_empty() => Err("`fetch` needs a place on the hub, such as hf:OWNER/NAME".into()),
            places => Ok(Command::Fetch(places)),
        },
        "convert" => Ok(Command::Convert(words.collect())),
        "bench" => Ok(Command::Bench(words.collect())),
        "run" => {
            let (request, rest) = parse_options(words)?;
            match rest.first() {
                Some(word) => Err(format!("`run` takes no arguments after `--`, found `{word}`")),
                None => Ok(Command::Run(request)),
            }
        }
        "lab" | "sweep" => {
            let (request, rest) = parse_options(words)?;
            let plain = Request { settings: request.settings.clone(), ..Request::default() };
            if request != plain {
                return Err(format!("`{command}` takes no --only, --from, --binary or --in-place"));
            }
            let take = if command == "lab" { Command::Lab } else { Command::Sweep };
            Ok(take(request.settings, rest))
        }
        other => Err(format!("unknown command `{other}`\n\n{USAGE}")),
    }
}

/// Parses options up to `--`; returns them and the words after it.
fn parse_options(mut words: impl Iterator<Item = String>) -> Result<(Request, Vec<String>)> {
    let mut request = Request::default();
    while let Some(word) = words.next() {
        if word == "--" {
            break;
        }
        let (option, inline) = match word.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        let mut value = || inline.clone().or_else(|| words.next()).ok_or(format!("`{option}` needs a value"));
        let settings = &mut request.settings;
        match option.as_str() {
            "--preset" => settings.set_preset(value()?)?,
            "--run" => settings.set_run(value()?)?,
            "--recipe" => settings.set_recipe(value()?)?,
            "--seed" => settings.set_seed(&value()?)?,
            "--stories" => settings.stories = Some(PathBuf::from(value()?)),
            "--set" => settings.set_key(&value()?)?,
            "--only" => request.only = Some(value()?),
            "--from" => request.from = Some(value()?),
            "--binary" => request.binary = true,
            "--in-place" => request.in_place = true,
            _ => return Err(format!("unknown option `{option}`; `cargo xtask help` lists them")),
        }
    }
    Ok((request, words.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command> {
        parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn run_without_options_is_tiny() {
        let Ok(Command::Run(request)) = parsed("run") else { panic!() };
        assert_eq!((request.settings.preset(), request.settings.run()), ("tiny", "tiny"));
    }

    #[test]
    fn values_follow_or_are_joined_by_an_equals_sign() {
        assert_eq!(parsed("run --preset small --seed 7"), parsed("run --preset=small --seed=7"));
        let Ok(Command::Run(request)) = parsed("run --set base=train --set=steps=5") else { panic!() };
        assert_eq!(request.settings.set["base"], "train");
        assert_eq!(request.settings.set["steps"], "5");
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, part) in [
            ("frobnicate", "`frobnicate`"),
            ("run --presett tiny", "`--presett`"),
            ("run --preset huge", "`huge`"),
            ("run --recipe right", "`right`"),
            ("run --seed minus", "`minus`"),
            ("run --run ../up", "`../up`"),
            ("run --set base", "`base`"),
            ("run --only", "`--only` needs a value"),
            ("setup now", "`now`"),
            ("lab --binary", "--binary"),
            ("fetch", "hf:OWNER/NAME"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn some_commands_hand_their_arguments_on() {
        assert_eq!(parsed("bench --quick"), Ok(Command::Bench(vec!["--quick".into()])));
        assert_eq!(parsed("convert model a b"), Ok(Command::Convert(["model", "a", "b"].map(String::from).into())));
        assert_eq!(
            parsed("test nf4 -- --nocapture"),
            Ok(Command::Test(vec!["nf4".into(), "--".into(), "--nocapture".into()]))
        );
    }

    #[test]
    fn lab_hands_on_what_follows_two_dashes() {
        let Ok(Command::Lab(settings, rest)) = parsed("lab --preset small -- --no-browser") else { panic!() };
        assert_eq!((settings.preset(), rest), ("small", vec!["--no-browser".to_owned()]));
    }
}
