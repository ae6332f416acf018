//! How strongly latents meddle before and after a change, on different kinds of tokens.

use super::blocks_read;
use super::tokens::{Tokens, has};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::interactions::Neurons;
use crate::diff::cosines;
use crate::experiment::axes::each;
use crate::experiment::diff::rotations_of;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{InteractionRow, RotationRow};
use crate::language_model::HookPoint;
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

/// Two stages, with the null arm that begins where they do.
pub(super) struct Sides {
    pub before: Side,
    pub after: Side,
    /// None where it was not trained.
    null: Option<Crosscoder>,
    active: Vec<bool>,
}

impl Sides {
    pub fn of(
        run: &Run,
        [from, to]: [Stage; 2],
        seed: u64,
        rotations: &[RotationRow],
        tokens: &Tokens,
    ) -> Result<Sides> {
        let null = if from == Stage::D { Stage::D0 } else { Stage::M0 };
        let (before, after) = (Side::of(run, from, seed, tokens)?, Side::of(run, to, seed, tokens)?);
        let rotations = rotations_of(run, rotations, seed, before.crosscoder.n_latents())?;
        Ok(Sides {
            null: has(run, null).then(|| run.crosscoder_of(null, seed)).transpose()?,
            active: each(&rotations, |row| row.active),
            before,
            after,
        })
    }

    /// Cosines of the directions that a block's MLP reads, before and after.
    pub fn cosines(&self, block: usize) -> Vec<f64> {
        cosines(&read_by(&self.before.crosscoder, block), &read_by(&self.after.crosscoder, block))
    }

    /// Which latents the change leaves still in what a block's MLP reads: active ones that it turned no further there than
    /// the null arm turns its median active latent, or without a null arm than the change itself does.
    pub fn still(&self, block: usize) -> Vec<bool> {
        let of_active = |cosines: &[f64]| -> Vec<f64> {
            cosines.iter().zip(&self.active).filter(|(_, active)| **active).map(|(cosine, _)| *cosine).collect()
        };
        let (turned, before) = (self.cosines(block), read_by(&self.before.crosscoder, block));
        let usual = self.null.as_ref().map(|null| cosines(&before, &read_by(null, block)));
        let least = percentile(&of_active(usual.as_ref().unwrap_or(&turned)), 50.0);
        turned.iter().zip(&self.active).map(|(cosine, active)| *active && *cosine >= least).collect()
    }
}

/// The decoder's directions at what a block's MLP reads, [latent, d_model].
fn read_by(crosscoder: &Crosscoder, block: usize) -> Tensor {
    let hook = HookPoint::Ln2Normalized(block);
    let place = crosscoder.hooks.iter().position(|&read| read == hook).expect("a block that is read");
    crosscoder.w_dec_by_hook().select(1, place as i64).contiguous()
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
        for [from, to] in CHANGES.into_iter().filter(|[_, to]| !blocks.is_empty() && has(run, *to)) {
            let sides = Sides::of(run, [from, to], seed, &rotations, &tokens)?;
            for &block in &blocks {
                let sets = [("all", vec![true; sides.active.len()]), ("still", sides.still(block))];
                let neurons = [sides.before.neurons(block), sides.after.neurons(block)];
                for group in &tokens.groups {
                    let codes = [group.of(&sides.before.codes), group.of(&sides.after.codes)];
                    rows.extend(sets.iter().map(|(latents, set)| {
                        let scores = [0, 1].map(|side| scores(&neurons[side], &codes[side], set));
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
                    }));
                }
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
