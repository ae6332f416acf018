//! Runs the series once for each variant of the recipe and of the crosscoder, at several seeds:
//! `cargo run -p notebooks --bin sweep -- 3` or, for some variants alone, `… -- 3 corrected sae`.
//! A finished run is left alone. Language models and crosscoders that a variant shares with the corrected recipe are
//! taken from there: each training says in its file what it was made of.

use stagediff::run::{Run, Settings, VARIABLE};
use stagediff::variants::Variant;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// The notebooks of a run.
const NOTEBOOKS: [&str; 8] = ["01", "02", "03", "04", "05", "06", "07", "08"];

/// The last file that a run writes.
const LAST: &str = "tables/quadrants.parquet";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (n_seeds, names) = words.split_first().ok_or("how many seeds? for example: sweep 3")?;
    let n_seeds: u64 = n_seeds.parse().map_err(|_| format!("{n_seeds:?} is no number of seeds"))?;
    let base = Settings::default().or_env()?;
    let variants = chosen(Variant::all(&base.resolve()?.0), names)?;
    for seed in (0..n_seeds).map(|seed| base.seed + seed) {
        for variant in &variants {
            run(variant, &Settings { seed, ..base.clone() })?;
        }
    }
    Ok(())
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
        share(&corrected.path("weights"), &run.path("weights"))?;
    }
    fs::create_dir_all(run.path(""))?;
    let log = run.path("sweep.log");
    let started = Instant::now();
    let status = Command::new(std::env::current_exe()?.with_file_name("notebooks"))
        .args(NOTEBOOKS)
        .env(VARIABLE, serde_json::to_string(&settings)?)
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
