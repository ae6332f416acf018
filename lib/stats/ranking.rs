//! How well a score puts labelled items before the others.
//!
//! A score that is no number stands behind all others. Where one of the two groups is empty there is nothing to put in
//! order, and every measure is NaN.
//!
//! ```
//! use stagediff::stats::ranking::{auroc, average_precision};
//!
//! let (scores, labels) = ([0.9, 0.8, 0.3, 0.1], [true, false, true, false]);
//! assert_eq!(auroc(&scores, &labels).value, 0.75);
//! assert_eq!(average_precision(&scores, &labels), (1.0 + 2.0 / 3.0) / 2.0);
//! ```

use super::Z;

/// The area under the curve of true over false positives: the chance that a labelled item has a higher score than another,
/// a tie counted as half.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Auroc {
    /// The area.
    pub value: f64,
    /// 95 % interval.
    pub ci_low: f64,
    /// Its upper end.
    pub ci_high: f64,
}

impl Auroc {
    const NONE: Auroc = Auroc { value: f64::NAN, ci_low: f64::NAN, ci_high: f64::NAN };
}

/// The area with the interval of DeLong, DeLong and Clarke-Pearson (1988). Where all pairs are in order, or a group is a
/// single item, no variance can be estimated: the interval is then Newcombe's (2006, method 5).
pub fn auroc(scores: &[f64], labels: &[bool]) -> Auroc {
    let Some(groups) = Groups::of(scores, labels) else { return Auroc::NONE };
    let (hits, others) = (groups.placements(&groups.hits, &groups.others), groups.placements_of_others());
    let value = mean(&hits);
    let variance = variance(&hits) / hits.len() as f64 + variance(&others) / others.len() as f64;
    let (ci_low, ci_high) = match variance > 0.0 {
        true => (value - Z * variance.sqrt(), value + Z * variance.sqrt()),
        false => newcombe(value, hits.len(), others.len()),
    };
    Auroc { value, ci_low: ci_low.max(0.0), ci_high: ci_high.min(1.0) }
}

/// By how much the area of one score exceeds that of another of the same items, with its 95 % interval (DeLong, DeLong and
/// Clarke-Pearson 1988, correlated areas): difference, lower end, upper end. The ends are NaN where no
/// variance can be estimated: a group is a single item, or all differences are the same.
pub fn auroc_difference(a: &[f64], b: &[f64], labels: &[bool]) -> (f64, f64, f64) {
    let differences = |label: bool| -> Option<Vec<f64>> {
        let (a, b) = (placements(a, labels, label)?, placements(b, labels, label)?);
        Some(a.iter().zip(b).map(|(a, b)| a - b).collect())
    };
    let (Some(hits), Some(others)) = (differences(true), differences(false)) else {
        return (f64::NAN, f64::NAN, f64::NAN);
    };
    let difference = mean(&hits);
    let variance = variance(&hits) / hits.len() as f64 + variance(&others) / others.len() as f64;
    let is_known = hits.len() > 1 && others.len() > 1 && (variance > 0.0 || difference == 0.0);
    let half = if is_known { Z * variance.sqrt() } else { f64::NAN };
    (difference, difference - half, difference + half)
}

/// For each item of one label, in order, the share of the other items that are on its right side.
fn placements(scores: &[f64], labels: &[bool], label: bool) -> Option<Vec<f64>> {
    let groups = Groups::of(scores, labels)?;
    let items = scores.iter().zip(labels).filter(|(_, known)| **known == label).map(|(score, _)| number(*score));
    let items: Vec<f64> = items.collect();
    Some(match label {
        true => groups.placements(&items, &groups.others),
        false => groups.placements(&items, &groups.hits).into_iter().map(|share| 1.0 - share).collect(),
    })
}

/// The scores of the labelled items and of the others, each ascending.
struct Groups {
    hits: Vec<f64>,
    others: Vec<f64>,
}

impl Groups {
    fn of(scores: &[f64], labels: &[bool]) -> Option<Groups> {
        assert_eq!(scores.len(), labels.len(), "a label for each score");
        let group = |label: bool| {
            let mut group: Vec<f64> = scores
                .iter()
                .zip(labels)
                .filter(|(_, known)| **known == label)
                .map(|(score, _)| number(*score))
                .collect();
            group.sort_by(f64::total_cmp);
            group
        };
        let groups = Groups { hits: group(true), others: group(false) };
        (!groups.hits.is_empty() && !groups.others.is_empty()).then_some(groups)
    }

    /// For each of `items` the share of `among` that is lower, ties counted as half.
    fn placements(&self, items: &[f64], among: &[f64]) -> Vec<f64> {
        let placement = |item: &f64| {
            let (lower, not_higher) =
                (among.partition_point(|other| other < item), among.partition_point(|other| other <= item));
            (lower + not_higher) as f64 / (2 * among.len()) as f64
        };
        items.iter().map(placement).collect()
    }

    fn placements_of_others(&self) -> Vec<f64> {
        self.placements(&self.others, &self.hits).into_iter().map(|share| 1.0 - share).collect()
    }
}

/// What is no number is lower than all numbers.
fn number(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score + 0.0 } // −0 becomes 0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The variance of a sample; 0 of a single value.
fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (values.len() - 1).max(1) as f64
}

/// The areas θ from which the measured one lies as far as chance allows, |measured − θ| = z √V(θ), with
/// V(θ) = θ (1 − θ) (1 + N ((1 − θ)/(2 − θ) + θ/(1 + θ))) / mn and N = (m + n)/2 − 1.
fn newcombe(measured: f64, m: usize, n: usize) -> (f64, f64) {
    let (pairs, mean_less_one) = ((m * n) as f64, (m + n) as f64 / 2.0 - 1.0);
    let is_within = |area: f64| {
        let spread = 1.0 + mean_less_one * ((1.0 - area) / (2.0 - area) + area / (1.0 + area));
        (measured - area).powi(2) <= Z * Z * area * (1.0 - area) * spread / pairs
    };
    let end = |outside: f64| {
        let (mut outside, mut inside) = (outside, measured);
        for _ in 0..60 {
            let middle = (outside + inside) / 2.0;
            if is_within(middle) { inside = middle } else { outside = middle }
        }
        inside
    };
    (end(0.0), end(1.0))
}

/// Scores with labels, the highest first, those of equal score together: score, labelled items, items.
fn ties(scores: &[f64], labels: &[bool]) -> Vec<(f64, usize, usize)> {
    let mut sorted: Vec<(f64, bool)> = scores.iter().map(|score| number(*score)).zip(labels.iter().copied()).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0));
    let same = |a: &(f64, bool), b: &(f64, bool)| a.0 == b.0;
    sorted.chunk_by(same).map(|tied| (tied[0].0, tied.iter().filter(|item| item.1).count(), tied.len())).collect()
}

/// Σ precision · gain in recall over all thresholds, the highest first.
pub fn average_precision(scores: &[f64], labels: &[bool]) -> f64 {
    if Groups::of(scores, labels).is_none() {
        return f64::NAN;
    }
    let (mut n_hits, mut n_items, mut sum) = (0, 0, 0.0);
    for (_, hits, items) in ties(scores, labels) {
        (n_hits, n_items) = (n_hits + hits, n_items + items);
        sum += hits as f64 * n_hits as f64 / n_items as f64;
    }
    sum / n_hits as f64
}

/// The share of labelled items among the first `n_first`, or among all if there are fewer; of tied ones as many as chance
/// would put there.
pub fn precision_at(scores: &[f64], labels: &[bool], n_first: usize) -> f64 {
    if Groups::of(scores, labels).is_none() {
        return f64::NAN;
    }
    let n_first = n_first.min(scores.len());
    let (mut left, mut n_hits) = (n_first, 0.0);
    for (_, hits, items) in ties(scores, labels) {
        let n_taken = items.min(left);
        n_hits += hits as f64 * n_taken as f64 / items as f64;
        left -= n_taken;
    }
    n_hits / n_first as f64
}

/// The largest share of labelled items that a threshold finds while at most `fpr` of the others are found with them.
pub fn tpr_at(scores: &[f64], labels: &[bool], fpr: f64) -> f64 {
    let Some(groups) = Groups::of(scores, labels) else { return f64::NAN };
    let (mut found, mut wrong, mut best) = (0, 0, 0);
    for (_, hits, items) in ties(scores, labels) {
        (found, wrong) = (found + hits, wrong + items - hits);
        if wrong as f64 <= fpr * groups.others.len() as f64 {
            best = found;
        }
    }
    best as f64 / groups.hits.len() as f64
}

/// F1 of the items at or above `threshold`, were only `prevalence` of all items labelled: the harmonic mean of recall t and
/// of precision π t / (π t + (1 − π) f), with t and f the shares found of the labelled items and of the others.
pub fn f1_at(scores: &[f64], labels: &[bool], threshold: f64, prevalence: f64) -> f64 {
    let Some(groups) = Groups::of(scores, labels) else { return f64::NAN };
    let found =
        |group: &[f64]| (group.len() - group.partition_point(|score| *score < threshold)) as f64 / group.len() as f64;
    f1(found(&groups.hits), found(&groups.others), prevalence)
}

fn f1(tpr: f64, fpr: f64, prevalence: f64) -> f64 {
    let (right, wrong, missed) = (prevalence * tpr, (1.0 - prevalence) * fpr, prevalence * (1.0 - tpr));
    2.0 * right / (2.0 * right + wrong + missed)
}

/// The threshold of the highest F1 at a prevalence, half-way between two scores; NaN where none is to be had.
pub fn best_threshold(scores: &[f64], labels: &[bool], prevalence: f64) -> f64 {
    let Some(groups) = Groups::of(scores, labels) else { return f64::NAN };
    let (mut found, mut wrong, mut best) = (0, 0, (f64::NEG_INFINITY, f64::NAN));
    let ties = ties(scores, labels);
    for (place, (score, hits, items)) in ties.iter().enumerate() {
        (found, wrong) = (found + hits, wrong + items - hits);
        let share = |n: usize, group: &[f64]| n as f64 / group.len() as f64;
        let here = f1(share(found, &groups.hits), share(wrong, &groups.others), prevalence);
        if here > best.0 {
            let next = ties.get(place + 1).map(|(next, ..)| *next).filter(|next| next.is_finite());
            best = (here, next.map_or(*score, |next| (score + next) / 2.0));
        }
    }
    best.1
}

/// The rank of each value, 1 for the lowest, the mean of their ranks for tied ones.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let values: Vec<f64> = values.iter().map(|value| number(*value)).collect();
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let rank = |value: &f64| {
        let (lower, not_higher) =
            (sorted.partition_point(|other| other < value), sorted.partition_point(|other| other <= value));
        (lower + not_higher + 1) as f64 / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 12] = [0.9, 0.8, 0.8, 0.7, 0.6, 0.55, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1];
    const LABELS: [bool; 12] = [true, true, false, true, false, true, false, false, true, false, false, false];

    /// Equal in the nine decimals that the other programs were asked for.
    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn areas_are_those_of_other_programs() {
        // sklearn.metrics.roc_auc_score; DeLong's variance from its definition in numpy, 0.785714 ± 1.96 · 0.141186
        let found = auroc(&SCORES, &LABELS);
        assert_near(found.value, 0.785_714_285_714);
        assert_near(found.ci_low, 0.509_005_318_233);
        assert_near(found.ci_high, 1.0);
    }

    #[test]
    fn differences_are_those_of_correlated_areas() {
        // DeLong's covariance from its definition in numpy: np.cov of both scores' placements, hits and others
        let other = [0.4, 0.9, 0.1, 0.8, 0.3, 0.7, 0.5, 0.2, 0.6, 0.35, 0.45, 0.0];
        let (difference, low, high) = auroc_difference(&SCORES, &other, &LABELS);
        assert_near(difference, -0.157_142_857_143);
        assert_near(low, -0.512_416_499_919);
        assert_near(high, 0.198_130_785_633);
        assert_near(difference, auroc(&SCORES, &LABELS).value - auroc(&other, &LABELS).value);
        assert_eq!(auroc_difference(&SCORES, &SCORES, &LABELS), (0.0, 0.0, 0.0));
        let of_one = auroc_difference(&[1.0, 0.0, 2.0], &[2.0, 0.0, 1.0], &[true, false, false]);
        assert!(of_one.0 == -0.5 && of_one.1.is_nan() && of_one.2.is_nan());
        assert!(auroc_difference(&SCORES, &other, &[true; 12]).0.is_nan());
    }

    #[test]
    fn without_a_variance_the_interval_is_newcombes() {
        // scipy.optimize.brentq on Newcombe's equation
        let in_order = auroc(
            &[5.0, 4.0, 3.0, 2.5, 2.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4],
            &[true, true, true, true, true, false, false, false, false, false, false, false],
        );
        assert_near(in_order.value, 1.0);
        assert_near(in_order.ci_low, 0.682_789_748_174);
        assert_near(in_order.ci_high, 1.0);
        let of_one = newcombe(0.6, 1, 5);
        assert_near(of_one.0, 0.144_930_577_461);
        assert_near(of_one.1, 0.928_030_024_347);
    }

    #[test]
    fn precisions_are_those_of_other_programs() {
        // sklearn.metrics.average_precision_score
        assert_near(average_precision(&SCORES, &LABELS), 0.727_777_777_778);
        assert_near(precision_at(&SCORES, &LABELS, 2), 0.75); // the second is one of a tie of two
        assert_near(precision_at(&SCORES, &LABELS, 100), 5.0 / 12.0);
        // tpr[fpr <= 0.2].max() of sklearn.metrics.roc_curve
        assert_near(tpr_at(&SCORES, &LABELS, 0.2), 0.6);
        assert_near(tpr_at(&SCORES, &LABELS, 0.0), 0.2);
        // scipy.stats.rankdata
        assert_eq!(ranks(&SCORES), [12.0, 10.5, 10.5, 9.0, 8.0, 7.0, 5.5, 5.5, 4.0, 3.0, 2.0, 1.0]);
    }

    #[test]
    fn f1_at_a_prevalence_is_that_of_weighted_items() {
        // sklearn.metrics.f1_score with sample_weight 0.01/5 and 0.99/7
        assert_near(f1_at(&SCORES, &LABELS, 0.85, 0.01), 0.333_333_333_333);
        assert_near(f1_at(&SCORES, &LABELS, 0.52, 0.01), 0.053_181_386_515);
        assert_near(f1_at(&SCORES, &LABELS, 0.0, 0.01), 0.019_801_980_198);
        assert_near(best_threshold(&SCORES, &LABELS, 0.01), 0.85);
        assert_near(best_threshold(&SCORES, &LABELS, 0.5), 0.35);
    }

    #[test]
    fn what_is_no_number_stands_behind_and_nothing_is_ranked_without_both_kinds() {
        let labels = [true, false, false];
        assert_near(auroc(&[1.0, f64::NAN, 0.0], &labels).value, 1.0);
        assert_near(auroc(&[f64::NAN, 1.0, 0.0], &labels).value, 0.0);
        for labels in [[true; 3], [false; 3]] {
            let scores = [1.0, 2.0, 3.0];
            assert!(auroc(&scores, &labels).value.is_nan() && auroc(&scores, &labels).ci_low.is_nan());
            assert!(average_precision(&scores, &labels).is_nan() && precision_at(&scores, &labels, 1).is_nan());
            assert!(tpr_at(&scores, &labels, 0.01).is_nan() && f1_at(&scores, &labels, 0.0, 0.01).is_nan());
            assert!(best_threshold(&scores, &labels, 0.01).is_nan());
        }
    }
}
