//! `tables/coordinate_ablations` read: what one coordinate costs beside the others.

use crate::experiment::tables::CoordinateAblationRow;

/// What a coordinate is set to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cost {
    Zero,
    Mean,
}

/// What one coordinate costs, beside the others.
pub(super) struct Compared {
    pub this: f64,
    pub others: Vec<f64>,
}

impl Cost {
    pub const ALL: [Cost; 2] = [Cost::Zero, Cost::Mean];

    /// Its name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Cost::Zero => "zero",
            Cost::Mean => "mean",
        }
    }

    /// What the coordinate is set to, in a sentence.
    pub fn value(self) -> &'static str {
        match self {
            Cost::Zero => "zero",
            Cost::Mean => "its mean",
        }
    }

    /// The published cost as a multiple of an average coordinate's, of coordinate 700 of TinyStories-Instruct-33M.
    pub fn published_ratio(self) -> u32 {
        match self {
            Cost::Zero => 300,
            Cost::Mean => 30,
        }
    }

    /// By how much the loss rises.
    pub fn of(self, row: &CoordinateAblationRow) -> f64 {
        match self {
            Cost::Zero => row.loss_zero_nats - row.loss_clean_nats,
            Cost::Mean => row.loss_mean_nats - row.loss_clean_nats,
        }
    }

    /// One coordinate beside the others at a hook point, or at `all`.
    pub fn at(self, rows: &[CoordinateAblationRow], hook: &str, coordinate: i64) -> Option<Compared> {
        let here = || rows.iter().filter(|row| row.hook_point == hook);
        let this = self.of(here().find(|row| row.coordinate == coordinate)?);
        let others = here().filter(|row| row.coordinate != coordinate).map(|row| self.of(row)).collect();
        Some(Compared { this, others })
    }
}
