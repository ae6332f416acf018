//! The picture: SVG, for pages that show no Plotly.

mod series;

use super::canvas::{Anchor, Canvas, Ink, Lettering};
use super::frame::Frame;
use super::geometry::{Px, Rect};
use super::labels::{Texts, leader};
use super::layout::{Layout, LegendItem, WIDTH_PX};
use super::style::Dash;
use super::text::{AXIS_PX, LABEL_PX, TICK_PX, TITLE_PX, width_px};

/// The SVG text of a figure.
pub(super) fn render(layout: &Layout) -> String {
    let mut canvas = Canvas::new(&layout.title, WIDTH_PX, layout.height_px);
    let bold = Lettering { bold: true, ..Lettering::new(TITLE_PX, Anchor::Start) };
    lines(&mut canvas, &layout.title_lines, (16.0, 22.0), 22.0, bold);
    layout.legend.iter().for_each(|item| legend_item(&mut canvas, item));
    layout.panels.iter().for_each(|(frame, texts)| panel(&mut canvas, frame, texts));
    if let Some(note) = &layout.note {
        let lettering = Lettering { ink: Ink::grey(110), ..Lettering::new(LABEL_PX, Anchor::Start) };
        canvas.text(note, (16.0, layout.height_px - 10.0), lettering);
    }
    canvas.into_svg()
}

/// Lines of a text, `step_px` apart.
fn lines(canvas: &mut Canvas, lines: &[String], (x, y): Px, step_px: f64, lettering: Lettering) {
    for (idx, text) in (0..).map(f64::from).zip(lines) {
        canvas.text(text, (x, y + step_px * idx), lettering);
    }
}

fn legend_item(canvas: &mut Canvas, item: &LegendItem) {
    let (x, y) = item.at;
    series::sample(canvas, &item.series, &item.style, (x, y));
    canvas.text(item.series.name(), (x + 31.0, y), Lettering::new(TICK_PX, Anchor::Start));
}

fn panel(canvas: &mut Canvas, frame: &Frame, texts: &Texts) {
    x_axis(canvas, frame);
    y_axis(canvas, frame);
    // What lies in the background first, whatever the order of the series.
    let mut order: Vec<usize> = (0..frame.styles.len()).collect();
    order.sort_by(|a, b| frame.styles[*a].opacity.total_cmp(&frame.styles[*b].opacity));
    order.into_iter().for_each(|idx| series::draw(canvas, frame, idx));
    ref_lines(canvas, frame);
    let Rect { left, top, right, bottom } = frame.area;
    canvas.path(&[(left, top), (left, bottom), (right, bottom)], Ink::grey(90), 1.0, Dash::Solid);
    in_panel(canvas, frame, texts);
}

fn x_axis(canvas: &mut Canvas, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    let below = Lettering::new(TICK_PX, Anchor::Middle);
    if frame.category_lines.is_empty() {
        for (value, text) in frame.x.ticks(62.0) {
            let x = frame.x.px(value);
            canvas.path(&[(x, top), (x, bottom)], Ink::grey(232), 1.0, Dash::Solid);
            canvas.path(&[(x, bottom), (x, bottom + 4.0)], Ink::grey(90), 1.0, Dash::Solid);
            canvas.text(&text, (x, bottom + 13.0), below);
        }
    }
    for (category, names) in (0..).map(f64::from).zip(&frame.category_lines) {
        lines(canvas, names, (frame.x.px(category), bottom + 13.0), 14.0, below);
    }
    let at = ((left + right) / 2.0, bottom + 22.0 + 14.0 * frame.n_tick_lines() as f64);
    axis_title(canvas, &frame.panel.x_title, at, right - left, false);
    let bold = Lettering { bold: true, ..Lettering::new(AXIS_PX, Anchor::Start) };
    lines(canvas, &frame.title_lines, (left, frame.title_px), 16.0, bold);
}

fn y_axis(canvas: &mut Canvas, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    for (value, text) in frame.y.ticks(42.0) {
        let y = frame.y.px(value);
        canvas.path(&[(left, y), (right, y)], Ink::grey(232), 1.0, Dash::Solid);
        canvas.path(&[(left - 4.0, y), (left, y)], Ink::grey(90), 1.0, Dash::Solid);
        canvas.text(&text, (left - 7.0, y), Lettering::new(TICK_PX, Anchor::End));
    }
    axis_title(canvas, &frame.panel.y_title, (left - 50.0, (top + bottom) / 2.0), bottom - top, true);
}

/// A title along an axis, in smaller letters where the axis is too short.
fn axis_title(canvas: &mut Canvas, text: &str, at: Px, axis_px: f64, upward: bool) {
    if !text.is_empty() {
        let size_px = AXIS_PX * ((axis_px + 30.0) / width_px(text, AXIS_PX)).min(1.0);
        canvas.text(text, at, Lettering { upward, ..Lettering::new(size_px, Anchor::Middle) });
    }
}

fn ref_lines(canvas: &mut Canvas, frame: &Frame) {
    for line in frame.panel.ref_lines.iter().map(|line| frame.ref_line(line)) {
        let (from, to) = ((line.left, line.top), (line.right, line.bottom));
        if frame.area.holds(from, 0.01) {
            canvas.path(&[from, to], Ink::grey(60), 1.2, Dash::Dash);
        }
    }
}

fn in_panel(canvas: &mut Canvas, frame: &Frame, texts: &Texts) {
    let written = |shade: u8| Lettering { ink: Ink::grey(shade), ..Lettering::new(LABEL_PX, Anchor::Middle) };
    for (label, area) in &texts.labels {
        if let Some((from, to)) = leader(frame.px(label.x, label.y), area) {
            canvas.path(&[from, to], Ink::grey(90), 0.8, Dash::Solid);
        }
        canvas.text(&label.text, area.centre(), written(10));
    }
    for (line, area) in &texts.ref_lines {
        canvas.rect(*area, Ink::grey(255).sheer(0.7));
        canvas.text(&line.text, area.centre(), written(60));
    }
}
