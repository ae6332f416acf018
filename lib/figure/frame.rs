//! One panel on the page: its axes in pixels, and where its bars and lines stand between them.

use super::geometry::{Px, Rect};
use super::panel::{Panel, RefLine};
use super::scale::{Scale, padded};
use super::series::{Bars, Series};
use super::style::Style;
use super::text::{AXIS_PX, TICK_PX, broken};

/// Room left of a panel for ticks and title, and right of it.
pub(super) const SIDES_PX: (f64, f64) = (66.0, 14.0);

/// One panel on the page.
pub(super) struct Frame {
    pub(super) panel: Panel,
    /// One per series.
    pub(super) styles: Vec<Style>,
    pub(super) area: Rect,
    pub(super) x: Scale,
    pub(super) y: Scale,
    /// The panel's title in lines that fit, and the vertical middle of the first.
    pub(super) title_lines: Vec<String>,
    pub(super) title_px: f64,
    /// Category names, broken into lines that fit.
    pub(super) category_lines: Vec<Vec<String>>,
}

/// A bar on the page, within its panel.
pub(super) struct Bar {
    pub(super) category: usize,
    pub(super) area: Rect,
    /// The upper end of the bar with its error bar.
    pub(super) top_px: f64,
}

impl Bar {
    /// The centre of the text above it.
    pub(super) fn text_at(&self) -> Px {
        (self.area.centre().0, self.top_px - 8.0)
    }
}

impl Frame {
    /// A panel within a cell of the page, its series in the given styles.
    pub(super) fn new(panel: Panel, styles: Vec<Style>, cell: Rect) -> Frame {
        let (left, right) = (cell.left + SIDES_PX.0, cell.right - SIDES_PX.1);
        let slot = (right - left) / panel.categories.len().max(1) as f64;
        let category_lines: Vec<_> = panel.categories.iter().map(|name| broken(name, TICK_PX, slot - 6.0)).collect();
        let mut title_lines = broken(&panel.title, AXIS_PX * 1.07, right - left);
        title_lines.retain(|line| !line.is_empty());
        let above_bars =
            panel.series.iter().any(|series| matches!(series, Series::Bars(bars) if !bars.texts.is_empty()));
        let above = 8.0 + 17.0 * title_lines.len() as f64 + if above_bars { 12.0 } else { 0.0 };
        let below = 36.0 + 14.0 * n_lines(&category_lines) as f64;
        let area = Rect { left, top: cell.top + above, right, bottom: cell.bottom - below };
        let ((x_min, x_max), (y_min, y_max)) = (x_range(&panel), y_range(&panel));
        let x = Scale { min: x_min, max: x_max, log: false, start_px: area.left, end_px: area.right };
        let y = Scale { min: y_min, max: y_max, log: panel.y_log, start_px: area.bottom, end_px: area.top };
        Frame { panel, styles, area, x, y, title_lines, title_px: cell.top + 11.0, category_lines }
    }

    /// Lines of text below the horizontal axis.
    pub(super) fn n_tick_lines(&self) -> usize {
        n_lines(&self.category_lines)
    }

    /// The pixel of a pair of values.
    pub(super) fn px(&self, x: f64, y: f64) -> Px {
        (self.x.px(x), self.y.px(y))
    }

    /// The nearest pixel line within the panel.
    pub(super) fn within(&self, y_px: f64) -> f64 {
        y_px.clamp(self.area.top, self.area.bottom)
    }

    /// A reference line, as an area without width or height.
    pub(super) fn ref_line(&self, line: &RefLine) -> Rect {
        let (x, y) = self.px(line.at, line.at);
        match line.vertical {
            true => Rect { left: x, right: x, ..self.area },
            false => Rect { top: y, bottom: y, ..self.area },
        }
    }

    /// Left edge and width of the bars of the series at `idx`, relative to their category.
    pub(super) fn bar_slot(&self, idx: usize) -> (f64, f64) {
        let n_bars =
            |series: &[Series]| series.iter().filter(|series| matches!(series, Series::Bars(_))).count() as f64;
        let (group, n_groups) = (n_bars(&self.panel.series[..idx]), n_bars(&self.panel.series));
        let total = if n_groups == 1.0 { 0.5 } else { 0.8 };
        (total * (group / n_groups - 0.5), total / n_groups)
    }

    /// The bars of the series at `idx`, without its gaps.
    pub(super) fn bars(&self, idx: usize, bars: &Bars) -> Vec<Bar> {
        let (offset, width) = self.bar_slot(idx);
        let zero = if self.y.log { self.area.bottom } else { self.within(self.y.px(0.0)) };
        let bar = |(category, value): (usize, &f64)| {
            let (start, end) = (category as f64 + offset, self.within(self.y.px(*value)));
            let (left, right) = (self.x.px(start) + 0.6, self.x.px(start + width) - 0.6);
            let area = Rect { left, top: end.min(zero), right, bottom: end.max(zero) };
            Bar { category, area, top_px: self.within(self.y.px(bars.top(category))) }
        };
        bars.values.iter().enumerate().filter(|(_, value)| value.is_finite()).map(bar).collect()
    }
}

fn n_lines(texts: &[Vec<String>]) -> usize {
    texts.iter().map(Vec::len).max().unwrap_or(1)
}

fn x_range(panel: &Panel) -> (f64, f64) {
    if !panel.categories.is_empty() {
        return (-0.5, panel.categories.len() as f64 - 0.5);
    }
    let series = panel.series.iter().flat_map(|series| series.xy().0);
    let labels = panel.labels.iter().map(|label| &label.x);
    let ref_lines = panel.ref_lines.iter().filter(|line| line.vertical).map(|line| &line.at);
    padded(series.chain(labels).chain(ref_lines).copied(), false, 0.02)
}

fn y_range(panel: &Panel) -> (f64, f64) {
    if let Some(range) = panel.y_range {
        return range;
    }
    let mut values: Vec<f64> = panel.labels.iter().map(|label| label.y).collect();
    values.extend(panel.ref_lines.iter().filter(|line| !line.vertical).map(|line| line.at));
    let mut from_zero = false;
    for series in &panel.series {
        values.extend(series.xy().1);
        if let Series::Bars(bars) = series {
            values.extend(bars.low.iter().chain(&bars.high));
        }
        from_zero |= matches!(series, Series::Bars(_) | Series::Histogram(_));
    }
    let above_zero = from_zero && !panel.y_log && !values.iter().any(|v| *v < 0.0);
    if from_zero && !panel.y_log {
        values.push(0.0);
    }
    let (min, max) = padded(values, panel.y_log, if from_zero { 0.1 } else { 0.05 });
    (if above_zero { 0.0 } else { min }, max)
}
