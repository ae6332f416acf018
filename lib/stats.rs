//! Intervals and tests for shares, how well a score ranks, and where a sample is dense.

pub mod density;
pub mod mean;
pub mod ranking;

use std::collections::BTreeMap;

/// 95 % quantile of the normal distribution, two-sided.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share of `n_hits` in `n`. With nothing counted it is all of 0 to 1.
pub fn wilson(n_hits: usize, n: usize) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (n as f64, n_hits as f64 / n as f64);
    let z2 = Z * Z / n;
    let middle = share + z2 / 2.0;
    let half = Z * (share * (1.0 - share) / n + z2 / (4.0 * n)).sqrt();
    (((middle - half) / (1.0 + z2)).max(0.0), ((middle + half) / (1.0 + z2)).min(1.0))
}

/// A two-by-two table: hits and misses inside a group and outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TwoByTwo {
    /// Hits in the group.
    pub hits_in: usize,
    /// Misses in the group.
    pub misses_in: usize,
    /// Hits elsewhere.
    pub hits_out: usize,
    /// Misses elsewhere.
    pub misses_out: usize,
}

impl TwoByTwo {
    /// The odds ratio with its 95 % interval (Woolf), half a count added to each cell (Haldane, Anscombe). NaN where a
    /// row or a column of the table is empty: with no hit at all, or nobody in the group, there are no odds to compare,
    /// and the added halves would make some up.
    pub fn odds_ratio(&self) -> (f64, f64, f64) {
        let TwoByTwo { hits_in, misses_in, hits_out, misses_out } = *self;
        let margins = [hits_in + misses_in, hits_out + misses_out, hits_in + hits_out, misses_in + misses_out];
        if margins.contains(&0) {
            return (f64::NAN, f64::NAN, f64::NAN);
        }
        let [a, b, c, d] = [hits_in, misses_in, hits_out, misses_out].map(|count| count as f64 + 0.5);
        let log = (a * d / (b * c)).ln();
        let half = Z * (1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d).sqrt();
        (log.exp(), (log - half).exp(), (log + half).exp())
    }

    /// Fisher's exact test, two-sided: the chance of a table as unlikely as this one or more, margins fixed.
    pub fn fisher_p(&self) -> f64 {
        let hits = self.hits_in + self.hits_out;
        let inside = self.hits_in + self.misses_in;
        let n = inside + self.hits_out + self.misses_out;
        let log_factorials = log_factorials(n);
        let choose = |n: usize, k: usize| log_factorials[n] - log_factorials[k] - log_factorials[n - k];
        let log_chance = |k: usize| choose(hits, k) + choose(n - hits, inside - k) - choose(n, inside);
        let seen = log_chance(self.hits_in);
        let possible = (inside + hits).saturating_sub(n)..=inside.min(hits);
        possible.map(log_chance).filter(|&chance| chance <= seen + 1e-7).map(f64::exp).sum::<f64>().min(1.0)
    }
}

fn log_factorials(n: usize) -> Vec<f64> {
    let mut sums = vec![0.0];
    for k in 1..=n {
        sums.push(sums[k - 1] + (k as f64).ln());
    }
    sums
}

/// The percentile of `values`, interpolated linearly; NaN of nothing.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = percent / 100.0 * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

/// Mean of values of which those of one cluster are not independent, with a 95 % interval (cluster-robust, Liang and Zeger);
/// without an interval, NaN, of fewer than two clusters.
pub fn mean_of_clusters(values: &[f64], clusters: &[usize]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    values.iter().zip(clusters).for_each(|(value, cluster)| *sums.entry(*cluster).or_default() += value - mean);
    let n_clusters = sums.len() as f64;
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    let half = Z * (n_clusters / (n_clusters - 1.0) * squares).sqrt() / n;
    (mean, mean - half, mean + half)
}

/// Benjamini–Hochberg q-values of p-values.
pub fn q_values(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let mut q_values = vec![0.0; p_values.len()];
    let mut smallest = 1.0f64;
    for (from_last, &index) in order.iter().enumerate() {
        let rank = (p_values.len() - from_last) as f64;
        smallest = smallest.min(p_values[index] * p_values.len() as f64 / rank);
        q_values[index] = smallest;
    }
    q_values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Equal in the six decimals that the other program was asked for.
    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 0.5e-6
    }

    #[test]
    fn known_values() {
        // statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson")
        let (low, high) = wilson(8, 10);
        assert!(near(low, 0.490162) && near(high, 0.943318), "{low} {high}");
        // scipy.stats.fisher_exact([[8, 2], [1, 5]])
        let table = TwoByTwo { hits_in: 8, misses_in: 2, hits_out: 1, misses_out: 5 };
        assert!(near(table.fisher_p(), 0.034965), "{}", table.fisher_p());
        assert_eq!(percentile(&[4.0, 1.0, 3.0, 2.0], 50.0), 2.5);
        // statsmodels.api.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": clusters}).conf_int()
        let (mean, low, high) = mean_of_clusters(&[1.0, 2.0, 4.0, 3.0, 7.0, 5.0, 6.0], &[0, 0, 1, 1, 1, 2, 3]);
        assert!(mean == 4.0 && near(low, 2.114794) && near(high, 5.885206), "{low} {high}");
        assert!(mean_of_clusters(&[1.0, 2.0], &[5, 5]).1.is_nan());
        // scipy.stats.false_discovery_control([0.01, 0.04, 0.03, 0.5])
        let q = q_values(&[0.01, 0.04, 0.03, 0.5]);
        assert!(near(q[0], 0.04) && near(q[1], 0.053333) && near(q[2], 0.053333) && near(q[3], 0.5), "{q:?}");
    }

    #[test]
    fn an_empty_row_or_column_has_no_odds_ratio() {
        let ratio = |hits_in, misses_in, hits_out, misses_out| {
            TwoByTwo { hits_in, misses_in, hits_out, misses_out }.odds_ratio()
        };
        for (ratio, low, high) in [ratio(0, 6, 0, 86), ratio(6, 0, 86, 0), ratio(0, 0, 3, 5), ratio(3, 5, 0, 0)] {
            assert!(ratio.is_nan() && low.is_nan() && high.is_nan());
        }
        assert!(ratio(0, 6, 1, 86).0.is_finite() && ratio(6, 0, 0, 86).0.is_finite());
    }

    #[test]
    fn an_even_table_has_odds_ratio_one() {
        let (ratio, low, high) = TwoByTwo { hits_in: 5, misses_in: 5, hits_out: 50, misses_out: 50 }.odds_ratio();
        assert!(near(ratio, 1.0) && low < 1.0 && high > 1.0);
    }
}
