//! DF against MF: do the two final dictionaries mean the same by a latent?

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::MatchRow;
use crate::training::shuffle::permutation;
use tch::{Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;

/// The rows of `tables/matches`: each latent of DF beside the one of the same number in MF, and beside MF's nearest.
///
/// # Errors
/// A stage has not been trained.
pub fn match_rows(run: &Run) -> Result<Vec<MatchRow>> {
    let mut subjects = Subjects::of(run);
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let (df, mf) = (run.crosscoder_of(Stage::DF, seed)?, run.crosscoder_of(Stage::MF, seed)?);
        let correlation = correlations(run, &mut subjects, &df, &mf)?;
        rows.extend(of_seed(seed, &df, &mf, &correlation, run.seed_for("shuffled directions")));
    }
    Ok(rows)
}

fn of_seed(seed: u64, df: &Crosscoder, mf: &Crosscoder, correlation: &[f64], shuffle: u64) -> Vec<MatchRow> {
    let cosines = unit(&df.w_dec).matmul(&unit(&mf.w_dec).tr()); // [latent of DF, latent of MF]
    let numbers = |tensor: &Tensor| Vec::<f64>::try_from(tensor.to_kind(Kind::Double)).expect("one a latent");
    let (nearest_cos, nearest) = cosines.max_dim(1, false);
    let nearest = Vec::<i64>::try_from(nearest).expect("one a latent");
    let of_chance = shuffled(&df.w_dec, shuffle).matmul(&unit(&mf.w_dec).tr()).max_dim(1, false).0;
    let same = cosines.diagonal(0, 0, 1);
    let (same, nearest_cos, of_chance) = (numbers(&same), numbers(&nearest_cos), numbers(&of_chance));
    let row = |latent: usize| MatchRow {
        seed,
        latent: latent as u32,
        cos: same[latent],
        correlation: correlation[latent],
        nearest: nearest[latent] as u32,
        nearest_cos: nearest_cos[latent],
        chance_cos: of_chance[latent],
    };
    (0..same.len()).map(row).collect()
}

/// Rows of length 1.
fn unit(w_dec: &Tensor) -> Tensor {
    let rows = w_dec.flatten(1, -1);
    let norms = rows.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(f64::MIN_POSITIVE);
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
