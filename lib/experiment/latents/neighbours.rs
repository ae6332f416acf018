//! Which directions of the two final dictionaries lie nearest to each latent's.

use super::matches::unit;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::NeighbourRow;
use tch::{Kind, Tensor};

/// Neighbours of a latent in each dictionary.
const N_NEIGHBOURS: i64 = 3;
/// Latents at once.
const BATCH: i64 = 1024;

/// The rows of `tables/neighbours`: the latents of DF and MF beside those of DF and MF whose directions are nearest.
///
/// # Errors
/// A stage has not been trained.
pub fn neighbour_rows(run: &Run) -> Result<Vec<NeighbourRow>> {
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let of_stage = |stage| Ok((stage, run.crosscoder_of(stage, seed)?));
        let both = [Stage::DF, Stage::MF].into_iter().map(of_stage).collect::<Result<Vec<_>>>()?;
        for here in &both {
            both.iter().for_each(|other| rows.extend(between(seed, here, other)));
        }
    }
    Ok(rows)
}

fn between(
    seed: u64,
    (stage, here): &(Stage, Crosscoder),
    (other_stage, other): &(Stage, Crosscoder),
) -> Vec<NeighbourRow> {
    let is_same = stage == other_stage;
    let nearest = nearest(&unit(&here.w_dec), &unit(&other.w_dec), is_same);
    let row = |latent: usize, place: usize, (neighbour, cos): (i64, f64)| NeighbourRow {
        seed,
        stage: *stage,
        latent: latent as u32,
        other: *other_stage,
        rank: place + 1,
        neighbour: neighbour as u32,
        cos,
    };
    let of_latent = |(latent, near): (usize, Vec<(i64, f64)>)| {
        near.into_iter().enumerate().map(|(place, near)| row(latent, place, near)).collect::<Vec<_>>()
    };
    nearest.into_iter().enumerate().flat_map(of_latent).collect()
}

/// The nearest rows of `others` to each of `rows`, nearest first; without itself where both are the same.
///
/// # Shapes
/// `rows` [latent, hook · d_model], `others` [latent, hook · d_model], of length 1
fn nearest(rows: &Tensor, others: &Tensor, are_same: bool) -> Vec<Vec<(i64, f64)>> {
    let n_others = others.size()[0];
    let n_wanted = N_NEIGHBOURS.min(n_others - i64::from(are_same));
    let mut all = Vec::new();
    for (batch, part) in rows.split(BATCH, 0).iter().enumerate() {
        let mut cosines = part.matmul(&others.tr()); // [latent, latent]
        if are_same {
            let own = Tensor::arange(part.size()[0], (Kind::Int64, part.device())) + batch as i64 * BATCH;
            cosines = cosines.scatter_value(1, &own.unsqueeze(1), -2.0);
        }
        let (cosines, places) = cosines.topk(n_wanted, 1, true, true);
        let cosines = Vec::<Vec<f64>>::try_from(cosines.to_kind(Kind::Double)).expect("[latent, neighbour]");
        let places = Vec::<Vec<i64>>::try_from(places).expect("[latent, neighbour]");
        all.extend(places.into_iter().zip(cosines).map(|(places, cosines)| places.into_iter().zip(cosines).collect()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latent_is_its_own_nearest_in_another_dictionary_alone() {
        let rows = Tensor::from_slice(&[1.0f32, 0.0, 0.8, 0.6, 0.0, 1.0]).view([3, 2]);
        let names = |are_same| {
            let near = nearest(&rows, &rows, are_same);
            near.iter().map(|near| near.iter().map(|(latent, _)| *latent).collect()).collect::<Vec<Vec<i64>>>()
        };
        assert_eq!(names(false), [[0, 1, 2], [1, 0, 2], [2, 1, 0]]);
        assert_eq!(names(true), [[1, 2], [0, 2], [1, 0]]);
        assert!((nearest(&rows, &rows, true)[2][0].1 - 0.6).abs() < 1e-6);
    }
}
