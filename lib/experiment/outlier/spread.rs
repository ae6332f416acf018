//! How a residual stream is spread over its coordinates: of single tokens, and of single coordinates over tokens.

use super::criteria::{EXTREME, FAR, MASSIVE, MASSIVE_OVER_MEDIAN};
use tch::{Kind, Tensor};

/// Excess kurtosis over coordinates: 0 of normal numbers, large where few coordinates hold most of the norm, at most
/// d_model + 1/(d_model − 1) − 5. NaN where all coordinates are equal.
///
/// # Shapes
/// `acts` [token, d_model] → `[token]`
pub fn excess_kurtosis(acts: &Tensor) -> Tensor {
    let squares = from_mean(acts).square();
    mean(&squares.square()).squeeze_dim(1) / mean(&squares).squeeze_dim(1).square() - 3.0
}

/// One coordinate over tokens. A deviation is the coordinate's distance from the mean of its own token's coordinates, in
/// their standard deviations: what a layer norm makes of it before its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// μ.
    pub mean: f64,
    /// σ.
    pub std: f64,
    /// Largest magnitude.
    pub max_abs: f64,
    /// Mean magnitude of the deviation.
    pub deviation: f64,
    /// Share of tokens with a deviation of 3 or more.
    pub far_frac: f64,
    /// Share of tokens with a deviation of 6 or more.
    pub extreme_frac: f64,
    /// Largest magnitude as a multiple of the median magnitude of its token.
    pub max_over_median: f64,
    /// Share of tokens where it is a massive activation.
    pub massive_frac: f64,
    /// Share of the variance that lies between positions: σ² of the mean at each position, as a share of σ².
    pub position_frac: f64,
}

/// The spread of each coordinate.
///
/// # Shapes
/// `acts` [sequence, seq, d_model] → one a coordinate
pub fn spreads(acts: &Tensor) -> Vec<Spread> {
    let by_position = acts.mean_dim([0i64].as_slice(), false, Kind::Double); // [seq, d_model]
    let acts = acts.to_kind(Kind::Double).flatten(0, 1); // [token, d_model]
    let variance = |values: &Tensor| values.var_dim([0i64].as_slice(), false, false);
    let from_mean = from_mean(&acts);
    let deviations = (&from_mean / mean(&from_mean.square()).sqrt()).abs();
    let sizes = acts.abs();
    let over_median = &sizes / sizes.median_dim(1, true).0;
    let massive = sizes.gt(MASSIVE).logical_and(&over_median.ge(MASSIVE_OVER_MEDIAN));
    let columns = [
        over_tokens(&acts),
        variance(&acts).sqrt(),
        sizes.amax([0i64].as_slice(), false),
        over_tokens(&deviations),
        over_tokens(&deviations.ge(FAR)),
        over_tokens(&deviations.ge(EXTREME)),
        over_median.amax([0i64].as_slice(), false),
        over_tokens(&massive),
        variance(&by_position) / variance(&acts),
    ];
    let columns = columns.map(|column| Vec::<f64>::try_from(column).expect("one a coordinate"));
    let spread = |coordinate: usize| {
        let [mean, std, max_abs, deviation, far_frac, extreme_frac, max_over_median, massive_frac, position_frac] =
            std::array::from_fn(|column| columns[column][coordinate]);
        Spread { mean, std, max_abs, deviation, far_frac, extreme_frac, max_over_median, massive_frac, position_frac }
    };
    (0..columns[0].len()).map(spread).collect()
}

fn from_mean(acts: &Tensor) -> Tensor {
    let acts = acts.to_kind(Kind::Double);
    &acts - mean(&acts)
}

/// Over the coordinates of each token.
fn mean(values: &Tensor) -> Tensor {
    values.mean_dim([1i64].as_slice(), true, Kind::Double)
}

/// The mean of each coordinate.
fn over_tokens(values: &Tensor) -> Tensor {
    values.mean_dim([0i64].as_slice(), false, Kind::Double)
}
