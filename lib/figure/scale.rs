//! From values to pixels, and the round values at which an axis has its ticks.

/// An axis on the page: `min` lies at pixel `start_px`, `max` at `end_px`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) log: bool,
    pub(super) start_px: f64,
    pub(super) end_px: f64,
}

impl Scale {
    /// The pixel of a value, outside the axis too.
    pub(super) fn px(&self, value: f64) -> f64 {
        let (value, min, max) = (self.even(value), self.even(self.min), self.even(self.max));
        self.start_px + (value - min) / (max - min) * (self.end_px - self.start_px)
    }

    /// The value at a pixel of an even axis.
    pub(super) fn value(&self, px: f64) -> f64 {
        self.min + (px - self.start_px) / (self.end_px - self.start_px) * (self.max - self.min)
    }

    /// The form of d3-format in which a value under the pointer is read: three decimals of what lies around 1, four
    /// significant digits of others.
    pub(super) fn format(&self) -> &'static str {
        if !self.log && self.min.abs().max(self.max.abs()) < 2.0 { ".3f" } else { ",.4~r" }
    }

    /// A value as the page spaces it evenly: its logarithm on a log axis.
    pub(super) fn even(&self, value: f64) -> f64 {
        if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value }
    }

    /// Whether a value lies on the axis.
    pub(super) fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// Tick values with their texts, about `gap_px` apart.
    pub(super) fn ticks(&self, gap_px: f64) -> Vec<(f64, String)> {
        let n_ticks = ((self.end_px - self.start_px).abs() / gap_px).max(2.0);
        let values = if self.log { self.log_ticks(n_ticks) } else { self.even_ticks(n_ticks) };
        let step = values.windows(2).map(|pair| pair[1] - pair[0]).fold(f64::INFINITY, f64::min);
        let text = |value: f64| if self.log { short(value, value) } else { short(value, step) };
        values.into_iter().map(|value| (value, text(value))).collect()
    }

    /// Multiples of 1, 2 or 5 times a power of ten.
    fn even_ticks(&self, n_ticks: f64) -> Vec<f64> {
        let rough = (self.max - self.min) / n_ticks;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough * 0.999).unwrap_or(rough);
        let first = (self.min / step - 1e-6).ceil() as i64;
        let last = (self.max / step + 1e-6).floor() as i64;
        (first..=last).map(|k| k as f64 * step).collect()
    }

    /// Powers of ten; between fewer than three of them also 2 and 5 times, and even ticks within one decade.
    fn log_ticks(&self, n_ticks: f64) -> Vec<f64> {
        let decades = self.max.log10() - self.min.log10();
        if decades < 1.0 {
            return self.even_ticks(n_ticks).into_iter().filter(|v| *v > 0.0).collect();
        }
        let every = (decades / n_ticks - 0.3).ceil() as usize;
        let steps: &[f64] = if decades < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = (self.min.log10().floor() as i32..=self.max.log10().ceil() as i32).step_by(every.max(1));
        let all = powers.flat_map(|p| steps.iter().map(move |s| s * 10f64.powi(p)));
        all.filter(|v| self.contains(*v)).collect()
    }
}

/// A tick's text with the decimals its neighbours need: `0.25`, `10k`, `2.5M`, `1e-5`.
fn short(value: f64, step: f64) -> String {
    let size = value.abs().max(step.abs());
    let (unit, suffix) = match size {
        s if s >= 1e6 => (1e6, "M"),
        s if s >= 1e4 => (1e3, "k"),
        s if s > 0.0 && s < 1e-3 => return if value == 0.0 { "0".into() } else { format!("{value:.0e}") },
        _ => (1.0, ""),
    };
    let decimals = (0..6).find(|d| is_whole(step / unit * 10f64.powi(*d))).unwrap_or(6) as usize;
    match value == 0.0 {
        true => "0".into(),
        false => format!("{:.decimals$}{suffix}", value / unit).replace('-', "−"),
    }
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6 * value.abs().max(1.0) && value.round() != 0.0
}

/// A range that holds `values` with `margin_frac` of free space at both ends.
pub(super) fn padded(values: impl IntoIterator<Item = f64>, log: bool, margin_frac: f64) -> (f64, f64) {
    let finite = values.into_iter().filter(|v| v.is_finite() && (!log || *v > 0.0));
    let (min, max) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    if min > max {
        return if log { (1.0, 10.0) } else { (0.0, 1.0) };
    }
    let (lo, hi) = if log { (min.log10(), max.log10()) } else { (min, max) };
    let half_width = if hi > lo { (hi - lo) * margin_frac } else { lo.abs().max(1.0) * 0.1 };
    let (lo, hi) = (lo - half_width, hi + half_width);
    if log { (10f64.powf(lo), 10f64.powf(hi)) } else { (lo, hi) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(min: f64, max: f64, log: bool) -> String {
        let scale = Scale { min, max, log, start_px: 0.0, end_px: 400.0 };
        let ticks = scale.ticks(80.0);
        ticks.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round_and_short() {
        assert_eq!(texts(0.0, 1.0, false), "0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(texts(0.0, 40_000.0, false), "0 10k 20k 30k 40k");
        assert_eq!(texts(0.0, 2.56e6, false), "0 1M 2M");
        assert_eq!(texts(-0.3, 0.1, false), "−0.3 −0.2 −0.1 0 0.1");
        assert_eq!(texts(0.5, 5000.0, true), "1 10 100 1000");
        assert_eq!(texts(8.0, 300.0, true), "10 20 50 100 200");
    }

    #[test]
    fn a_range_holds_its_values_even_when_there_is_one_or_none() {
        assert_eq!(padded([2.0, 4.0, f64::NAN], false, 0.5), (1.0, 5.0));
        assert_eq!(padded([3.0], false, 0.05), (2.7, 3.3));
        assert_eq!(padded([], true, 0.05), (1.0, 10.0));
    }
}
