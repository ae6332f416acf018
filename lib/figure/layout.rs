//! Where everything stands on the page, computed once for both renderings.

use super::Figure;
use super::geometry::{Px, Rect};
use super::labels::Texts;
use super::panel::Panel;
use super::scale::{Scale, padded};
use super::series::{Bars, Series};
use super::style::Style;

/// Width of every figure.
pub(super) const WIDTH_PX: f64 = 900.0;
/// Height of a figure with one row of panels, and what each further row adds.
const HEIGHT_PX: (f64, f64) = (480.0, 290.0);
/// Font of every text: no file is embedded, so only families that are there anyway.
pub(super) const FONT: &str = "Helvetica, Arial, Liberation Sans, sans-serif";
/// Sizes of the figure's title, panel and axis titles, tick texts and legend.
pub(super) const TITLE_PX: f64 = 17.0;
/// Size of panel and axis titles.
pub(super) const AXIS_PX: f64 = 13.0;
/// Size of tick texts and legend.
pub(super) const TICK_PX: f64 = 12.0;
/// Room left of a panel for ticks and title, and right of it.
const SIDES_PX: (f64, f64) = (66.0, 14.0);

/// One entry of the shared legend.
#[derive(Clone, Debug)]
pub(super) struct LegendItem {
    pub(super) name: String,
    pub(super) style: Style,
    /// A series of this name, for the kind of sample to draw.
    pub(super) series: Series,
    /// Left end, vertical middle.
    pub(super) at: Px,
}

/// One panel on the page.
#[derive(Clone, Debug)]
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
    pub(super) texts: Texts,
}

/// A whole figure on the page.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) title: String,
    pub(super) title_lines: Vec<String>,
    pub(super) legend: Vec<LegendItem>,
    pub(super) frames: Vec<Frame>,
    pub(super) note: Option<String>,
    pub(super) height_px: f64,
}

impl Layout {
    /// Lays a figure out.
    pub(super) fn new(figure: &Figure) -> Layout {
        let (panels, left_out): (Vec<Panel>, Vec<usize>) = figure.panels.iter().map(Panel::drawable).unzip();
        let n_columns = figure.columns.unwrap_or(match panels.len() {
            0..=3 => panels.len().max(1),
            4 => 2,
            _ => 3,
        });
        let n_rows = panels.len().div_ceil(n_columns).max(1);
        let height_px = HEIGHT_PX.0 + HEIGHT_PX.1 * (n_rows - 1) as f64;
        let title_lines = broken(&figure.title, TITLE_PX, WIDTH_PX - 30.0);
        let top = 12.0 + 22.0 * title_lines.len() as f64;
        let (legend, top) = legend(&panels, top);
        let n_values: usize = left_out.iter().sum();

        let cell = (WIDTH_PX / n_columns as f64, (height_px - 20.0 - top) / n_rows as f64);
        let frame = |(idx, panel): (usize, Panel)| {
            let (left, top) = ((idx % n_columns) as f64 * cell.0, top + (idx / n_columns) as f64 * cell.1);
            Frame::new(panel, Rect { left, top, right: left + cell.0, bottom: top + cell.1 }, &legend)
        };
        let frames: Vec<Frame> = panels.into_iter().enumerate().map(frame).collect();
        let n_texts = frames.iter().map(|frame| frame.texts.n_left_out()).sum();
        Layout { title: figure.title.clone(), title_lines, legend, frames, note: note(n_values, n_texts), height_px }
    }

    /// Whether there is anything to tell apart.
    pub(super) fn shows_legend(&self) -> bool {
        self.legend.len() > 1
    }
}

impl Frame {
    fn new(panel: Panel, cell: Rect, legend: &[LegendItem]) -> Frame {
        let (left, right) = (cell.left + SIDES_PX.0, cell.right - SIDES_PX.1);
        let slot = (right - left) / panel.categories.len().max(1) as f64;
        let category_lines: Vec<_> = panel.categories.iter().map(|name| broken(name, TICK_PX, slot - 6.0)).collect();
        let n_lines = category_lines.iter().map(Vec::len).max().unwrap_or(1) as f64;
        let mut title_lines = broken(&panel.title, AXIS_PX * 1.07, right - left);
        title_lines.retain(|line| !line.is_empty());
        let above_bars =
            panel.series.iter().any(|series| matches!(series, Series::Bars(bars) if !bars.texts.is_empty()));
        let top = 8.0 + 17.0 * title_lines.len() as f64 + if above_bars { 12.0 } else { 0.0 };
        let (title_px, below) = (cell.top + 11.0, 36.0 + 14.0 * n_lines);
        let area = Rect { left, top: cell.top + top, right, bottom: cell.bottom - below };
        let ((x_min, x_max), (y_min, y_max)) = (x_range(&panel), y_range(&panel));
        let x = Scale { min: x_min, max: x_max, log: panel.x.log, start_px: area.left, end_px: area.right };
        let y = Scale { min: y_min, max: y_max, log: panel.y.log, start_px: area.bottom, end_px: area.top };
        let style = |series: &Series| legend.iter().find(|item| item.name == series.name()).map(|item| item.style);
        let styles = panel.series.iter().map(|series| style(series).unwrap_or(Style::fallback(0))).collect();
        let mut frame =
            Frame { panel, styles, area, x, y, title_lines, title_px, category_lines, texts: Texts::default() };
        frame.texts = Texts::place(&frame);
        frame
    }

    /// The pixel of a pair of values.
    pub(super) fn px(&self, x: f64, y: f64) -> Px {
        (self.x.px(x), self.y.px(y))
    }

    /// Left edge and width of the bars of the series at `idx`, relative to their category.
    pub(super) fn bar_slot(&self, idx: usize) -> (f64, f64) {
        let is_bars = |series: &&Series| matches!(series, Series::Bars(_));
        let n_groups = self.panel.series.iter().filter(is_bars).count().max(1) as f64;
        let group = self.panel.series[..idx].iter().filter(is_bars).count() as f64;
        let total = if n_groups == 1.0 { 0.5 } else { 0.8 };
        (total * (group / n_groups - 0.5), total / n_groups)
    }

    /// The area of a bar on the page, within the panel; none for a gap.
    pub(super) fn bar_area(&self, bars: &Bars, category: usize, (offset, width): (f64, f64)) -> Option<Rect> {
        let value = bars.values.get(category).filter(|value| value.is_finite())?;
        let inside = |y: f64| y.clamp(self.area.top, self.area.bottom);
        let zero = if self.y.log { self.area.bottom } else { inside(self.y.px(0.0)) };
        let (start, end) = (category as f64 + offset, inside(self.y.px(*value)));
        let (left, right) = (self.x.px(start) + 0.6, self.x.px(start + width) - 0.6);
        Some(Rect { left, top: end.min(zero), right, bottom: end.max(zero) })
    }
}

/// The shared legend, one entry per name in order of appearance, and where the panels begin below it.
fn legend(panels: &[Panel], top: f64) -> (Vec<LegendItem>, f64) {
    let mut items: Vec<LegendItem> = Vec::new();
    let mut unnamed: Vec<&str> = Vec::new();
    let (mut x, mut y) = (SIDES_PX.0, top + 10.0);
    for series in panels.iter().flat_map(|panel| &panel.series) {
        if items.iter().any(|item| item.name == series.name()) {
            continue;
        }
        let style_name = series.style_name();
        let style = Style::of(style_name).unwrap_or_else(|| {
            let idx = unnamed.iter().position(|name| *name == style_name).unwrap_or(unnamed.len());
            if idx == unnamed.len() {
                unnamed.push(style_name);
            }
            Style::fallback(idx)
        });
        let width = 52.0 + text_width_px(series.name(), TICK_PX);
        if x + width > WIDTH_PX && x > SIDES_PX.0 {
            (x, y) = (SIDES_PX.0, y + 20.0);
        }
        items.push(LegendItem { name: series.name().to_string(), style, series: series.clone(), at: (x, y) });
        x += width;
    }
    let end = if items.len() > 1 { y + 14.0 } else { top + 2.0 };
    (items, end)
}

fn note(n_values: usize, n_texts: usize) -> Option<String> {
    let values = (n_values > 0).then(|| {
        format!(
            "values without a place on the axes (not finite, not positive on a log axis, outside the bins): {n_values}"
        )
    });
    let texts = (n_texts > 0).then(|| format!("texts without room: {n_texts}"));
    match (values, texts) {
        (Some(values), Some(texts)) => Some(format!("{values}; {texts}")),
        (values, texts) => values.or(texts),
    }
}

fn x_range(panel: &Panel) -> (f64, f64) {
    if let Some(range) = panel.x.range {
        return range;
    }
    if !panel.categories.is_empty() {
        return (-0.5, panel.categories.len() as f64 - 0.5);
    }
    let mut values: Vec<f64> = panel.labels.iter().map(|label| label.x).collect();
    values.extend(panel.ref_lines.iter().filter(|line| line.vertical).map(|line| line.at));
    for series in &panel.series {
        match series {
            Series::Line(line) => values.extend(&line.x),
            Series::Points(points) => values.extend(&points.x),
            Series::Histogram(histogram) => values.extend(&histogram.edges),
            Series::Bars(_) => {}
        }
    }
    padded(values, panel.x.log, 0.02)
}

fn y_range(panel: &Panel) -> (f64, f64) {
    if let Some(range) = panel.y.range {
        return range;
    }
    let mut values: Vec<f64> = panel.labels.iter().map(|label| label.y).collect();
    values.extend(panel.ref_lines.iter().filter(|line| !line.vertical).map(|line| line.at));
    let mut from_zero = false;
    for series in &panel.series {
        match series {
            Series::Line(line) => values.extend(&line.y),
            Series::Points(points) => values.extend(&points.y),
            Series::Histogram(histogram) => values.extend(&histogram.counts),
            Series::Bars(bars) => values.extend(bars.values.iter().chain(&bars.low).chain(&bars.high)),
        }
        from_zero |= matches!(series, Series::Bars(_) | Series::Histogram(_));
    }
    if from_zero && !panel.y.log {
        values.push(0.0);
    }
    let (min, max) = padded(values.iter().copied(), panel.y.log, if from_zero { 0.1 } else { 0.05 });
    let touches_zero = from_zero && !panel.y.log && !values.iter().any(|v| *v < 0.0);
    (if touches_zero { 0.0 } else { min }, max)
}

/// Width of a text in pixels, by the usual widths of a sans-serif font; rather too wide than too narrow.
pub(super) fn text_width_px(text: &str, size_px: f64) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '(' | ')' | '[' | ']'
        | ' ' => 0.34,
        'm' | 'w' | 'M' | 'W' | '@' | '%' | '—' => 0.9,
        c if c.is_uppercase() => 0.72,
        c if (c as u32) < 0x1100 => 0.57,
        _ => 1.0,
    };
    text.chars().map(width).sum::<f64>() * size_px
}

/// A text in lines no wider than `room_px`, broken after spaces and the separators of hook point names.
pub(super) fn broken(text: &str, size_px: f64, room_px: f64) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for part in text.split_inclusive([' ', '.', '_', '-', '/']) {
        let last = lines.len() - 1;
        let joined = format!("{}{part}", lines[last]);
        if lines[last].is_empty() || text_width_px(joined.trim_end(), size_px) <= room_px {
            lines[last] = joined;
        } else {
            lines.push(part.to_string());
        }
    }
    lines.into_iter().map(|line| line.trim_end().to_string()).collect()
}
