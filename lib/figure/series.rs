//! What a panel draws: lines, points, bars, histograms.

use super::style::Style;

fn numbers(values: impl IntoIterator<Item: Into<f64>>) -> Vec<f64> {
    values.into_iter().map(Into::into).collect()
}

/// Panics unless a series' list is as long as its first.
#[track_caller]
fn same_length(name: &str, what: &str, found: usize, expected: usize) {
    assert!(found == expected, "series {name:?} has {found} {what} for {expected} values");
}

/// A curve through points, in the order given.
#[derive(Clone, Debug)]
pub struct Line {
    pub(super) name: String,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
}

impl Line {
    /// A curve; `name` stands in the legend and chooses the style.
    ///
    /// # Panics
    /// If `x` and `y` differ in length.
    #[track_caller]
    pub fn new(
        name: impl Into<String>,
        x: impl IntoIterator<Item: Into<f64>>,
        y: impl IntoIterator<Item: Into<f64>>,
    ) -> Line {
        let (name, x, y) = (name.into(), numbers(x), numbers(y));
        same_length(&name, "y values", y.len(), x.len());
        Line { name, x, y }
    }
}

/// A cloud of points, each with an optional hover text.
#[derive(Clone, Debug)]
pub struct Points {
    pub(super) name: String,
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) hover: Vec<String>,
    pub(super) are_rings: bool,
}

impl Points {
    /// A cloud; `name` stands in the legend and chooses the style.
    ///
    /// # Panics
    /// If `x` and `y` differ in length.
    #[track_caller]
    pub fn new(
        name: impl Into<String>,
        x: impl IntoIterator<Item: Into<f64>>,
        y: impl IntoIterator<Item: Into<f64>>,
    ) -> Points {
        let Line { name, x, y } = Line::new(name, x, y);
        Points { name, x, y, hover: Vec::new(), are_rings: false }
    }

    /// Draws rings around points that other series show: the pointer sees through them.
    pub fn rings(mut self) -> Points {
        self.are_rings = true;
        self
    }

    /// One text per point, shown by the interactive rendering under the pointer; `\n` breaks the line.
    ///
    /// # Panics
    /// If there is not one text per point.
    #[track_caller]
    pub fn hover(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Points {
        self.hover = texts.into_iter().map(Into::into).collect();
        same_length(&self.name, "hover texts", self.hover.len(), self.x.len());
        self
    }
}

/// One bar per category of the panel; several series stand side by side.
#[derive(Clone, Debug)]
pub struct Bars {
    pub(super) name: String,
    pub(super) values: Vec<f64>,
    pub(super) low: Vec<f64>,
    pub(super) high: Vec<f64>,
    pub(super) texts: Vec<String>,
}

impl Bars {
    /// Bars from zero (from the axis' lower end on a log scale) to `values`, in the order of
    /// [`Panel::categories`](super::Panel::categories); NaN leaves a gap.
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item: Into<f64>>) -> Bars {
        Bars { name: name.into(), values: numbers(values), low: Vec::new(), high: Vec::new(), texts: Vec::new() }
    }

    /// Error bars: the ends of each value's confidence interval, on the axis' scale; NaN for none.
    ///
    /// # Panics
    /// If there is not one interval per value.
    #[track_caller]
    pub fn ci(mut self, low: impl IntoIterator<Item: Into<f64>>, high: impl IntoIterator<Item: Into<f64>>) -> Bars {
        (self.low, self.high) = (numbers(low), numbers(high));
        same_length(&self.name, "lower ends", self.low.len(), self.values.len());
        same_length(&self.name, "upper ends", self.high.len(), self.values.len());
        self
    }

    /// A short text above each bar, e.g. `31 of 43`.
    ///
    /// # Panics
    /// If there is not one text per value.
    #[track_caller]
    pub fn texts(mut self, texts: impl IntoIterator<Item: Into<String>>) -> Bars {
        self.texts = texts.into_iter().map(Into::into).collect();
        same_length(&self.name, "texts", self.texts.len(), self.values.len());
        self
    }

    /// The upper end of a bar with its error bar.
    pub(super) fn top(&self, category: usize) -> f64 {
        let high = self.high.get(category).copied().unwrap_or(f64::NAN);
        self.values[category].max(high).max(0.0)
    }
}

/// Counts of values in bins of equal width.
#[derive(Clone, Debug)]
pub struct Histogram {
    pub(super) name: String,
    pub(super) edges: Vec<f64>,
    pub(super) counts: Vec<f64>,
    pub(super) n_outside: usize,
}

impl Histogram {
    /// Counts `values` in `n_bins` bins between `min` and `max`, both ends included.
    ///
    /// # Panics
    /// If there is no bin or `min` is not below `max`.
    #[track_caller]
    pub fn new(
        name: impl Into<String>,
        values: impl IntoIterator<Item: Into<f64>>,
        n_bins: usize,
        (min, max): (f64, f64),
    ) -> Histogram {
        let name = name.into();
        assert!(n_bins > 0 && min < max, "histogram {name:?} has {n_bins} bins from {min} to {max}");
        let width = (max - min) / n_bins as f64;
        let mut counts = vec![0.0; n_bins];
        let mut n_outside = 0;
        for value in values.into_iter().map(Into::<f64>::into) {
            match (min..=max).contains(&value) {
                true => counts[(((value - min) / width) as usize).min(n_bins - 1)] += 1.0,
                false => n_outside += 1,
            }
        }
        let edges = (0..=n_bins).map(|bin| min + width * bin as f64).collect();
        Histogram { name, edges, counts, n_outside }
    }
}

/// Any of the four, in the order in which they are drawn.
#[derive(Clone, Debug)]
pub(super) enum Series {
    Line(Line),
    Points(Points),
    Bars(Bars),
    Histogram(Histogram),
}

impl Series {
    /// How a series of a style is drawn.
    pub(super) fn styled(&self, style: Style) -> Style {
        let is_ring = matches!(self, Series::Points(points) if points.are_rings);
        if is_ring { style.ring() } else { style }
    }

    /// The name in the legend.
    pub(super) fn name(&self) -> &str {
        match self {
            Series::Line(Line { name, .. })
            | Series::Points(Points { name, .. })
            | Series::Bars(Bars { name, .. })
            | Series::Histogram(Histogram { name, .. }) => name,
        }
    }

    /// The places along the horizontal axis (of bars: none, they stand at categories) and the values.
    pub(super) fn xy(&self) -> (&[f64], &[f64]) {
        match self {
            Series::Line(Line { x, y, .. }) | Series::Points(Points { x, y, .. }) => (x, y),
            Series::Bars(bars) => (&[], &bars.values),
            Series::Histogram(histogram) => (&histogram.edges, &histogram.counts),
        }
    }
}
