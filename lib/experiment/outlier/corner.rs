//! What of the corner moves when a coordinate is left out of the cosines.

use crate::Result;
use crate::diff::{DecoderSpace, Quadrant, cosines_without_each};
use crate::experiment::quadrants::percentile_5;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{CornerRow, RotationRow};
use tch::{Kind, Tensor};

/// The rows of `tables/corner_without`: for each coordinate, left out at all hook points, which latents are below the 5th
/// percentile of both axes, seed by seed.
///
/// # Errors
/// A stage has not been trained.
pub fn corner_rows(run: &Run, rotations: &[RotationRow]) -> Result<Vec<CornerRow>> {
    let of_seeds = rotations.chunk_by(|a, b| a.seed == b.seed).map(|rows| of_one_seed(run, rows));
    Ok(of_seeds.collect::<Result<Vec<Vec<CornerRow>>>>()?.concat())
}

fn of_one_seed(run: &Run, rotations: &[RotationRow]) -> Result<Vec<CornerRow>> {
    let (seed, space) = (rotations[0].seed, run.recipe.decoder_space);
    let decoder = |stage| decoder(run, stage, seed);
    let (d, df, m, mf) = (decoder(Stage::D)?, decoder(Stage::DF)?, decoder(Stage::M)?, decoder(Stage::MF)?);
    let [x, y] = [(&d, &df), (&m, &mf)].map(|(before, after)| by_coordinate(&cosines_without_each(before, after)));
    let (shares, whole) = (shares_of_norm(&df), corner(run, rotations));
    let mut left_out = rotations.to_vec();
    let row = |coordinate: usize| {
        left_out
            .iter_mut()
            .zip(x[coordinate].iter().zip(&y[coordinate]))
            .for_each(|(row, (x, y))| row.turn(space, *x, *y));
        let without = corner(run, &left_out);
        let only_in =
            |here: &[bool], there: &[bool]| here.iter().zip(there).filter(|(here, there)| **here && !**there).count();
        CornerRow {
            seed,
            coordinate: coordinate as i64,
            decoder_share: shares[coordinate],
            n_corner: n_in(&whole),
            n_relevant: n_relevant(rotations, &whole),
            n_corner_without: n_in(&without),
            n_relevant_without: n_relevant(rotations, &without),
            n_left: only_in(&whole, &without),
            n_entered: only_in(&without, &whole),
        }
    };
    Ok((0..x.len()).map(row).collect())
}

/// A stage's decoder in the space in which cosines are taken.
///
/// # Shapes
/// → [latent, hook, d_model]
fn decoder(run: &Run, stage: Stage, seed: u64) -> Result<Tensor> {
    let crosscoder = run.crosscoder_of(stage, seed)?;
    Ok(match run.recipe.decoder_space {
        DecoderSpace::Scaled => crosscoder.w_dec_by_hook(),
        DecoderSpace::Folded => crosscoder.fold().w_dec_by_hook(),
    })
}

/// # Shapes
/// `cosines` [latent, d_model] → [d_model][latent]
fn by_coordinate(cosines: &Tensor) -> Vec<Vec<f64>> {
    Vec::try_from(cosines.tr()).expect("[d_model, latent]")
}

/// The share of each coordinate in the squared norm of decoder directions, mean over those that are not zero.
///
/// # Shapes
/// `decoder` [latent, hook, d_model] → `[d_model]`
fn shares_of_norm(decoder: &Tensor) -> Vec<f64> {
    let squares = decoder.to_kind(Kind::Double).square().sum_dim_intlist(1, false, Kind::Double); // [latent, d_model]
    let shares = &squares / squares.sum_dim_intlist(1, true, Kind::Double);
    Vec::try_from(shares.nanmean([0i64].as_slice(), false, Kind::Double)).expect("[d_model]")
}

/// Which active latents turned on both axes.
fn corner(run: &Run, rotations: &[RotationRow]) -> Vec<bool> {
    let quadrants = percentile_5(rotations, &run.recipe).quadrants;
    quadrants.into_iter().zip(rotations).map(|(quadrant, row)| row.active && quadrant == Quadrant::Both).collect()
}

fn n_in(corner: &[bool]) -> usize {
    corner.iter().filter(|is_in| **is_in).count()
}

fn n_relevant(rotations: &[RotationRow], corner: &[bool]) -> usize {
    rotations.iter().zip(corner).filter(|(row, is_in)| **is_in && row.is_relevant()).count()
}

impl RotationRow {
    /// Puts other cosines in the place of those of a space.
    fn turn(&mut self, space: DecoderSpace, x: f64, y: f64) {
        match space {
            DecoderSpace::Scaled => (self.cos_d_df, self.cos_m_mf) = (x, y),
            DecoderSpace::Folded => (self.cos_raw_d_df, self.cos_raw_m_mf) = (x, y),
        }
    }
}
