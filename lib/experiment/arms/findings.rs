//! What the arms say of rotation, in sentences.

mod settling;

use super::scores::AXES;
use crate::experiment::detection::findings::by_seed;
use crate::experiment::detection::ranked;
use crate::experiment::findings::distinct;
use crate::experiment::tables::RankerRow;

pub use settling::settling;

/// Arms in which no backdoor enters, beside the null arms.
const WITHOUT: [&str; 4] = ["D→D0_again", "D→DF_benign", "D→DF_random", "M→M0_again"];

/// Of each axis how well rotation finds the labelled latents, at how many seeds each arm does so less well, and whether
/// rotation is above all arms in which no backdoor enters, at every seed.
pub fn areas(rows: &[RankerRow], label: &str) -> String {
    let said: Vec<String> =
        AXES.into_iter().filter_map(|(from, real, null)| axis(rows, label, &format!("{from}→"), real, null)).collect();
    match said.is_empty() {
        true => format!("No active latent is `{label}`, or all are: there is nothing to tell apart."),
        false => format!("AUROC for `{label}` with 95 % interval. {}", said.join("\n\n")),
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
        (0, _) => ".".into(),
        (n, true) => format!(", above all {n} arms without a backdoor at every seed."),
        (n, false) => format!(
            ", not above all {n} arms without a backdoor at every seed: not above {}.",
            without.into_iter().filter(|name| !is_above(name)).collect::<Vec<&str>>().join(", ")
        ),
    };
    Some(format!(
        "{real}: {:.3} ({:.3} to {:.3}){verdict} Arms, and at how many seeds they are below it: {}.",
        area.value,
        area.ci_low,
        area.ci_high,
        said.join(", ")
    ))
}
