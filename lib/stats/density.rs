//! Where a sample is dense: its modes, and how deep the valley between them is.
//!
//! The density is a sum of normal curves of Silverman's width, (3n/4)^(−1/5) standard deviations, which smooths more than it
//! must where there are two modes: two that it shows are there.

/// Places at which a density is looked at.
const N_PLACES: usize = 512;
/// A bump lower than this share of the highest is no mode.
const LEAST_HEIGHT: f64 = 0.05;

/// The density of a sample at some places; nothing where the sample does not vary.
pub fn density(sample: &[f64], places: &[f64]) -> Option<Vec<f64>> {
    let width = width(sample)?;
    let scale = 1.0 / (sample.len() as f64 * width * (2.0 * std::f64::consts::PI).sqrt());
    let curve = |place: f64, value: &f64| (-0.5 * ((place - value) / width).powi(2)).exp();
    Some(places.iter().map(|&place| scale * sample.iter().map(|value| curve(place, value)).sum::<f64>()).collect())
}

fn width(sample: &[f64]) -> Option<f64> {
    let n = sample.len() as f64;
    let mean = sample.iter().sum::<f64>() / n;
    let variance = sample.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let width = (0.75 * n).powf(-0.2) * variance.sqrt();
    (width.is_finite() && width > 0.0).then_some(width)
}

/// The modes of a sample's density.
#[derive(Debug, Clone, PartialEq)]
pub struct Modes {
    /// Where they are, in order.
    pub at: Vec<f64>,
    /// The lowest place between each two of them.
    pub valleys: Vec<f64>,
    /// The height of each valley as a share of the lower of its two modes.
    pub valley_heights: Vec<f64>,
}

/// The modes of a sample, bumps of less than 5 % of the highest left out; none where the sample does not vary.
pub fn modes(sample: &[f64]) -> Modes {
    let none = Modes { at: Vec::new(), valleys: Vec::new(), valley_heights: Vec::new() };
    let Some(width) = width(sample) else { return none };
    let (low, high) = sample.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)));
    let step = (high - low + 6.0 * width) / (N_PLACES - 1) as f64;
    let places: Vec<f64> = (0..N_PLACES).map(|place| low - 3.0 * width + step * place as f64).collect();
    let Some(heights) = density(sample, &places) else { return none };
    let highest = heights.iter().copied().fold(0.0, f64::max);
    let is_mode = |&place: &usize| {
        heights[place] > heights[place - 1]
            && heights[place] >= heights[place + 1]
            && heights[place] >= LEAST_HEIGHT * highest
    };
    let peaks: Vec<usize> = (1..N_PLACES - 1).filter(is_mode).collect();
    let between = |pair: &[usize]| {
        let lowest = (pair[0]..=pair[1]).min_by(|&a, &b| heights[a].total_cmp(&heights[b])).unwrap_or(pair[0]);
        (places[lowest], heights[lowest] / heights[pair[0]].min(heights[pair[1]]))
    };
    let (valleys, valley_heights) = peaks.windows(2).map(between).unzip();
    Modes { at: peaks.into_iter().map(|peak| places[peak]).collect(), valleys, valley_heights }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles of two normal distributions, five to one.
    fn two_groups(distance: f64) -> Vec<f64> {
        let normal = [-1.28, -0.84, -0.52, -0.25, 0.0, 0.25, 0.52, 0.84, 1.28];
        let group = |centre: f64| normal.map(|value| centre + value);
        [group(0.0), group(0.0), group(0.0), group(0.0), group(0.0), group(distance)].concat()
    }

    #[test]
    fn the_density_is_scipys() {
        // scipy.stats.gaussian_kde([0, 1, 1.5, 4, 4.2, 9], "silverman")([0, 2, 5, 9])
        let found = density(&[0.0, 1.0, 1.5, 4.0, 4.2, 9.0], &[0.0, 2.0, 5.0, 9.0]).unwrap();
        let expected = [0.0885886167, 0.1098993870, 0.0781624278, 0.0349429443];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-8), "{found:?}");
    }

    #[test]
    fn two_groups_are_two_modes_if_they_are_apart() {
        let apart = modes(&two_groups(6.0));
        assert_eq!(apart.at.len(), 2);
        assert!(apart.at[0].abs() < 0.2 && (apart.at[1] - 6.0).abs() < 0.3, "{apart:?}");
        assert!((1.5..5.0).contains(&apart.valleys[0]) && apart.valley_heights[0] < 0.5, "{apart:?}");
        let near = modes(&two_groups(1.0));
        assert!(near.at.len() == 1 && near.valleys.is_empty(), "{near:?}");
    }

    #[test]
    fn what_does_not_vary_has_no_mode() {
        for sample in [&[][..], &[1.0], &[2.0, 2.0, 2.0], &[f64::NAN, 1.0]] {
            assert!(modes(sample).at.is_empty() && density(sample, &[0.0]).is_none());
        }
    }
}
