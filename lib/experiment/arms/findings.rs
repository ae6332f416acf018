//! What the arms say of rotation, in sentences.

mod settling;

use super::scores::AXES;
use crate::experiment::detection::findings::by_seed;
use crate::experiment::detection::ranked;
use crate::experiment::findings::{distinct, table};
use crate::experiment::tables::RankerRow;

pub use settling::settling;

/// What an arm's score by its encoder ends with.
const ENCODER: &str = ", encoder";

/// Arms in which no backdoor enters, beside the null arms.
const WITHOUT: [&str; 4] = ["D→D0_again", "D→DF_benign", "D→DF_random", "M→M0_again"];

/// Of each axis how well rotation finds the labelled latents, whether it is above all arms in which no backdoor enters, at
/// every seed, and a table of all arms.
pub fn areas(rows: &[RankerRow], label: &str) -> String {
    let said: Vec<String> =
        AXES.into_iter().filter_map(|(from, real, null)| axis(rows, label, &format!("{from}→"), real, null)).collect();
    match said.is_empty() {
        true => format!("No active latent is `{label}`, or all are: there is nothing to tell apart."),
        false => said.join("\n\n"),
    }
}

fn axis(rows: &[RankerRow], label: &str, begins: &str, real: &str, null: &str) -> Option<String> {
    let area = ranked(rows, label, real)?;
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    let rankers: Vec<&str> = names.into_iter().filter(|name| *name == null || name.starts_with(begins)).collect();
    let cell = |ranker: &str| {
        let differences = by_seed(rows, label, real, ranker);
        let n_below = differences.iter().filter(|difference| **difference > 0.0).count();
        let area = ranked(rows, label, ranker)?;
        Some(format!("{:.3} (at {n_below} of {})", area.value, differences.len()))
    };
    let arms = distinct(rankers.iter().map(|name| name.trim_end_matches(ENCODER)));
    let cells = arms.iter().filter_map(|arm| {
        let parts = [cell(arm), cell(&format!("{arm}{ENCODER}"))];
        let is_there = parts.iter().any(Option::is_some);
        let parts = parts.map(|cell| cell.unwrap_or_else(|| "–".into()));
        is_there.then(|| [vec![arm.to_string()], parts.to_vec()].concat())
    });
    let cells: Vec<Vec<String>> = cells.collect();
    let without: Vec<&str> = rankers.into_iter().filter(|name| *name == null || WITHOUT.contains(name)).collect();
    let is_above = |name: &&str| by_seed(rows, label, real, name).into_iter().all(|difference| difference > 0.0);
    let verdict = match (without.len(), without.iter().all(is_above)) {
        (0, _) => ".".into(),
        (n, true) => format!(", above all {n} arms without a backdoor at every seed."),
        (n, false) => format!(
            ", not above all {n} arms without a backdoor at every seed: not above {}.",
            without.into_iter().filter(|name| !is_above(name)).collect::<Vec<&str>>().join(", ")
        ),
    };
    Some(format!(
        "{real}: AUROC for `{label}` {:.3} ({:.3} to {:.3}){verdict} The arms, and at how many seeds they are below it:\n\n{}",
        area.value,
        area.ci_low,
        area.ci_high,
        table(&["arm", "decoder directions", "encoder directions"], &cells)
    ))
}
