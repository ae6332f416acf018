//! Brings models and stories from the Hugging Face hub into its cache, with a bar that shows how far it is:
//! `cargo run -p notebooks --bin fetch -- hf:roneneldan/TinyStories-Instruct-33M hf://datasets/roneneldan/TinyStoriesInstruct`.
//! Without arguments: what the settings of a run name (`STAGEDIFF_SETTINGS`).

use stagediff::experiment::run::{Bar, Settings, Sources};
use stagediff::files::hub::{Hub, Kind, Location};
use std::process::ExitCode;

fn main() -> ExitCode {
    let places: Vec<String> = std::env::args().skip(1).collect();
    let fetched = if places.is_empty() { of_settings() } else { places.iter().try_for_each(|place| fetch(place)) };
    match fetched {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error}");
            ExitCode::FAILURE
        }
    }
}

fn of_settings() -> stagediff::Result<()> {
    Sources::of(&Settings::default().or_env()?, &Hub::from_env).map(|_| ())
}

fn fetch(place: &str) -> stagediff::Result<()> {
    let (hub, location): (Hub, Location) = (Hub::from_env()?, place.parse()?);
    let files = match location.kind {
        Kind::Model => hub.model(&location, &mut Bar::shown())?,
        Kind::Dataset => hub.stories(&location, &mut Bar::shown())?,
    };
    println!("{}: {} files in {}", location.at(&files.commit), files.paths.len(), files.dir.display());
    Ok(())
}
