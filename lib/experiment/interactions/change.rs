//! How strongly latents meddle before and after a change, on different kinds of tokens.

use super::blocks_read;
use super::tokens::{Tokens, has};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::interactions::Neurons;
use crate::experiment::axes::{Axis, each};
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{InteractionRow, RotationRow};
use crate::language_model::gpt_neo::GptNeo;
use crate::stats::{mean, percentile};
use tch::{Kind, Tensor};

/// The changes of both axes, each with the null arm behind it.
pub(super) const CHANGES: [[Stage; 2]; 4] =
    [[Stage::D, Stage::DF], [Stage::D, Stage::D0], [Stage::M, Stage::MF], [Stage::M, Stage::M0]];

/// A stage's dictionary and model, and the code of all tokens.
pub(super) struct Side {
    pub crosscoder: Crosscoder,
    pub model: GptNeo,
    /// [token, latent]
    pub codes: Tensor,
}

impl Side {
    pub fn of(run: &Run, stage: Stage, seed: u64, tokens: &Tokens) -> Result<Side> {
        let (crosscoder, model) = (run.crosscoder_of(stage, seed)?, run.model(stage.model())?);
        let codes = tokens.codes(run, &crosscoder, &model)?;
        Ok(Side { crosscoder, model, codes })
    }

    pub fn neurons(&self, block: usize) -> Neurons {
        Neurons::of(&self.crosscoder, &self.model.blocks[block]).expect("a block that is read").on_processor()
    }
}

/// Which latents a change leaves still: active ones that it turned no further than the null arm turns its median active
/// latent, or without a null arm than the change itself does.
///
/// # Shapes
/// → `[latent]`, one number each
pub(super) fn still(rotations: &[&RotationRow], changed: Stage) -> Vec<bool> {
    let [model, data] = Axis::both(rotations);
    let axis = if matches!(changed, Stage::MF | Stage::M0) { data } else { model };
    let active = each(rotations, |row| row.active);
    let of_active = |cosines: &[f64]| -> Vec<f64> {
        cosines.iter().zip(&active).filter(|(_, active)| **active).map(|(cosine, _)| *cosine).collect()
    };
    let least = percentile(&of_active(if axis.has_null() { &axis.null } else { &axis.real }), 50.0);
    axis.real.iter().zip(&active).map(|(cosine, active)| *active && *cosine >= least).collect()
}

/// The rows of `tables/interactions`, of each of the run's seeds.
///
/// # Errors
/// Notebooks 01 to 08 have not been run.
pub fn interaction_rows(run: &Run, progress: &mut dyn FnMut(u64)) -> Result<Vec<InteractionRow>> {
    let rotations: Vec<RotationRow> = run.rows("rotations")?;
    let (blocks, tokens) = (blocks_read(run), Tokens::of(run)?);
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let of_seed: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed).collect();
        for [from, to] in CHANGES.into_iter().filter(|[_, to]| !blocks.is_empty() && has(run, *to)) {
            let [before, after] = [Side::of(run, from, seed, &tokens)?, Side::of(run, to, seed, &tokens)?];
            let sets = [("all", vec![true; of_seed.len()]), ("still", still(&of_seed, to))];
            for (&block, group) in blocks.iter().flat_map(|block| tokens.groups.iter().map(move |group| (block, group)))
            {
                let sides = [&before, &after].map(|side| (side.neurons(block), group.of(&side.codes)));
                let row = |(latents, set): &(&str, Vec<bool>)| {
                    let scores = sides.each_ref().map(|(neurons, codes)| scores(neurons, codes, set));
                    let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
                    let (difference, ci_low, ci_high) = change_of(&scores, &group.sequences);
                    InteractionRow {
                        seed,
                        change: format!("{from}→{to}"),
                        block,
                        tokens: group.name.into(),
                        latents: latents.to_string(),
                        n_tokens: group.places.len(),
                        n_latents: set.iter().filter(|is_in| **is_in).count(),
                        before: mean(&scores[0]),
                        after: mean(&scores[1]),
                        difference,
                        ci_low,
                        ci_high,
                    }
                };
                rows.extend(sets.iter().map(row));
            }
        }
        progress(seed);
    }
    Ok(rows)
}

fn scores(neurons: &Neurons, codes: &Tensor, among: &[bool]) -> Vec<f64> {
    let scores = neurons.token_scores(codes, &Tensor::from_slice(among).to_kind(Kind::Float));
    Vec::try_from(&scores.to_kind(Kind::Double)).expect("one a token")
}

/// The mean over tokens of what changed, with its interval.
pub(super) fn change_of([before, after]: &[Vec<f64>; 2], sequences: &[usize]) -> (f64, f64, f64) {
    let differences: Vec<f64> = before.iter().zip(after).map(|(before, after)| after - before).collect();
    mean::of_clusters(&differences, sequences)
}
