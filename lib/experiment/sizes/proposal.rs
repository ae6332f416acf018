//! λ_s for a wanted L0: between two that were measured log L0 is taken to be a straight line in log λ_s.

use crate::experiment::tables::SizeRow;
use std::fmt;

/// What is to be taken for one number of latents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    /// Latents.
    pub n_latents: i64,
    /// The wanted L0.
    pub l0: f64,
    /// λ_s, if the L0 lies between measured ones.
    pub lambda_s: Option<f64>,
    /// The smallest and the largest L0 that were measured.
    pub measured: (f64, f64),
}

/// One for each number of latents.
pub fn proposals(rows: &[SizeRow], l0: f64) -> Vec<Proposal> {
    let mut sizes: Vec<i64> = rows.iter().map(|row| row.n_latents).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let of = |n_latents: i64| {
        let mut points: Vec<(f64, f64)> = rows
            .iter()
            .filter(|row| row.n_latents == n_latents && row.l0_mean > 0.0)
            .map(|row| (row.lambda_s, row.l0_mean))
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let fold = |all: fn(f64, f64) -> f64| points.iter().map(|point| point.1).fold(f64::NAN, all);
        let lambda_s = points.windows(2).find_map(|pair| between(pair[0], pair[1], l0));
        Proposal { n_latents, l0, lambda_s, measured: (fold(f64::min), fold(f64::max)) }
    };
    sizes.into_iter().map(of).collect()
}

/// λ_s at `l0` on the line through two points (λ_s, L0), if it lies between them.
fn between(first: (f64, f64), second: (f64, f64), l0: f64) -> Option<f64> {
    let (low, high) = (first.1.min(second.1), first.1.max(second.1));
    if !(low..=high).contains(&l0) {
        return None;
    }
    let share = if low == high { 0.0 } else { (l0 / first.1).ln() / (second.1 / first.1).ln() };
    Some(first.0 * (second.0 / first.0).powf(share))
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proposal { n_latents, l0, lambda_s, measured: (low, high) } = self;
        match lambda_s {
            Some(lambda_s) => write!(f, "{n_latents} latents: λ_s {lambda_s:.3} for an L0 of {l0}"),
            None => {
                let advice = if l0 > high { "a smaller λ_s" } else { "a larger λ_s or more steps" };
                write!(
                    f,
                    "{n_latents} latents: an L0 of {l0} lies outside what was measured, {low:.1} to {high:.1}: try \
                     {advice}"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n_latents: i64, lambda_s: f64, l0_mean: f64) -> SizeRow {
        SizeRow {
            n_latents,
            lambda_s,
            n_steps: 1,
            l0_mean,
            fvu: 0.0,
            dead_frac: 0.0,
            n_tokens: 1,
            wall_s: 0.0,
            peak_mib: 0.0,
        }
    }

    #[test]
    fn between_measured_sizes_log_l0_is_a_line() {
        let rows = [row(8, 1.0, 4.0), row(8, 0.01, 400.0), row(8, 0.1, 40.0), row(16, 0.1, 90.0)];
        let found = proposals(&rows, 12.649110640673518); // 4 · √10
        assert!((found[0].lambda_s.unwrap() - 0.1f64.sqrt()).abs() < 1e-12, "{found:?}");
        assert_eq!((found[1].lambda_s, found[1].measured), (None, (90.0, 90.0)));
        assert!(found[1].to_string().contains("90.0 to 90.0: try a larger λ_s or more steps"), "{}", found[1]);
        assert_eq!(proposals(&rows, 40.0)[0].lambda_s, Some(0.1));
        assert!(proposals(&rows, 500.0)[0].to_string().contains("try a smaller"));
    }
}
