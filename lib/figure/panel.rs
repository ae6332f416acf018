//! One pair of axes with what is drawn between them.

use super::series::{Bars, Histogram, Line, Points, Series};

/// A line across the panel at one value of an axis.
#[derive(Clone, Debug)]
pub(super) struct RefLine {
    pub(super) vertical: bool,
    pub(super) at: f64,
    pub(super) text: String,
}

/// A text beside a point.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) text: String,
}

/// Two axes with series, reference lines and labelled points.
#[derive(Clone, Debug, Default)]
pub struct Panel {
    pub(super) title: String,
    pub(super) x_title: String,
    pub(super) y_title: String,
    pub(super) y_log: bool,
    pub(super) y_range: Option<(f64, f64)>,
    pub(super) categories: Vec<String>,
    pub(super) gaps: Vec<(usize, String)>,
    pub(super) series: Vec<Series>,
    pub(super) ref_lines: Vec<RefLine>,
    pub(super) labels: Vec<Label>,
}

impl Panel {
    /// An empty panel, whose axes will hold all data, reference lines and labels.
    pub fn new() -> Panel {
        Panel::default()
    }

    /// Sets the title above this panel.
    pub fn title(mut self, title: impl Into<String>) -> Panel {
        self.title = title.into();
        self
    }

    /// Sets the title of the horizontal axis, with its unit in brackets: `activations [millions]`.
    pub fn x(mut self, title: impl Into<String>) -> Panel {
        self.x_title = title.into();
        self
    }

    /// Sets the title of the vertical axis, with its unit in brackets: `loss [nats]`.
    pub fn y(mut self, title: impl Into<String>) -> Panel {
        self.y_title = title.into();
        self
    }

    /// Makes the vertical axis logarithmic.
    pub fn log_y(mut self) -> Panel {
        self.y_log = true;
        self
    }

    /// Fixes the vertical range.
    ///
    /// # Panics
    /// If `min` is not below `max`.
    #[track_caller]
    pub fn y_range(mut self, min: f64, max: f64) -> Panel {
        assert!(min < max, "y range is from {min} to {max}");
        self.y_range = Some((min, max));
        self
    }

    /// Names the places of the bars along the horizontal axis.
    pub fn categories(mut self, names: impl IntoIterator<Item: Into<String>>) -> Panel {
        self.categories = names.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a curve.
    pub fn line(mut self, line: Line) -> Panel {
        self.series.push(Series::Line(line));
        self
    }

    /// Adds a cloud of points.
    pub fn points(mut self, points: Points) -> Panel {
        self.series.push(Series::Points(points));
        self
    }

    /// Adds a group of bars, after [`Panel::categories`].
    ///
    /// # Panics
    /// If there is not one value per category.
    #[track_caller]
    pub fn bars(mut self, bars: Bars) -> Panel {
        let (n_values, n_categories) = (bars.values.len(), self.categories.len());
        assert!(n_values == n_categories, "series {:?} has {n_values} bars for {n_categories} categories", bars.name);
        self.series.push(Series::Bars(bars));
        self
    }

    /// Says why a category has no bars, in their place: `no latents`.
    pub fn gap(mut self, category: usize, text: impl Into<String>) -> Panel {
        self.gaps.push((category, text.into()));
        self
    }

    /// Adds a histogram.
    pub fn histogram(mut self, histogram: Histogram) -> Panel {
        self.series.push(Series::Histogram(histogram));
        self
    }

    /// Adds a horizontal reference line, e.g. a published value.
    pub fn hline(mut self, y: f64, text: impl Into<String>) -> Panel {
        self.ref_lines.push(RefLine { vertical: false, at: y, text: text.into() });
        self
    }

    /// Adds a vertical reference line, e.g. a percentile.
    pub fn vline(mut self, x: f64, text: impl Into<String>) -> Panel {
        self.ref_lines.push(RefLine { vertical: true, at: x, text: text.into() });
        self
    }

    /// Writes a text beside the point (x, y), where it covers the least. A text for which there is no place is left
    /// out and counted under the figure: a few labels a panel, the rest as hover texts.
    pub fn label(mut self, x: f64, y: f64, text: impl Into<String>) -> Panel {
        self.labels.push(Label { x, y, text: text.into() });
        self
    }

    /// Adds labels at several points: [`Panel::label`] for each.
    pub fn labels(self, labels: impl IntoIterator<Item = (f64, f64, String)>) -> Panel {
        labels.into_iter().fold(self, |panel, (x, y, text)| panel.label(x, y, text))
    }

    /// This panel without what cannot be drawn, and how many values that were.
    pub(super) fn drawable(&self) -> (Panel, usize) {
        let mut panel = self.clone();
        let on_y = |y: f64| y.is_finite() && (!self.y_log || y > 0.0);
        let on_both = |x: f64, y: f64| x.is_finite() && on_y(y);
        let mut n_left_out = 0;
        for series in &mut panel.series {
            let (x, y) = series.xy();
            let keep: Vec<bool> = x.iter().zip(y).map(|(x, y)| on_both(*x, *y)).collect();
            n_left_out += match series {
                Series::Line(line) => {
                    retain(&mut line.x, &keep);
                    retain(&mut line.y, &keep)
                }
                Series::Points(points) => {
                    retain(&mut points.x, &keep);
                    retain(&mut points.hover, &keep);
                    retain(&mut points.y, &keep)
                }
                Series::Bars(bars) => {
                    // what is no number is a gap by intention
                    let hidden = bars.values.iter_mut().filter(|value| !value.is_nan() && !on_y(**value));
                    hidden.map(|value| *value = f64::NAN).count()
                }
                Series::Histogram(histogram) => histogram.n_outside,
            };
        }
        panel.labels.retain(|label| on_both(label.x, label.y));
        panel.ref_lines.retain(|line| if line.vertical { line.at.is_finite() } else { on_y(line.at) });
        (panel, n_left_out)
    }
}

/// Keeps the marked items and counts the others; a list that was never given stays empty.
fn retain<T>(items: &mut Vec<T>, keep: &[bool]) -> usize {
    let n_before = items.len();
    let mut marks = keep.iter();
    items.retain(|_| *marks.next().unwrap_or(&true));
    n_before - items.len()
}
