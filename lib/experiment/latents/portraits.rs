//! What every latent of the five stages fires on, with its values on the tokens around its strongest ones, and what it
//! promotes: what the latent browser of a run's site shows.
//!
//! A pass of the model serves all crosscoders that read the same activations: those of every seed, DF and MF.

use super::STAGES;
use super::promoted::{Promotion, promotions};
use super::windows::Windows;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::{Data, Model, Stage};
use crate::experiment::tables::{ContextRow, ProfileRow, ReadingRow};
use serde_json::json;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use tch::Tensor;

/// Sequences at once.
const BATCH: i64 = 16;

/// The rows of three tables.
#[derive(Debug, Default)]
pub struct Portraits {
    /// `readings`.
    pub readings: Vec<ReadingRow>,
    /// `profiles`.
    pub profiles: Vec<ProfileRow>,
    /// `contexts`.
    pub contexts: Vec<ContextRow>,
}

/// The rows of `tables/readings`, `tables/profiles` and `tables/contexts`, for each of the run's seeds.
///
/// # Errors
/// A stage has not been trained.
pub fn portrait_rows(run: &Run) -> Result<Portraits> {
    let mut portraits = Portraits::default();
    let mut subjects = Subjects::of(run);
    let mut read: Vec<(Model, Data)> = Vec::new();
    for stage in STAGES {
        let on = subjects.model_and_data(stage);
        if read.contains(&on) {
            continue;
        }
        if read.iter().all(|(_, data)| *data != on.1) {
            portraits.readings.extend(reading_rows(run, stage, &mut subjects)?);
        }
        read.push(on);
        let stages: Vec<Stage> = STAGES.into_iter().filter(|stage| subjects.model_and_data(*stage) == on).collect();
        read_stages(run, &stages, &mut subjects, &mut portraits)?;
    }
    portraits.profiles.sort_by_key(|row| (row.seed, row.stage, row.latent));
    portraits.contexts.sort_by_key(|row| (row.seed, row.stage, row.latent, row.rank));
    Ok(portraits)
}

/// The sequences that a stage is measured on.
fn reading_rows(run: &Run, stage: Stage, subjects: &mut Subjects) -> Result<Vec<ReadingRow>> {
    let (part, records) = subjects.records(stage)?;
    let (_, data) = subjects.model_and_data(stage);
    let tokenizer = run.tokenizer()?;
    let sequences = Vec::<Vec<i64>>::try_from(subjects.stage(stage)?.1)?;
    let row = |(sequence, ids): (usize, &Vec<i64>)| {
        let texts: Vec<String> = ids.iter().map(|&id| tokenizer.decode(&[id])).collect();
        ReadingRow {
            data: data.to_string(),
            sequence,
            part: part.name().into(),
            record: records[sequence],
            tokens: json!(texts).to_string(),
        }
    };
    Ok(sequences.iter().enumerate().map(row).collect())
}

/// Reads what some stages are measured on, all of them on the same, with the crosscoders of all seeds at once.
fn read_stages(run: &Run, stages: &[Stage], subjects: &mut Subjects, portraits: &mut Portraits) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    let (_, data) = subjects.model_and_data(stages[0]);
    let (model, tokens) = subjects.stage(stages[0])?;
    let (hooks, seq) = (run.hook_config(model)?, tokens.size()[1]);
    let of = |stage, seed| Ok((stage, seed, run.crosscoder_of(stage, seed)?));
    let pairs = run.seeds().into_iter().flat_map(|seed| stages.iter().map(move |&stage| (stage, seed)));
    let crosscoders: Vec<(Stage, u64, Crosscoder)> =
        pairs.map(|(stage, seed)| of(stage, seed)).collect::<Result<_>>()?;
    let mut windows: Vec<Windows> =
        crosscoders.iter().map(|(_, _, crosscoder)| Windows::new(seq, crosscoder.n_latents())).collect();
    for part in tokens.split(BATCH, 0) {
        let acts = hooks.harvest(model, &part); // [token, hook, d_model]
        for ((_, _, crosscoder), windows) in crosscoders.iter().zip(&mut windows) {
            windows.add(&latents(crosscoder, &acts));
        }
    }
    // a stage is measured on one model, and promotes by the head of its own
    let (mut heads, tokenizer) = (BTreeMap::new(), run.tokenizer()?);
    for stage in stages {
        if let Entry::Vacant(place) = heads.entry(stage.model()) {
            place.insert(run.model(stage.model())?);
        }
    }
    for ((stage, seed, crosscoder), windows) in crosscoders.iter().zip(windows) {
        let promotions = promotions(crosscoder, &heads[&stage.model()], &|id| tokenizer.decode(&[id]));
        portraits.profiles.extend(profile_rows(*stage, *seed, &windows, &promotions));
        portraits.contexts.extend(windows.rows(*stage, *seed, data));
    }
    Ok(())
}

/// # Shapes
/// `acts` [token, hook, d_model] → [token, latent]
fn latents(crosscoder: &Crosscoder, acts: &Tensor) -> Tensor {
    crosscoder.encode(&(acts * crosscoder.scale.view([1, -1, 1]))).latents
}

fn profile_rows(stage: Stage, seed: u64, windows: &Windows, promotions: &[Promotion]) -> Vec<ProfileRow> {
    let densities = windows.densities();
    let row = |(latent, (density, max_activation)): (usize, (f64, f64))| {
        let list = |tokens: fn(&Promotion) -> &Vec<(String, f64)>| {
            json!(promotions.get(latent).map_or(&Vec::new(), tokens)).to_string()
        };
        ProfileRow {
            seed,
            stage,
            latent: latent as u32,
            density,
            max_activation,
            promoted: list(|promotion| &promotion.promoted),
            suppressed: list(|promotion| &promotion.suppressed),
        }
    };
    densities.into_iter().zip(windows.highest()).enumerate().map(row).collect()
}
