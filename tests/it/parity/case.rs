//! How far a result is from the fixture's, held against what is allowed and said in one line.

use super::folder;
use std::fmt::Debug;
use tch::{Kind, Tensor};

/// One case: what was compared under it, and the worst of it.
pub struct Case {
    name: String,
    allowed: f64,
    n_compared: usize,
    worst: f64,
    worst_part: String,
}

impl Case {
    /// A case in which no error may exceed `allowed`.
    pub fn new(name: impl Into<String>, allowed: f64) -> Case {
        Case { name: name.into(), allowed, n_compared: 0, worst: 0.0, worst_part: String::new() }
    }

    /// A case in which no error may exceed its bound.
    pub fn bounded(name: impl Into<String>) -> Case {
        Case::new(format!("{}, of its bound", name.into()), 1.0)
    }

    /// A case in which everything must be equal.
    pub fn exact(name: impl Into<String>) -> Case {
        Case::new(name, 0.0)
    }

    /// Compares element by element.
    #[track_caller]
    pub fn absolute(&mut self, part: &str, found: &Tensor, expected: &Tensor) -> &mut Case {
        let errors = self.errors(part, found, expected);
        self.take_up(part, largest(&errors))
    }

    /// Compares element by element, in units of the largest expected magnitude.
    #[track_caller]
    pub fn relative(&mut self, part: &str, found: &Tensor, expected: &Tensor) -> &mut Case {
        let errors = self.errors(part, found, expected);
        self.take_up(part, ratio(largest(&errors), largest(expected)))
    }

    /// Compares element by element, each in units of its own bound.
    #[track_caller]
    pub fn within(&mut self, part: &str, found: &Tensor, expected: &Tensor, bound: &Tensor) -> &mut Case {
        let errors = self.errors(part, found, expected);
        self.take_up(part, largest(&(&errors / bound).masked_fill(&errors.eq(0.0), 0.0)))
    }

    /// Compares element by element, in units of the largest expected magnitude of each slice along the last dimension.
    #[track_caller]
    pub fn by_slice(&mut self, part: &str, found: &Tensor, expected: &Tensor) -> &mut Case {
        let errors = self.errors(part, found, expected).amax([-1i64].as_slice(), false);
        let of_slice = expected.to_kind(Kind::Double).abs().amax([-1i64].as_slice(), false);
        let slices = floats(&errors).into_iter().zip(floats(&of_slice));
        let worst = slices.map(|(error, largest)| ratio(error, largest)).fold(0.0, f64::max);
        self.take_up(part, worst)
    }

    /// Compares two numbers, in units of the expected one.
    #[track_caller]
    pub fn number(&mut self, part: &str, found: f64, expected: f64) -> &mut Case {
        self.take_up(part, ratio((found - expected).abs(), expected.abs()))
    }

    /// Compares two numbers as they are.
    #[track_caller]
    pub fn number_absolute(&mut self, part: &str, found: f64, expected: f64) -> &mut Case {
        self.take_up(part, (found - expected).abs())
    }

    /// Compares what has no error: it is the same or not.
    #[track_caller]
    pub fn equal<T: PartialEq + Debug>(&mut self, part: &str, found: T, expected: T) -> &mut Case {
        assert_eq!(found, expected, "parity {}: {part}", self.name);
        self.take_up(part, 0.0)
    }

    /// Compares lists of such; the first place that differs is named.
    #[track_caller]
    pub fn each_equal<T: PartialEq + Debug>(&mut self, part: &str, found: &[T], expected: &[T]) -> &mut Case {
        assert_eq!(found.len(), expected.len(), "parity {}: length of {part}", self.name);
        for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found, expected, "parity {}: {part}, place {place}", self.name);
        }
        self.take_up(part, 0.0)
    }

    /// Says how it went, and fails if something was off or nothing was compared.
    #[track_caller]
    pub fn check(&self) {
        let Case { name, allowed, n_compared, worst, worst_part } = self;
        assert!(*n_compared > 0, "parity {name}: the folder holds nothing to compare");
        if !folder::is_noting() {
            println!("parity {name} max error {worst:.1e} allowed {allowed:.0e}");
        }
        assert!(worst <= allowed, "parity {name}: max error {worst:e} at {worst_part}, allowed {allowed:e}");
    }

    fn errors(&self, part: &str, found: &Tensor, expected: &Tensor) -> Tensor {
        assert_eq!(found.size(), expected.size(), "parity {}: shape of {part}, found and expected", self.name);
        let errors = (found.detach().to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs();
        assert!(largest(&errors).is_finite(), "parity {}: {part} has values that are no numbers", self.name);
        errors
    }

    fn take_up(&mut self, part: &str, error: f64) -> &mut Case {
        assert!(!error.is_nan(), "parity {}: {part} is no number", self.name);
        if self.n_compared == 0 || error > self.worst {
            (self.worst, self.worst_part) = (error, part.into());
        }
        self.n_compared += 1;
        self
    }
}

/// `error` in units of `size`; nothing is allowed where the size is 0.
fn ratio(error: f64, size: f64) -> f64 {
    if error == 0.0 { 0.0 } else { error / size }
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.to_kind(Kind::Double).abs().max().double_value(&[])
}

fn floats(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.reshape([-1])).unwrap()
}
