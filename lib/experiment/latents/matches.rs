//! DF against MF: do the two final dictionaries mean the same by a latent?
//!
//! Beside the nearest there is the one-to-one assignment with the highest sum of cosines, in which no direction of MF stands
//! for several of DF. What chance gives is what directions of DF get whose numbers all stand in another order, the same for
//! all: they keep their lengths, the angles between them and how uneven their numbers are. Directions drawn at random would
//! be further from everything, and any match would look good beside them.

use super::consensus::consensus;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::diff::assignment;
use crate::experiment::diff::rotations_of;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{MatchRow, RotationRow};
use crate::training::shuffle::permutation;
use tch::{Device, Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;

/// The rows of `tables/matches`: each latent of DF beside the one of the same number in MF, beside MF's nearest, and beside
/// the one that it is given in an assignment.
///
/// # Errors
/// A stage has not been trained, or the rotations are those of others.
pub fn match_rows(run: &Run, rotations: &[RotationRow]) -> Result<Vec<MatchRow>> {
    let mut subjects = Subjects::of(run);
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let (df, mf) = (run.crosscoder_of(Stage::DF, seed)?, run.crosscoder_of(Stage::MF, seed)?);
        let correlation = correlations(run, &mut subjects, &df, &mf)?;
        let of_seed = rotations_of(run, rotations, seed, df.n_latents())?;
        let turned = Turned { correlation, consensus: consensus(&of_seed) };
        rows.extend(of_pair(seed, &df, &mf, &turned, run.seed_for("shuffled directions")));
    }
    Ok(rows)
}

/// What is known of the latents beside their directions in DF and MF.
struct Turned {
    correlation: Vec<f64>,
    consensus: Vec<f64>,
}

/// The nearest column of each row, and the one it is assigned, with their values.
struct Matches {
    nearest: Vec<i64>,
    nearest_cos: Vec<f64>,
    assigned: Vec<usize>,
    assigned_cos: Vec<f64>,
}

impl Matches {
    /// # Shapes
    /// `cosines` [latent of DF, latent of MF]
    fn of(cosines: &Tensor) -> Matches {
        let (nearest_cos, nearest) = cosines.max_dim(1, false);
        let n = cosines.size()[0] as usize;
        let values = Vec::<f32>::try_from(cosines.to_device(Device::Cpu).view(-1)).expect("cosines");
        let assigned = assignment(&values, n);
        Matches {
            nearest: Vec::try_from(nearest).expect("one a latent"),
            nearest_cos: numbers(&nearest_cos),
            assigned_cos: assigned
                .iter()
                .enumerate()
                .map(|(row, column)| f64::from(values[row * n + column]))
                .collect(),
            assigned,
        }
    }
}

fn of_pair(seed: u64, df: &Crosscoder, mf: &Crosscoder, turned: &Turned, shuffle: u64) -> Vec<MatchRow> {
    let with_mf = |directions: &Tensor| directions.matmul(&unit(&mf.w_dec).tr());
    let cosines = with_mf(&unit(&df.w_dec));
    let (found, chance) = (Matches::of(&cosines), Matches::of(&with_mf(&shuffled(&df.w_dec, shuffle))));
    let same = numbers(&cosines.diagonal(0, 0, 1));
    let row = |latent: usize| MatchRow {
        seed,
        latent: latent as u32,
        cos: same[latent],
        correlation: turned.correlation[latent],
        nearest: found.nearest[latent] as u32,
        nearest_cos: found.nearest_cos[latent],
        chance_cos: chance.nearest_cos[latent],
        assigned: found.assigned[latent] as u32,
        assigned_cos: found.assigned_cos[latent],
        chance_assigned_cos: chance.assigned_cos[latent],
        consensus: turned.consensus[latent],
    };
    (0..same.len()).map(row).collect()
}

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double)).expect("one a latent")
}

/// Rows of length 1.
pub(super) fn unit(w_dec: &Tensor) -> Tensor {
    let rows = w_dec.flatten(1, -1);
    let norms = rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(f64::from(f32::MIN_POSITIVE));
    rows / norms
}

/// Directions of the same numbers in another order: what is near them is near by chance.
fn shuffled(w_dec: &Tensor, seed: u64) -> Tensor {
    let rows = unit(w_dec);
    let order = permutation(rows.size()[1], seed, 0);
    rows.index_select(1, &Tensor::from_slice(&order))
}

/// Pearson's correlation of each latent in DF with the same in MF, over the tokens that DF is measured on; NaN where one
/// of them never fires.
fn correlations(run: &Run, subjects: &mut Subjects, df: &Crosscoder, mf: &Crosscoder) -> Result<Vec<f64>> {
    let _no_grad = tch::no_grad_guard();
    let (model, tokens) = subjects.stage(Stage::DF)?;
    let cfg = run.hook_config(model)?;
    let mut sums: [Tensor; 5] =
        std::array::from_fn(|_| Tensor::zeros([df.n_latents()], (Kind::Double, df.w_dec.device())));
    for part in tokens.split(BATCH, 0) {
        let acts = cfg.harvest(model, &part);
        let code = |crosscoder: &Crosscoder| {
            crosscoder.encode(&(&acts * crosscoder.scale.view([1, -1, 1]))).latents.to_kind(Kind::Double)
        };
        let (f, g) = (code(df), code(mf)); // [token, latent]
        for (sum, product) in sums.iter_mut().zip([f.copy(), g.copy(), &f * &f, &g * &g, &f * &g]) {
            *sum += product.sum_dim_intlist(0, false, Kind::Double);
        }
    }
    let n_tokens = tokens.numel() as f64;
    let [f, g, ff, gg, fg] = sums.map(|sum| sum / n_tokens);
    let correlation = (fg - &f * &g) / ((ff - &f * &f) * (gg - &g * &g)).clamp_min(0.0).sqrt();
    Ok(Vec::try_from(correlation)?)
}
