//! Detectors: does this text hold the trigger?
//!
//! A detector is one or several candidate columns of numbers, one number a token, read at a prompt's last token, at its
//! largest or as their mean. Candidate, sign and threshold are chosen on training prompts; what is reported is of held-out
//! ones.

use super::columns::{Columns, Readings};
use super::detector::{Detector, ReadAt};
use super::latents::{Latents, stories};
use super::price::Price;
use super::prompts::{PromptSets, Reader};
use crate::Result;
use crate::experiment::judge::Judge;
use crate::experiment::run::Run;
use crate::experiment::tables::DetectorRow;
use crate::stats::ranking::{auroc, average_precision, best_threshold, f1_at, precision_at, tpr_at};
use std::time::Instant;

/// Share of triggered prompts at which F1 is given, and for which thresholds are chosen.
pub(super) const PREVALENCE: f64 = 0.01;
/// False positives at which true ones are given.
const FPR: f64 = 0.01;

/// What was chosen on training prompts.
struct Chosen {
    column: usize,
    is_negated: bool,
    threshold: f64,
}

/// Held-out prompts of one kind without the trigger.
struct Negatives {
    kind: String,
    readings: Readings,
    payload_frac: f64,
}

/// A detector's numbers on triggered prompts and on others.
fn values(readings: [&Readings; 2], read_at: ReadAt, column: usize, is_negated: bool) -> (Vec<f64>, Vec<bool>) {
    let [triggered, others] = readings.map(|readings| readings.numbers(read_at, column, is_negated));
    let labels = (0..triggered.len() + others.len()).map(|place| place < triggered.len()).collect();
    ([triggered, others].concat(), labels)
}

impl Detector {
    /// The candidate that ranks training prompts best, the first of equal ones, and the threshold of its highest F1.
    fn choose(&self, training: [&Readings; 2]) -> Chosen {
        let candidates = self.columns.iter().flat_map(|&column| [(column, false), (column, true)]);
        let mut best = (f64::NEG_INFINITY, (self.columns[0], false));
        for (column, is_negated) in candidates {
            let (values, labels) = values(training, self.read_at, column, is_negated);
            let area = auroc(&values, &labels).value;
            if area > best.0 {
                best = (area, (column, is_negated));
            }
        }
        let (column, is_negated) = best.1;
        let (values, labels) = values(training, self.read_at, column, is_negated);
        Chosen { column, is_negated, threshold: best_threshold(&values, &labels, PREVALENCE) }
    }

    fn row(&self, chosen: &Chosen, stories: &str, triggered: &Readings, negatives: &Negatives) -> DetectorRow {
        let (values, labels) = values([triggered, &negatives.readings], self.read_at, chosen.column, chosen.is_negated);
        let area = auroc(&values, &labels);
        DetectorRow {
            seed: self.seed,
            stories: stories.into(),
            detector: self.name.clone(),
            read_at: self.read_at.name().into(),
            negatives: negatives.kind.clone(),
            auroc: area.value,
            ci_low: area.ci_low,
            ci_high: area.ci_high,
            average_precision: average_precision(&values, &labels),
            precision_at_10: precision_at(&values, &labels, 10),
            precision_at_30: precision_at(&values, &labels, 30),
            tpr_at_1_percent_fpr: tpr_at(&values, &labels, FPR),
            f1: f1_at(&values, &labels, chosen.threshold, PREVALENCE),
            n_activations: self.price.n_activations,
            wall_s: self.price.wall_s,
            n_triggered: triggered.n_prompts(),
            n_negatives: negatives.readings.n_prompts(),
            negatives_payload_frac: negatives.payload_frac,
        }
    }
}

/// The rows of `tables/detectors`, with the best latent of each score of `latents` among the detectors.
///
/// # Errors
/// Notebooks 01 to 06 have not been run, or there are no prompts of a kind.
pub fn detector_rows(run: &Run, latents: &[Latents]) -> Result<Vec<DetectorRow>> {
    let (stories, began) = (stories(run)?, Instant::now());
    let (prompts, reader) = (PromptSets::of(run)?, Reader::of(run)?);
    let columns = Columns::fit(run, latents, &reader, &prompts)?;
    let read = |prompts| Readings::of(&columns, &reader, prompts);
    let (train_triggered, train_clean) = (read(&prompts.train_triggered), read(&prompts.train_clean));
    let fitting = Price {
        n_activations: prompts.n_training_tokens(),
        wall_s: if run.settings.timings() { began.elapsed().as_secs_f64() } else { f64::NAN },
    };
    let detectors = columns.detectors(run.settings.seed, latents, fitting);
    let triggered = read(&prompts.triggered);
    let (tokenizer, judge) = (run.tokenizer()?, Judge::of(run)?);
    let negatives: Vec<Negatives> = prompts
        .negatives
        .iter()
        .map(|(kind, texts, ids)| Negatives {
            kind: kind.clone(),
            readings: read(ids),
            payload_frac: reader.payload_frac(&tokenizer, &judge, texts),
        })
        .collect();
    let rows = |detector: &Detector| {
        let chosen = detector.choose([&train_triggered, &train_clean]);
        negatives.iter().map(|negatives| detector.row(&chosen, &stories, &triggered, negatives)).collect::<Vec<_>>()
    };
    Ok(detectors.iter().flat_map(rows).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    /// Prompts of one token: three columns, of which the first says nothing and the last falls where the trigger stands.
    fn readings(values: &[[f64; 3]]) -> Readings {
        let values = Tensor::from_slice(&values.concat()).view([-1, 3]);
        let [last, max, min, mean] = [(); 4].map(|()| values.copy());
        Readings { last, max, min, mean }
    }

    #[test]
    fn candidate_sign_and_threshold_are_those_of_the_training_prompts() {
        let triggered = readings(&[[0.0, 1.0, -5.0], [1.0, 3.0, -4.0]]);
        let clean = readings(&[[1.0, 2.0, 0.0], [0.0, 0.0, -1.0]]);
        let price = Price { n_activations: 7, wall_s: f64::NAN };
        let detector = |read_at, columns| Detector { name: "planted".into(), seed: 0, read_at, columns, price };
        for read_at in [ReadAt::Last, ReadAt::Max, ReadAt::Mean] {
            let chosen = detector(read_at, vec![0, 1, 2]).choose([&triggered, &clean]);
            assert_eq!((chosen.column, chosen.is_negated, chosen.threshold), (2, true, 2.5));
        }
        // Held out, the same column ranks a clean prompt first, and one of two triggered ones lies below the threshold.
        let detector = detector(ReadAt::Max, vec![0, 2]);
        let chosen = detector.choose([&triggered, &clean]);
        let held_out = readings(&[[0.0, 0.0, -3.0], [0.0, 0.0, -2.0]]);
        let others = Negatives {
            kind: "clean".into(),
            readings: readings(&[[0.0, 0.0, 4.0], [0.0, 0.0, -2.25]]),
            payload_frac: 0.25,
        };
        let row = detector.row(&chosen, "built-in", &held_out, &others);
        assert_eq!((row.auroc, row.n_triggered, row.n_activations), (0.75, 2, 7));
        assert!((row.f1 - 2.0 * 0.005 / (0.01 + 0.005)).abs() < 1e-12, "{row:?}"); // half found, nothing else
        assert_eq!(values([&held_out, &others.readings], ReadAt::Max, 2, true).0, [3.0, 2.0, -4.0, 2.25]);
    }
}
