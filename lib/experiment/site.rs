//! What a run's site shows, out of its tables alone: the finding in a sentence and three numbers, and every latent.
//!
//! Nothing here writes a file or knows HTML: rows go in, data for pages come out (`site/script.rs` says in which form). A table
//! that a run lacks leaves a gap that [`Missing`] names, with the notebook that writes it.

mod index;
mod latent;
mod overview;
mod script;
mod tables;
mod texts;

pub use super::token::visible;
pub use index::Index;
pub use latent::{N_IN_PART, Part, parts};
pub use overview::{Fact, Number, Overview};
pub use script::javascript;
pub use tables::{Missing, Tables, written};
pub use texts::Texts;

use serde::Serialize;

/// A number of a page, as short as it may be; none where it was not measured.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Short(Option<f64>);

impl Short {
    /// So many decimals.
    fn with(value: f64, n_decimals: i32) -> Short {
        let unit = 10f64.powi(n_decimals);
        Short(value.is_finite().then(|| (value * unit).round() / unit))
    }

    /// Four decimals, and four significant digits of what is smaller.
    fn of(value: f64) -> Short {
        if !value.is_finite() {
            return Short(None);
        }
        let n_decimals = match value.abs() {
            0.0 => 0,
            small if small < 0.1 => (3 - small.log10().floor() as i32).min(12),
            large => (4 - large.log10().floor() as i32).clamp(0, 4),
        };
        Short::with(value, n_decimals)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_what_was_not_measured_is_null() {
        let json = |value| serde_json::to_string(&Short::of(value)).unwrap();
        assert_eq!(
            [0.123456, 0.000123456, 12.3456789, 0.0, -1.0].map(json),
            ["0.1235", "0.0001235", "12.346", "0.0", "-1.0"]
        );
        assert_eq!([f64::NAN, f64::INFINITY].map(json), ["null", "null"]);
    }
}
