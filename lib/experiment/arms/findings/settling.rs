//! How long a stage must be trained until rotation says more than where nothing changes, in sentences.

use super::AXES;
use crate::experiment::findings::{QUIET, distinct, table};
use crate::experiment::stage::Stage;
use crate::experiment::tables::SettlingRow;
use crate::stats::mean;

/// On each axis, by how long the stage before had been trained, how well rotation finds the labelled latents where something
/// changed and where nothing did, and from which length on the difference is above 0 over seeds and the null arm quiet.
pub fn settling(rows: &[SettlingRow], label: &str) -> String {
    let said: Vec<String> = AXES.into_iter().filter_map(|(from, ..)| settling_of(rows, label, from)).collect();
    match said.is_empty() {
        true => format!("No null arms were trained, or no active latent is `{label}`: there is nothing to compare."),
        false => said.join("\n\n"),
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
    let from_on = |holds: fn(&Length) -> bool| {
        let place = (0..lengths.len()).find(|&place| lengths[place..].iter().all(holds))?;
        Some(lengths[place].n_steps)
    };
    let above = match from_on(|length| length.above.1 > 0.0) {
        _ if first.n_seeds < 2 => "the difference of the two areas has no interval".to_string(),
        Some(n_steps) => format!("rotation is above its null arm from {n_steps} steps of {from} on"),
        None => format!("there is no length of {from} from which on rotation is above its null arm"),
    };
    let limit = format!("less than {:.0} % as far as the change does", 100.0 * QUIET);
    let quiet = match from_on(|length| length.null_share < QUIET) {
        Some(n_steps) => format!("From {n_steps} steps on the null arm is quiet: it turns latents {limit}."),
        None => format!("The null arm is not quiet within these lengths: it never comes to turn latents {limit}."),
    };
    let seeds = if first.n_seeds == 1 { "one seed".to_string() } else { format!("{} seeds", first.n_seeds) };
    let steps = format!("steps of {from}");
    let head = [
        steps.as_str(),
        "something changes",
        "nothing changes",
        "difference",
        "nothing turns, of what the change turns",
    ];
    let cells: Vec<Vec<String>> = lengths.iter().map(|length| length.cells()).collect();
    Some(format!("From {from}, {seeds}: {above}. {quiet} AUROC for `{label}`:\n\n{}", table(&head, &cells)))
}

impl Length {
    fn cells(&self) -> Vec<String> {
        let Length { n_steps, auroc, null_auroc, above: (mean, low, high), null_share, n_seeds } = self;
        let interval = if *n_seeds < 2 { String::new() } else { format!(" ({low:+.3} to {high:+.3})") };
        vec![
            n_steps.to_string(),
            format!("{auroc:.3}"),
            format!("{null_auroc:.3}"),
            format!("{mean:+.3}{interval}"),
            format!("{:.0} %", 100.0 * null_share),
        ]
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
        assert!(
            said.contains("above its null arm from 300 steps of D on. From 400 steps on the null arm is quiet"),
            "{said}"
        );
        let line = said.lines().find(|line| line.starts_with("| 300 ")).unwrap();
        assert!(["0.905", "0.705", "+0.200", "60 %"].iter().all(|number| line.contains(number)), "{line}");
        let of_one: Vec<SettlingRow> = rows.into_iter().filter(|row| row.seed == 0).collect();
        assert!(settling(&of_one, "relevant").contains("one seed: the difference of the two areas has no interval"));
        assert!(settling(&of_one, "in_span").contains("nothing to compare"));
    }
}
