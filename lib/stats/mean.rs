//! Means: whether one is above zero, and how sure one of clusters is.

use super::Z;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// A mean and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanTest {
    /// The mean; NaN of nothing.
    pub mean: f64,
    /// Its standard error; NaN of fewer than two numbers.
    pub std_err: f64,
    /// Chance of such a mean or a higher one if the true one is 0: Student's t-test, one-sided.
    pub p_value: f64,
}

/// The 97.5 % quantile of Student's distribution.
pub fn quantile(degrees_of_freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees_of_freedom).map_or(f64::NAN, |student| student.inverse_cdf(0.975))
}

/// The mean of some numbers with its 95 % interval by Student's distribution; without ends, NaN, of fewer than two.
pub fn with_interval(values: &[f64]) -> (f64, f64, f64) {
    let MeanTest { mean, std_err, .. } = above_zero(values);
    let half = quantile(values.len() as f64 - 1.0) * std_err;
    (mean, mean - half, mean + half)
}

/// Tests whether a mean is above zero. Fewer than two numbers, or none but zeros, prove nothing: 1.
pub fn above_zero(values: &[f64]) -> MeanTest {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let std_err = if values.len() < 2 { f64::NAN } else { (variance / n).sqrt() };
    let t = mean / std_err; // infinite where all numbers are the same
    let p_value = match StudentsT::new(0.0, 1.0, n - 1.0) {
        Ok(student) if !t.is_nan() => student.sf(t),
        _ => 1.0,
    };
    MeanTest { mean, std_err, p_value }
}

/// Mean of values of which those of one cluster are not independent, with a 95 % interval (cluster-robust, Liang and Zeger);
/// without an interval, NaN, of fewer than two clusters.
pub fn of_clusters(values: &[f64], clusters: &[usize]) -> (f64, f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let mut sums: BTreeMap<usize, f64> = BTreeMap::new();
    values.iter().zip(clusters).for_each(|(value, cluster)| *sums.entry(*cluster).or_default() += value - mean);
    let n_clusters = sums.len() as f64;
    let squares: f64 = sums.values().map(|sum| sum * sum).sum();
    let half = match sums.len() {
        0 | 1 => f64::NAN,
        _ => Z * (n_clusters / (n_clusters - 1.0) * squares).sqrt() / n,
    };
    (mean, mean - half, mean + half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_scipys() {
        // scipy.stats.sem(x), scipy.stats.ttest_1samp(x, 0, alternative="greater").pvalue
        for (values, std_err, p_value) in [
            (&[0.2, 0.1, -0.05, 0.4, 0.15][..], 0.073_143_694_191_638_96, 0.046_978_291_887_092_176),
            (&[3.0, 2.5, 2.75, 3.25, 2.0, 3.5, 2.25, 2.5][..], 0.179_517_582_704_313_4, 6.580_787_779_213_286e-7),
            (&[-0.3, -0.1, 0.1, -0.2][..], 0.085_391_256_382_996_66, 0.880_278_700_681_998_5),
        ] {
            let found = above_zero(values);
            assert!((found.std_err - std_err).abs() <= 1e-12, "{found:?} {std_err}");
            assert!((found.p_value / p_value - 1.0).abs() <= 1e-9, "{found:?} {p_value}");
        }
    }

    #[test]
    fn what_proves_nothing_has_p_1() {
        assert_eq!(above_zero(&[0.0; 9]).p_value, 1.0);
        assert_eq!((above_zero(&[7.0]).mean, above_zero(&[7.0]).p_value), (7.0, 1.0));
        assert_eq!(above_zero(&[]).p_value, 1.0);
        assert_eq!((above_zero(&[0.5; 4]).p_value, above_zero(&[-0.5; 4]).p_value), (0.0, 1.0));
    }

    #[test]
    fn quantiles_and_intervals_are_scipys() {
        // scipy.stats.t.ppf(0.975, [1, 4]); scipy.stats.t.interval(0.95, 3, 2.5, scipy.stats.sem([1, 2, 3, 4]))
        assert!(
            (quantile(1.0) - 12.706_204_736_432_095).abs() < 1e-7 && (quantile(4.0) - 2.776_445_105_198).abs() < 1e-9
        );
        let (mean, low, high) = with_interval(&[1.0, 2.0, 3.0, 4.0]);
        assert!(
            mean == 2.5 && (low - 0.445_739_743).abs() < 1e-8 && (high - 4.554_260_257).abs() < 1e-8,
            "{low} {high}"
        );
        assert!(with_interval(&[1.0]).1.is_nan());
    }

    #[test]
    fn the_interval_over_clusters_is_statsmodels() {
        // statsmodels.api.OLS(values, ones).fit(cov_type="cluster", cov_kwds={"groups": clusters}).conf_int()
        let (mean, low, high) = of_clusters(&[1.0, 2.0, 4.0, 3.0, 7.0, 5.0, 6.0], &[0, 0, 1, 1, 1, 2, 3]);
        assert!(mean == 4.0 && (low - 2.114_793_72).abs() < 1e-8 && (high - 5.885_206_28).abs() < 1e-8, "{low} {high}");
        assert!(of_clusters(&[0.1, 0.2, 0.7], &[5, 5, 5]).1.is_nan());
    }
}
