//! Runs the series once for each variant of the recipe and of the crosscoder, at several seeds:
//! `cargo run -p notebooks --bin sweep -- 3` or, for some variants alone, `… -- 3 corrected sae`.
//! As many runs go side by side as there are processors, each on one thread. A finished run is left alone. Language
//! models and crosscoders that a variant shares with the corrected recipe are taken from there: each step's record says
//! what it was made of.

use stagediff::experiment::variants::Variant;
use stagediff::experiment::{Run, Settings, resolve};
use stagediff_settings::child::ends_with_us;
use stagediff_settings::{Overrides, VARIABLE};
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;

/// The notebooks of a run.
const NOTEBOOKS: [&str; 8] = ["01", "02", "03", "04", "05", "06", "07", "08"];

/// The last file that a run writes.
const LAST: &str = "tables/quadrants.parquet";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (n_seeds, names) = words.split_first().ok_or("how many seeds? for example: sweep 3")?;
    let n_seeds: u64 = n_seeds.parse().map_err(|_| format!("{n_seeds:?} is no number of seeds"))?;
    let base = Overrides::from_env()?.onto(&Settings::default());
    let variants = chosen(Variant::all(&resolve(&base)?.0), names)?;
    let seeds = (0..n_seeds).map(|seed| Settings { seed: base.seed + seed, ..base.clone() });
    let jobs: Vec<(&Variant, Settings)> =
        seeds.flat_map(|settings| variants.iter().map(move |variant| (variant, settings.clone()))).collect();
    // the corrected recipe first: the others take from it what is equal
    let (first, rest) = jobs.into_iter().partition(|(variant, _)| variant.name == "corrected");
    side_by_side(first)?;
    side_by_side(rest)
}

/// Runs all jobs, as many at a time as there are processors; after a failure no more are begun.
fn side_by_side(jobs: Vec<(&Variant, Settings)>) -> Result<(), Box<dyn Error>> {
    let n_workers = std::thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
    let (jobs, failure) = (Mutex::new(jobs.into_iter()), Mutex::new(None));
    let worker = || {
        while failure.lock().is_ok_and(|failure| failure.is_none()) {
            let Some((variant, base)) = jobs.lock().ok().and_then(|mut jobs| jobs.next()) else { break };
            if let (Err(error), Ok(mut failure)) = (run(variant, &base), failure.lock()) {
                *failure = Some(error.to_string());
            }
        }
    };
    std::thread::scope(|scope| (0..n_workers).for_each(|_| drop(scope.spawn(worker))));
    failure.into_inner().ok().flatten().map_or(Ok(()), |error| Err(error.into()))
}

fn chosen(all: Vec<Variant>, names: &[String]) -> Result<Vec<Variant>, String> {
    let known = all.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|variant| variant.name != **name)) {
        return Err(format!("no variant {unknown:?}: there are {known}"));
    }
    Ok(all.into_iter().filter(|variant| names.is_empty() || names.contains(&variant.name)).collect())
}

fn run(variant: &Variant, base: &Settings) -> Result<(), Box<dyn Error>> {
    let settings = variant.settings(base);
    let run = Run::open(settings.clone())?;
    if run.path(LAST).exists() {
        println!("{:<28} is there", settings.run);
        return Ok(());
    }
    let corrected = Run::open(Variant::all(&run.preset)[0].settings(base))?;
    if settings.run != corrected.settings.run {
        for part in ["weights", "steps"] {
            share(&corrected.path(part), &run.path(part))?;
        }
    }
    fs::create_dir_all(run.path(""))?;
    let log = run.path("sweep.log");
    let started = Instant::now();
    let mut command = Command::new(std::env::current_exe()?.with_file_name("notebooks"));
    let status = ends_with_us(&mut command)
        .args(NOTEBOOKS)
        .env(VARIABLE, Overrides::all_of(&settings).to_json())
        .env("OMP_NUM_THREADS", "1")
        .stdout(File::create(&log)?)
        .stderr(File::options().append(true).open(&log)?)
        .status()?;
    let ended = if status.success() { "done" } else { "failed: see its sweep.log" };
    println!("{:<28} {ended}, {:.0} s", settings.run, started.elapsed().as_secs_f64());
    Ok(())
}

/// Links the files of `from` into `to`, where there are none of that name. Files are replaced, never changed in place.
fn share(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    let Ok(entries) = fs::read_dir(from) else { return Ok(()) };
    fs::create_dir_all(to)?;
    for entry in entries {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            share(&path, &target)?;
        } else if !target.exists() {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(drop))?;
        }
    }
    Ok(())
}
