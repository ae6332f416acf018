//! Where everything stands on the page, computed once for both renderings.

use super::frame::{Frame, SIDES_PX};
use super::geometry::{Px, Rect};
use super::labels::Texts;
use super::panel::Panel;
use super::series::Series;
use super::style::Style;
use super::text::{TICK_PX, TITLE_PX, broken, width_px};

/// Width of every figure.
pub(super) const WIDTH_PX: f64 = 900.0;
/// Height of a figure with one row of panels, and what each further row adds.
const HEIGHT_PX: (f64, f64) = (480.0, 290.0);

/// One entry of the shared legend.
pub(super) struct LegendItem {
    /// The first series of a name.
    pub(super) series: Series,
    pub(super) style: Style,
    /// Left end, vertical middle.
    pub(super) at: Px,
}

/// A whole figure on the page.
pub(super) struct Layout {
    pub(super) title: String,
    pub(super) title_lines: Vec<String>,
    /// Empty where there is nothing to tell apart.
    pub(super) legend: Vec<LegendItem>,
    pub(super) panels: Vec<(Frame, Texts)>,
    pub(super) note: Option<String>,
    pub(super) height_px: f64,
}

impl Layout {
    /// Lays panels out, `n_columns` in a row; without a number up to three stand in one row and four in two.
    pub(super) fn new(title: &str, panels: &[Panel], n_columns: Option<usize>) -> Layout {
        let n_columns = n_columns.unwrap_or(match panels.len() {
            0..=3 => panels.len().max(1),
            4 => 2,
            _ => 3,
        });
        let n_rows = panels.len().div_ceil(n_columns).max(1);
        let height_px = HEIGHT_PX.0 + HEIGHT_PX.1 * (n_rows - 1) as f64;
        let title_lines = broken(title, TITLE_PX, WIDTH_PX - 30.0);
        let (panels, left_out): (Vec<Panel>, Vec<usize>) = panels.iter().map(Panel::drawable).unzip();
        let (mut legend, top) = legend(&panels, 12.0 + 22.0 * title_lines.len() as f64);

        let (width, height) = (WIDTH_PX / n_columns as f64, (height_px - 20.0 - top) / n_rows as f64);
        let place = |(idx, panel): (usize, Panel)| {
            let (left, top) = ((idx % n_columns) as f64 * width, top + (idx / n_columns) as f64 * height);
            let cell = Rect { left, top, right: left + width, bottom: top + height };
            let styles = styles(&panel, &legend);
            let frame = Frame::new(panel, styles, cell);
            let texts = Texts::place(&frame);
            (frame, texts)
        };
        let panels: Vec<(Frame, Texts)> = panels.into_iter().enumerate().map(place).collect();
        let note = note(left_out.iter().sum(), panels.iter().map(|(_, texts)| texts.n_left_out).sum());
        if legend.len() == 1 {
            legend.clear();
        }
        Layout { title: title.to_string(), title_lines, legend, panels, note, height_px }
    }
}

/// The styles of a panel's series: each name of the legend has one.
fn styles(panel: &Panel, legend: &[LegendItem]) -> Vec<Style> {
    let style = |series: &Series| legend.iter().find(|item| item.series.name() == series.name()).map(|item| item.style);
    panel.series.iter().filter_map(style).collect()
}

/// The shared legend, one entry per name in order of appearance, and where the panels begin below it.
fn legend(panels: &[Panel], top: f64) -> (Vec<LegendItem>, f64) {
    let mut items: Vec<LegendItem> = Vec::new();
    let mut n_without_style = 0;
    let (mut x, mut y) = (SIDES_PX.0, top + 10.0);
    for series in panels.iter().flat_map(|panel| &panel.series) {
        let name = series.name();
        if items.iter().any(|item| item.series.name() == name) {
            continue;
        }
        let style = Style::of(name).unwrap_or_else(|| {
            n_without_style += 1;
            Style::fallback(n_without_style - 1)
        });
        let width = 52.0 + width_px(name, TICK_PX);
        if x + width > WIDTH_PX && x > SIDES_PX.0 {
            (x, y) = (SIDES_PX.0, y + 20.0);
        }
        items.push(LegendItem { series: series.clone(), style: series.styled(style), at: (x, y) });
        x += width;
    }
    let end = if items.len() > 1 { y + 14.0 } else { top + 2.0 };
    (items, end)
}

/// What a reader has to know about things that are not shown.
fn note(n_values: usize, n_texts: usize) -> Option<String> {
    let values = "values without a place on the axes (no number, not positive on a log axis, outside the bins)";
    let counts = [(values, n_values), ("texts without room", n_texts)].into_iter().filter(|(_, n)| *n > 0);
    let notes: Vec<String> = counts.map(|(what, n)| format!("{what}: {n}")).collect();
    (!notes.is_empty()).then(|| notes.join("; "))
}
