//! Single latents: where in the model they live and turn, what they fire on stage by stage, what they promote, and whether
//! the two final dictionaries mean the same by them.

mod consensus;
mod examples;
mod figures;
mod findings;
mod matches;
mod neighbours;
mod portraits;
mod promoted;
mod windows;

pub use consensus::consensus_sentence;
pub use examples::{Example, examples};
pub use figures::{assigned, by_hook_point, matched};
pub use findings::{by_hook_sentence, matches_sentence};
pub use matches::match_rows;
pub use neighbours::neighbour_rows;
pub use portraits::{Portraits, portrait_rows};
pub use promoted::promoted;

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::diff::cosines;
use crate::experiment::diff::Readout;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{LatentRow, TopTokenRow};

/// The stages without null arms, along both paths.
pub const STAGES: [Stage; 5] = [Stage::S, Stage::D, Stage::M, Stage::DF, Stage::MF];

/// The rows of `tables/latents`: each latent's decoder at each hook point, with how far it turned there since the stage
/// before.
///
/// # Errors
/// A stage has not been trained.
pub fn latent_rows(run: &Run) -> Result<Vec<LatentRow>> {
    let mut rows = Vec::new();
    for seed in run.seeds() {
        for stage in STAGES {
            let here = run.crosscoder_of(stage, seed)?;
            let before = stage.parent().map(|parent| run.crosscoder_of(parent, seed)).transpose()?;
            rows.extend(rows_of(seed, stage, &here, before.as_ref()));
        }
    }
    Ok(rows)
}

fn rows_of(seed: u64, stage: Stage, here: &Crosscoder, before: Option<&Crosscoder>) -> Vec<LatentRow> {
    let norms = Vec::<Vec<f64>>::try_from(here.hook_norms()).expect("[latent, hook]");
    let at = |crosscoder: &Crosscoder, place: usize| crosscoder.w_dec_by_hook().select(1, place as i64);
    let of_hook = |(place, &hook_point)| {
        let turned = before.map(|before| cosines(&at(before, place), &at(here, place)));
        let row = |(latent, norms): (usize, &Vec<f64>)| LatentRow {
            seed,
            stage,
            latent: latent as u32,
            hook_point,
            norm: norms[place],
            cos_parent: turned.as_ref().map_or(f64::NAN, |cosines| cosines[latent]),
        };
        norms.iter().enumerate().map(row).collect::<Vec<LatentRow>>()
    };
    here.hooks.iter().enumerate().flat_map(of_hook).collect()
}

/// What some latents of the run's own seed fire on in every stage, side by side: the strongest tokens of each.
///
/// # Errors
/// A stage has not been trained.
pub fn contexts(run: &Run, latents: &[u32]) -> Result<Vec<TopTokenRow>> {
    let mut subjects = Subjects::of(run);
    let mut rows = Vec::new();
    for stage in STAGES {
        let readout = Readout::of(run, stage, run.settings.seed, &mut subjects)?;
        rows.extend(readout.rows().into_iter().filter(|row| latents.contains(&row.latent)));
    }
    rows.sort_by_key(|row| (latents.iter().position(|latent| *latent == row.latent), row.rank));
    Ok(rows)
}
