//! A dictionary's latents with their labels and scores, and how well each score ranks.

use super::input::Input;
use super::price::Price;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::Run;
use crate::experiment::tables::{RankerRow, SourceRow};
use crate::stats::ranking::{auroc, average_precision, precision_at};

/// One number of each latent of a dictionary: the higher, the more suspicious.
#[derive(Debug, Clone)]
pub struct LatentScore {
    /// Its name in tables.
    pub ranker: String,
    /// One value a latent; NaN ranks last.
    pub values: Vec<f64>,
    /// What it costs.
    pub price: Price,
    /// Whether it must be known which texts are triggered.
    pub knows_trigger: bool,
}

impl LatentScore {
    /// Whether it is known of any latent.
    pub(super) fn says_something(&self) -> bool {
        self.values.iter().any(|value| !value.is_nan())
    }
}

/// The latents of one dictionary.
#[derive(Debug)]
pub struct Latents {
    /// The dictionary's seed.
    pub seed: u64,
    /// The dictionary.
    pub crosscoder: Crosscoder,
    /// What it reads.
    pub input: Input,
    /// Which latents fire at all: the others are not ranked.
    pub active: Vec<bool>,
    /// What is to be found, by name: `relevant`, `in_span`, …
    pub labels: Vec<(String, Vec<bool>)>,
    /// The scores.
    pub scores: Vec<LatentScore>,
}

impl Clone for Latents {
    fn clone(&self) -> Latents {
        Latents {
            crosscoder: self.crosscoder.copy(),
            active: self.active.clone(),
            labels: self.labels.clone(),
            scores: self.scores.clone(),
            ..*self
        }
    }
}

impl Latents {
    /// The active latents by a score, the highest first.
    pub fn ranked(&self, score: &LatentScore) -> Vec<usize> {
        let value =
            |latent: usize| if score.values[latent].is_nan() { f64::NEG_INFINITY } else { score.values[latent] };
        let mut order: Vec<usize> = (0..self.active.len()).filter(|&latent| self.active[latent]).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        order
    }

    /// The values of active latents.
    pub(in crate::experiment) fn of_active<T: Copy>(&self, values: &[T]) -> Vec<T> {
        values.iter().zip(&self.active).filter(|(_, active)| **active).map(|(value, _)| *value).collect()
    }

    fn rows(&self, stories: &str) -> Vec<RankerRow> {
        let row = |score: &LatentScore, (label, labels): &(String, Vec<bool>)| {
            let (values, labels) = (self.of_active(&score.values), self.of_active(labels));
            let area = auroc(&values, &labels);
            RankerRow {
                seed: self.seed,
                stories: stories.into(),
                ranker: score.ranker.clone(),
                label: label.clone(),
                auroc: area.value,
                ci_low: area.ci_low,
                ci_high: area.ci_high,
                average_precision: average_precision(&values, &labels),
                precision_at_10: precision_at(&values, &labels, 10),
                precision_at_30: precision_at(&values, &labels, 30),
                n_activations: score.price.n_activations,
                wall_s: score.price.wall_s,
                knows_trigger: score.knows_trigger,
                n_latents: labels.len(),
                n_labelled: labels.iter().filter(|label| **label).count(),
            }
        };
        self.scores.iter().flat_map(|score| self.labels.iter().map(move |label| row(score, label))).collect()
    }
}

/// The rows of `tables/rankers`.
///
/// # Errors
/// Notebook 01 has not been run.
pub fn ranker_rows(run: &Run, latents: &[Latents]) -> Result<Vec<RankerRow>> {
    let stories = stories(run)?;
    Ok(latents.iter().flat_map(|latents| latents.rows(&stories)).collect())
}

/// Whether a score is one of a dictionary over both models: these are named after it.
pub(super) fn is_of_another_dictionary(ranker: &str) -> bool {
    ranker.contains("dictionary of")
}

/// Where the run's stories come from.
pub(super) fn stories(run: &Run) -> Result<String> {
    let sources: Vec<SourceRow> = run.rows("sources")?;
    Ok(sources.into_iter().map(|source| source.source).next().unwrap_or_default())
}
