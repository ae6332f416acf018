//! What the arms say of rotation, in sentences.

use super::scores::AXES;
use crate::experiment::detection::ranked;
use crate::experiment::findings::distinct;
use crate::experiment::tables::RankerRow;

/// Of each axis how well rotation finds the labelled latents, and at how many seeds it does so better than each arm.
pub fn areas(rows: &[RankerRow], label: &str) -> String {
    let said: Vec<String> = AXES.into_iter().filter_map(|(_, real, null)| axis(rows, label, real, null)).collect();
    match said.is_empty() {
        true => format!("No active latent is `{label}`, or all are: there is nothing to tell apart."),
        false => format!("AUROC for `{label}` with 95 % interval. {}", said.join(" ")),
    }
}

fn axis(rows: &[RankerRow], label: &str, real: &str, null: &str) -> Option<String> {
    let area = ranked(rows, label, real)?;
    let begins = &real.split_once(' ')?.1[.."D→".len()];
    let names = distinct(rows.iter().map(|row| row.ranker.as_str()));
    let arms = names.into_iter().filter(|name| *name == null || name.starts_with(begins));
    let said: Vec<String> = arms
        .filter_map(|name| {
            let (below, of) = below(rows, label, name, real);
            Some(format!("{name} {:.3} (below at {below} of {of})", ranked(rows, label, name)?.value))
        })
        .collect();
    Some(format!(
        "{real} {:.3} ({:.3} to {:.3}); arms, and at how many seeds they are below it: {}.",
        area.value,
        area.ci_low,
        area.ci_high,
        said.join(", ")
    ))
}

/// At how many seeds one ranker's area is smaller than another's, and of how many.
fn below(rows: &[RankerRow], label: &str, name: &str, than: &str) -> (usize, usize) {
    let seeds = distinct(rows.iter().map(|row| row.seed));
    let at = |seed: u64, name: &str| {
        let is_meant = |row: &&RankerRow| (row.seed, row.label.as_str(), row.ranker.as_str()) == (seed, label, name);
        rows.iter().find(is_meant).map_or(f64::NAN, |row| row.auroc)
    };
    let differences: Vec<f64> =
        seeds.iter().map(|&seed| at(seed, than) - at(seed, name)).filter(|difference| !difference.is_nan()).collect();
    (differences.iter().filter(|difference| **difference > 0.0).count(), differences.len())
}
