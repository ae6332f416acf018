//! The pairs of latents whose interaction changes most although neither of them turns.

use super::blocks_read;
use super::change::{CHANGES, Sides, change_of};
use super::tokens::{Group, Tokens};
use crate::Result;
use crate::crosscoder::interactions::Neurons;
use crate::experiment::diff::rotations_of;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{InteractionPairRow, RotationRow};
use tch::{Kind, Tensor};

/// Pairs that are reported of each seed, change, block and kind of tokens.
const N_PAIRS: i64 = 3;

/// The rows of `tables/interaction_pairs`, of each of the run's seeds.
///
/// # Errors
/// Notebooks 01 to 08 have not been run.
pub fn pair_rows(run: &Run, progress: &mut dyn FnMut(u64)) -> Result<Vec<InteractionPairRow>> {
    let rotations: Vec<RotationRow> = run.rows("rotations")?;
    let (blocks, tokens) = (blocks_read(run), Tokens::of(run)?);
    let mut rows = Vec::new();
    for seed in run.seeds() {
        for stages in CHANGES.into_iter().filter(|[_, to]| !to.is_null_arm() && !blocks.is_empty()) {
            let sides = Sides::of(run, stages, seed, &rotations, &tokens)?;
            let of_seed = rotations_of(run, &rotations, seed, sides.before.crosscoder.n_latents())?;
            let pairs = Pairs { seed, stages, sides: &sides, rotations: &of_seed };
            for (&block, group) in blocks.iter().flat_map(|block| tokens.groups.iter().map(move |group| (block, group)))
            {
                rows.extend(pairs.rows(block, group));
            }
        }
        progress(seed);
    }
    Ok(rows)
}

struct Pairs<'a> {
    seed: u64,
    stages: [Stage; 2],
    sides: &'a Sides,
    rotations: &'a [&'a RotationRow],
}

impl Pairs<'_> {
    fn rows(&self, block: usize, group: &Group) -> Vec<InteractionPairRow> {
        let (chosen_on, measured_on) = (group.half(0), group.half(1));
        if chosen_on.places.is_empty() || measured_on.places.is_empty() {
            return Vec::new();
        }
        let sides = [&self.sides.before, &self.sides.after].map(|side| (side.neurons(block), &side.codes));
        let cos = self.sides.cosines(block);
        let token = |latent: i64| self.rotations[latent as usize].top_token_df.clone();
        let still = self.sides.still(block);
        let rows = chosen(&sides, &chosen_on, &still).into_iter().zip(1..).map(|(pair, rank)| {
            let (before, difference, ci_low, ci_high) = measured(&sides, &measured_on, pair);
            InteractionPairRow {
                seed: self.seed,
                change: format!("{}→{}", self.stages[0], self.stages[1]),
                block,
                tokens: group.name.into(),
                rank,
                dominant: pair.0 as u32,
                other: pair.1 as u32,
                dominant_token: token(pair.0),
                other_token: token(pair.1),
                before,
                after: before + difference,
                difference,
                ci_low,
                ci_high,
                dominant_cos: cos[pair.0 as usize],
                other_cos: cos[pair.1 as usize],
            }
        });
        rows.collect()
    }
}

/// An MLP's neurons and the code of all tokens, before and after.
type Read<'a> = [(Neurons, &'a Tensor); 2];

/// The pairs of still latents with the largest changes.
fn chosen(sides: &Read, group: &Group, still: &[bool]) -> Vec<(i64, i64)> {
    let [before, after] = sides.each_ref().map(|(neurons, codes)| neurons.interactions(&group.of(codes)));
    let is_still = Tensor::from_slice(still).to_kind(Kind::Double);
    let of_still = (after - before).abs() * is_still.unsqueeze(1) * is_still.unsqueeze(0);
    let n_latents = is_still.size()[0];
    let (sizes, places) = of_still.flatten(0, 1).topk(N_PAIRS.min(n_latents * n_latents), 0, true, true);
    let (sizes, places) = (Vec::<f64>::try_from(&sizes), Vec::<i64>::try_from(&places));
    let pairs = sizes.expect("numbers").into_iter().zip(places.expect("places"));
    pairs.filter(|(size, _)| *size > 0.0).map(|(_, place)| (place / n_latents, place % n_latents)).collect()
}

/// Mean interaction of a pair before the change, and by how much it changes, with the interval.
fn measured(sides: &Read, group: &Group, pair: (i64, i64)) -> (f64, f64, f64, f64) {
    let scores = sides.each_ref().map(|(neurons, codes)| {
        let scores = neurons.pair_scores(&group.of(codes), pair);
        Vec::<f64>::try_from(&scores.to_kind(Kind::Double)).expect("one a token")
    });
    let (difference, ci_low, ci_high) = change_of(&scores, &group.sequences);
    (scores[0].iter().sum::<f64>() / scores[0].len() as f64, difference, ci_low, ci_high)
}
