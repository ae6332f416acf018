//! What the arms say of rotation, in sentences.

use super::scores::AXES;
use crate::experiment::detection::findings::by_seed;
use crate::experiment::detection::ranked;
use crate::experiment::findings::{QUIET, distinct};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{RankerRow, SettlingRow};
use crate::stats::mean;

/// Arms in which no backdoor enters, beside the null arms.
const WITHOUT: [&str; 4] = ["D→D0_again", "D→DF_benign", "D→DF_random", "M→M0_again"];

/// Of each axis how well rotation finds the labelled latents, at how many seeds each arm does so less well, and whether
/// rotation is above all arms in which no backdoor enters, at every seed.
pub fn areas(rows: &[RankerRow], label: &str) -> String {
    let said: Vec<String> =
        AXES.into_iter().filter_map(|(from, real, null)| axis(rows, label, &format!("{from}→"), real, null)).collect();
    match said.is_empty() {
        true => format!("No active latent is `{label}`, or all are: there is nothing to tell apart."),
        false => format!("AUROC for `{label}` with 95 % interval. {}", said.join(" ")),
    }
}

fn axis(rows: &[RankerRow], label: &str, begins: &str, real: &str, null: &str) -> Option<String> {
    let area = ranked(rows, label, real)?;
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    let arms: Vec<&str> = names.into_iter().filter(|name| *name == null || name.starts_with(begins)).collect();
    let said: Vec<String> = arms
        .iter()
        .filter_map(|name| {
            let above = by_seed(rows, label, real, name);
            let n_above = above.iter().filter(|difference| **difference > 0.0).count();
            Some(format!("{name} {:.3} (below at {n_above} of {})", ranked(rows, label, name)?.value, above.len()))
        })
        .collect();
    let without: Vec<&str> = arms.into_iter().filter(|name| *name == null || WITHOUT.contains(name)).collect();
    let is_above = |name: &&str| by_seed(rows, label, real, name).into_iter().all(|difference| difference > 0.0);
    let verdict = match (without.len(), without.iter().all(is_above)) {
        (0, _) => String::new(),
        (n, true) => format!(" It is above all {n} arms without a backdoor at every seed."),
        (n, false) => format!(
            " It is not above all {n} arms without a backdoor at every seed: not above {}.",
            without.into_iter().filter(|name| !is_above(name)).collect::<Vec<&str>>().join(", ")
        ),
    };
    Some(format!(
        "{real} {:.3} ({:.3} to {:.3}); arms, and at how many seeds they are below it: {}.{verdict}",
        area.value,
        area.ci_low,
        area.ci_high,
        said.join(", ")
    ))
}

/// On each axis, by how long the stage before had been trained, how well rotation finds the labelled latents where something
/// changed and where nothing did, and from which length on the difference is above 0 over seeds and the null arm quiet.
pub fn settling(rows: &[SettlingRow], label: &str) -> String {
    let said: Vec<String> = AXES.into_iter().filter_map(|(from, ..)| settling_of(rows, label, from)).collect();
    match said.is_empty() {
        true => format!("No null arms were trained, or no active latent is `{label}`: there is nothing to compare."),
        false => said.join(" "),
    }
}

/// One length of a stage's training, over seeds.
struct Length {
    n_steps: i64,
    auroc: f64,
    null_auroc: f64,
    /// Mean and 95 % interval of the difference of the two.
    above: (f64, f64, f64),
    /// How far nothing turns latents, of how far the change does.
    null_share: f64,
    n_seeds: usize,
}

fn settling_of(rows: &[SettlingRow], label: &str, from: Stage) -> Option<String> {
    let is_meant = |row: &&SettlingRow| row.from == from && row.label == label && !row.auroc.is_nan();
    let of_axis: Vec<&SettlingRow> = rows.iter().filter(is_meant).collect();
    let lengths = distinct(of_axis.iter().map(|row| row.n_steps)).into_iter().map(|n_steps| {
        let rows: Vec<&SettlingRow> = of_axis.iter().copied().filter(|row| row.n_steps == n_steps).collect();
        let mean = |value: fn(&SettlingRow) -> f64| rows.iter().map(|row| value(row)).sum::<f64>() / rows.len() as f64;
        Length {
            n_steps,
            auroc: mean(|row| row.auroc),
            null_auroc: mean(|row| row.null_auroc),
            above: mean::with_interval(&rows.iter().map(|row| row.auroc - row.null_auroc).collect::<Vec<f64>>()),
            null_share: mean(|row| row.null_turned) / mean(|row| row.turned),
            n_seeds: rows.len(),
        }
    });
    let lengths: Vec<Length> = lengths.collect();
    let first = lengths.first()?;
    let said: Vec<String> = lengths.iter().map(|length| length.said()).collect();
    let from_on = |holds: fn(&Length) -> bool| {
        let place = (0..lengths.len()).find(|&place| lengths[place..].iter().all(holds))?;
        Some(lengths[place].n_steps)
    };
    let above = match from_on(|length| length.above.1 > 0.0) {
        _ if first.n_seeds < 2 => "one seed gives no interval".to_string(),
        Some(n_steps) => format!("the difference is above 0 from {n_steps} steps of {from} on"),
        None => format!("there is no length of {from} from which on the difference is above 0"),
    };
    let quiet = match from_on(|length| length.null_share < QUIET) {
        Some(n_steps) => format!("the null arm is quiet (below {:.0} %) from {n_steps} on", 100.0 * QUIET),
        None => format!("the null arm is not quiet (below {:.0} %) within these lengths", 100.0 * QUIET),
    };
    Some(format!(
        "From {from}, over {} seeds, AUROC for `{label}` with something changed and with nothing: {}. So {above}, and {quiet}.",
        first.n_seeds,
        said.join("; ")
    ))
}

impl Length {
    fn said(&self) -> String {
        let Length { n_steps, auroc, null_auroc, above: (mean, low, high), null_share, n_seeds } = self;
        let interval = if *n_seeds < 2 { String::new() } else { format!(" ({low:+.3} to {high:+.3})") };
        format!(
            "after {n_steps} steps {auroc:.3} and {null_auroc:.3}, {mean:+.3}{interval}, nothing turning {:.0} % of what the \
             change turns",
            100.0 * null_share
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(n_steps: i64, seed: u64, null_auroc: f64, null_turned: f64) -> SettlingRow {
        SettlingRow {
            from: Stage::D,
            n_steps,
            label: "relevant".into(),
            seed,
            auroc: 0.9 + 0.01 * seed as f64,
            ci_low: 0.8,
            ci_high: 1.0,
            null_auroc,
            null_ci_low: 0.0,
            null_ci_high: 1.0,
            turned: 0.2,
            null_turned,
            n_labelled: 3,
            n_latents: 9,
        }
    }

    #[test]
    fn the_length_from_which_on_is_one_after_which_nothing_falls_back() {
        let rows = [
            (100, 0.7, 0.15),
            (200, 0.95, 0.05), // falls back on one of the two, and is quiet for once
            (300, 0.7, 0.12),
            (400, 0.6, 0.08),
        ];
        let rows: Vec<SettlingRow> = rows
            .into_iter()
            .flat_map(|(n_steps, null_auroc, null_turned)| {
                [0, 1].map(|seed| row(n_steps, seed, null_auroc + 0.01 * seed as f64, null_turned))
            })
            .collect();
        let said = settling(&rows, "relevant");
        assert!(said.contains("after 300 steps 0.905 and 0.705, +0.200"), "{said}");
        assert!(
            said.contains("above 0 from 300 steps of D on, and the null arm is quiet (below 50 %) from 400 on"),
            "{said}"
        );
        let of_one: Vec<SettlingRow> = rows.into_iter().filter(|row| row.seed == 0).collect();
        assert!(settling(&of_one, "relevant").contains("one seed gives no interval"));
        assert!(settling(&of_one, "in_span").contains("nothing to compare"));
    }
}
