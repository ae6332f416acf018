//! `cargo xtask sweep`: the series for each variant of recipe and crosscoder, by the compiled notebooks, as tasks of
//! Snakemake; `cargo xtask sizes`: what λ_s and how many latents give; and `cargo xtask costs`: what a stage takes on paper.

use crate::Result;
use crate::fetch::fetch;
use crate::places::finish;
use crate::python::{self, SNAKEMAKE};
use crate::setup;
use stagediff_settings::{Overrides, Settings, VARIABLE};

/// Sets up the library and Snakemake, and has it make what the words name: a number of seeds, then variants or nothing for
/// all, then `--` and options of Snakemake.
///
/// # Errors
/// What setup says, or that the sweep broke off. Runs that are finished are kept.
pub fn sweep(given: &Overrides, words: &[String]) -> Result<()> {
    let failed = "the sweep is not finished; what is done is kept, the same command goes on from there";
    let snakemake = python::extra(&setup::python()?, &SNAKEMAKE)?.join("snakemake").to_string_lossy().into_owned();
    compiled("sweep", given, &[&["run".into(), snakemake], words].concat(), failed)
}

/// Sets up the library and tries sizes of a crosscoder, on a run's activations or on the folder that is among the words, seen from where
/// the command was given.
///
/// # Errors
/// What setup says, or that something was refused.
pub fn sizes(given: &Overrides, words: &[String]) -> Result<()> {
    let from_here = |word: &String| std::fs::canonicalize(word).map_or(word.clone(), |path| path.display().to_string());
    compiled("sizes", given, &words.iter().map(from_here).collect::<Vec<_>>(), "no sizes were measured")
}

/// Says what stage S takes on paper, with the sizes that the words change.
///
/// # Errors
/// What setup says, or that a word was refused.
pub fn costs(given: &Overrides, words: &[String]) -> Result<()> {
    compiled("costs", given, words, "no costs were computed")
}

/// Runs a program of the notebooks by the settings that were given.
fn compiled(program: &str, given: &Overrides, words: &[String], failed: &str) -> Result<()> {
    let locations = given.onto(&Settings::default()).on_hub()?;
    let machine = setup::library()?;
    fetch(&machine.places, &locations)?;
    finish(&mut machine.cargo(&["build", "--quiet", "--package", "notebooks", "--bins"]), failed)?;
    let mut command = machine.cargo(&["run", "--quiet", "--package", "notebooks", "--bin", program, "--"]);
    finish(command.args(words).env(VARIABLE, given.to_json()), failed)
}
