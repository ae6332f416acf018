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
    let mut canvas = Canvas::new(&words(layout), WIDTH_PX, layout.height_px);
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

/// The figure in words: its title, its axes, the names of its series.
fn words(layout: &Layout) -> String {
    let mut words = layout.title.clone();
    for (frame, _) in &layout.panels {
        let panel = &frame.panel;
        let parts = [&panel.title, &panel.y_title, &panel.x_title].map(|part| part.as_str());
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        words += &format!(". {}", parts.join(", "));
    }
    let names: Vec<&str> = layout.legend.iter().map(|item| item.series.name()).collect();
    if names.is_empty() { words } else { format!("{words}. Shown: {}", names.join(", ")) }
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
    let mut names: Vec<(String, Px)> = Vec::new();
    if frame.category_lines.is_empty() {
        let ticks = frame.x.ticks(62.0).into_iter().map(|(value, text)| (frame.x.px(value), text));
        names = ticks.map(|(x, text)| (text, (x, bottom + 13.0))).collect();
        let places = || names.iter().map(|(_, (x, _))| *x);
        canvas.strokes(places().map(|x| ((x, top), (x, bottom))), Ink::grey(232), 1.0);
        canvas.strokes(places().map(|x| ((x, bottom), (x, bottom + 4.0))), Ink::grey(90), 1.0);
    }
    for (category, lines) in (0..).map(f64::from).zip(&frame.category_lines) {
        let places = (0..).map(|line| (frame.x.px(category), bottom + 13.0 + 14.0 * f64::from(line)));
        names.extend(lines.iter().cloned().zip(places));
    }
    canvas.texts(names.iter().map(|(text, at)| (text.as_str(), *at)), below);
    let at = ((left + right) / 2.0, bottom + 22.0 + 14.0 * frame.n_tick_lines() as f64);
    axis_title(canvas, &frame.panel.x_title, at, right - left, false);
    let bold = Lettering { bold: true, ..Lettering::new(AXIS_PX, Anchor::Start) };
    lines(canvas, &frame.title_lines, (left, frame.title_px), 16.0, bold);
}

fn y_axis(canvas: &mut Canvas, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    let ticks: Vec<(f64, String)> =
        frame.y.ticks(42.0).into_iter().map(|(value, text)| (frame.y.px(value), text)).collect();
    canvas.strokes(ticks.iter().map(|(y, _)| ((left, *y), (right, *y))), Ink::grey(232), 1.0);
    canvas.strokes(ticks.iter().map(|(y, _)| ((left - 4.0, *y), (left, *y))), Ink::grey(90), 1.0);
    let names = ticks.iter().map(|(y, text)| (text.as_str(), (left - 7.0, *y)));
    canvas.texts(names, Lettering::new(TICK_PX, Anchor::End));
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
    if !texts.bars.is_empty() {
        canvas.texts(texts.bars.iter().map(|(text, area, _)| (text.as_str(), area.centre())), written(45));
    }
    for (line, area) in &texts.ref_lines {
        canvas.rect(*area, Ink::grey(255).sheer(0.7));
        canvas.text(&line.text, area.centre(), written(60));
    }
}
