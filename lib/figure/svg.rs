//! The picture: SVG through plotters, for pages that show no Plotly.

use super::canvas::{Canvas, Lettering, grey, ink};
use super::geometry::{Px, Rect, thinned};
use super::labels::{LABEL_PX, Placed, leader};
use super::layout::{AXIS_PX, Frame, Layout, LegendItem, TICK_PX, TITLE_PX, WIDTH_PX, text_width_px};
use super::series::{Bars, Histogram, Line, Points, Series};
use super::style::{Dash, Style};
use plotters::style::Color;
use plotters::style::text_anchor::HPos;

/// The SVG text of a figure.
pub(super) fn render(layout: &Layout) -> String {
    Canvas::sheet(&layout.title, WIDTH_PX, layout.height_px, |canvas| {
        canvas.fill(Rect { left: 0.0, top: 0.0, right: WIDTH_PX, bottom: layout.height_px }, grey(255));
        let lettering = Lettering { bold: true, ..Lettering::new(TITLE_PX, HPos::Left) };
        for (line, text) in (0..).zip(&layout.title_lines) {
            canvas.text(text, (16.0, 22.0 + 22.0 * f64::from(line)), lettering);
        }
        for item in layout.legend.iter().filter(|_| layout.shows_legend()) {
            legend_item(canvas, item);
        }
        layout.frames.iter().for_each(|frame| panel(canvas, frame));
        if let Some(note) = &layout.note {
            let lettering = Lettering { ink: grey(110), ..Lettering::new(LABEL_PX, HPos::Left) };
            canvas.text(note, (16.0, layout.height_px - 10.0), lettering);
        }
    })
}

fn legend_item(canvas: &mut Canvas<'_>, item: &LegendItem) {
    let (x, y) = item.at;
    let (style, middle) = (&item.style, (x + 13.0, y));
    match &item.series {
        Series::Line(_) => {
            canvas.path(&[(x, y), (x + 26.0, y)], ink(style, 1.0), 2.0, style.dash);
            canvas.marker(middle, style.marker, 7.0, ink(style, 1.0));
        }
        Series::Points(_) => canvas.marker(middle, style.marker, f64::from(style.size_px) + 1.0, ink(style, 1.0)),
        Series::Bars(_) | Series::Histogram(_) => {
            let area = Rect::around(middle, 22.0, 11.0);
            canvas.fill(area, ink(style, 1.0));
            canvas.hatch(area, style.hatch);
        }
    }
    canvas.text(&item.name, (x + 31.0, y), Lettering::new(TICK_PX, HPos::Left));
}

fn panel(canvas: &mut Canvas<'_>, frame: &Frame) {
    x_axis(canvas, frame);
    y_axis(canvas, frame);
    // What lies in the background first, whatever the order of the series.
    let mut order: Vec<usize> = (0..frame.styles.len()).collect();
    order.sort_by(|a, b| frame.styles[*a].opacity.total_cmp(&frame.styles[*b].opacity));
    for idx in order {
        let style = &frame.styles[idx];
        match &frame.panel.series[idx] {
            Series::Line(data) => line(canvas, frame, data, style, idx),
            Series::Points(data) => points(canvas, frame, data, style),
            Series::Bars(data) => bars(canvas, frame, data, style, frame.bar_slot(idx)),
            Series::Histogram(data) => histogram(canvas, frame, data, style),
        }
    }
    ref_lines(canvas, frame);
    let Rect { left, top, right, bottom } = frame.area;
    canvas.path(&[(left, top), (left, bottom), (right, bottom)], grey(90), 1.0, Dash::Solid);
    texts(canvas, frame);
}

fn x_axis(canvas: &mut Canvas<'_>, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    let below = Lettering::new(TICK_PX, HPos::Center);
    if frame.category_lines.is_empty() {
        for (value, text) in frame.x.ticks(62.0) {
            let x = frame.x.px(value);
            canvas.path(&[(x, top), (x, bottom)], grey(232), 1.0, Dash::Solid);
            canvas.path(&[(x, bottom), (x, bottom + 4.0)], grey(90), 1.0, Dash::Solid);
            canvas.text(&text, (x, bottom + 13.0), below);
        }
    }
    for (category, lines) in (0..).map(f64::from).zip(&frame.category_lines) {
        for (line, text) in (0..).map(f64::from).zip(lines) {
            canvas.text(text, (frame.x.px(category), bottom + 13.0 + 14.0 * line), below);
        }
    }
    let n_lines = frame.category_lines.iter().map(Vec::len).max().unwrap_or(1) as f64;
    let (x, room) = ((left + right) / 2.0, right - left + 30.0);
    title(
        canvas,
        &frame.panel.x.title,
        (x, bottom + 22.0 + 14.0 * n_lines),
        room,
        Lettering::new(AXIS_PX, HPos::Center),
    );
    let bold = Lettering { bold: true, ..Lettering::new(AXIS_PX, HPos::Left) };
    for (line, text) in (0..).map(f64::from).zip(&frame.title_lines) {
        canvas.text(text, (left, frame.title_px + 16.0 * line), bold);
    }
}

fn y_axis(canvas: &mut Canvas<'_>, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    for (value, text) in frame.y.ticks(42.0) {
        let y = frame.y.px(value);
        canvas.path(&[(left, y), (right, y)], grey(232), 1.0, Dash::Solid);
        canvas.path(&[(left - 4.0, y), (left, y)], grey(90), 1.0, Dash::Solid);
        canvas.text(&text, (left - 7.0, y), Lettering::new(TICK_PX, HPos::Right));
    }
    let upward = Lettering { upward: true, ..Lettering::new(AXIS_PX, HPos::Center) };
    title(canvas, &frame.panel.y.title, (left - 50.0, (top + bottom) / 2.0), bottom - top + 30.0, upward);
}

/// A title, in smaller letters where the room is too narrow.
fn title(canvas: &mut Canvas<'_>, text: &str, at: Px, room_px: f64, lettering: Lettering) {
    let width = text_width_px(text, lettering.size_px);
    let size_px = lettering.size_px * (room_px / width.max(1.0)).min(1.0);
    if !text.is_empty() {
        canvas.text(text, at, Lettering { size_px, ..lettering });
    }
}

fn line(canvas: &mut Canvas<'_>, frame: &Frame, data: &Line, style: &Style, idx: usize) {
    let path: Vec<Px> = data.x.iter().zip(&data.y).map(|(x, y)| frame.px(*x, *y)).collect();
    for piece in frame.area.clip_path(&path) {
        canvas.path(&thinned(&piece, 1.0), ink(style, 0.9), 1.7, style.dash);
    }
    // A few markers tell curves apart in grey; each series has them at other places.
    let every = if path.len() <= 12 { 1 } else { path.len() / 6 };
    let first = if every == 1 { 0 } else { every * (idx % 7) / 7 };
    for at in path.into_iter().skip(first).step_by(every).filter(|at| frame.area.holds(*at, 0.5)) {
        canvas.marker(at, style.marker, 7.0, ink(style, 1.0));
    }
}

fn points(canvas: &mut Canvas<'_>, frame: &Frame, data: &Points, style: &Style) {
    let size_px = f64::from(style.size_px);
    for (x, y) in data.x.iter().zip(&data.y).filter(|(x, y)| frame.x.contains(**x) && frame.y.contains(**y)) {
        let at = frame.px(*x, *y);
        if style.opacity == 1.0 {
            canvas.marker(at, style.marker, size_px + 1.6, grey(255));
        }
        canvas.marker(at, style.marker, size_px, ink(style, 0.95));
    }
}

fn bars(canvas: &mut Canvas<'_>, frame: &Frame, data: &Bars, style: &Style, slot: (f64, f64)) {
    for category in 0..data.values.len() {
        let Some(area) = frame.bar_area(data, category, slot) else { continue };
        let x = area.centre().0;
        canvas.fill(area, ink(style, 1.0));
        canvas.hatch(area, style.hatch);
        whisker(canvas, frame, data, category, x);
        if let Some(text) = data.texts.get(category) {
            let top = frame.y.px(data.top(category)).clamp(frame.area.top, frame.area.bottom);
            canvas.text(text, (x, top - 8.0), Lettering::new(LABEL_PX, HPos::Center));
        }
    }
}

/// Draws a bar's confidence interval, if it has one.
fn whisker(canvas: &mut Canvas<'_>, frame: &Frame, data: &Bars, category: usize, x: f64) -> Option<()> {
    let (low, high) = (*data.low.get(category)?, *data.high.get(category)?);
    let inside = |y: f64| y.clamp(frame.area.top, frame.area.bottom);
    let (low, high) = (low.is_finite().then(|| frame.y.px(low))?, high.is_finite().then(|| frame.y.px(high))?);
    canvas.path(&[(x, inside(low)), (x, inside(high))], grey(255), 3.4, Dash::Solid);
    canvas.path(&[(x, inside(low)), (x, inside(high))], grey(25), 1.4, Dash::Solid);
    for end in [low, high].into_iter().filter(|y| inside(*y) == *y) {
        canvas.path(&[(x - 4.0, end), (x + 4.0, end)], grey(25), 1.4, Dash::Solid);
    }
    Some(())
}

fn histogram(canvas: &mut Canvas<'_>, frame: &Frame, data: &Histogram, style: &Style) {
    let mut outline = vec![(data.edges[0], 0.0)];
    for (bin, count) in data.counts.iter().enumerate() {
        let (left, right) = (data.edges[bin], data.edges[bin + 1]);
        outline.extend([(left, *count), (right, *count)]);
        let (left, right) = (frame.x.px(left).max(frame.area.left), frame.x.px(right).min(frame.area.right));
        let top = frame.y.px(*count).clamp(frame.area.top, frame.area.bottom);
        if *count > 0.0 && left < right {
            canvas.fill(Rect { left, top, right, bottom: frame.area.bottom }, ink(style, 0.35));
        }
    }
    outline.push((data.edges[data.counts.len()], 0.0));
    let outline: Vec<Px> =
        outline.into_iter().map(|(x, y)| (frame.x.px(x), frame.y.px(y).min(frame.area.bottom))).collect();
    for piece in frame.area.clip_path(&outline) {
        canvas.path(&piece, ink(style, 1.0), 1.6, style.dash);
    }
}

fn ref_lines(canvas: &mut Canvas<'_>, frame: &Frame) {
    let Rect { left, top, right, bottom } = frame.area;
    for line in &frame.panel.ref_lines {
        let (scale, at) = if line.vertical { (frame.x, frame.x.px(line.at)) } else { (frame.y, frame.y.px(line.at)) };
        let ends = if line.vertical { [(at, top), (at, bottom)] } else { [(left, at), (right, at)] };
        if scale.contains(line.at) {
            canvas.path(&ends, grey(60), 1.2, Dash::Dash);
        }
    }
}

fn texts(canvas: &mut Canvas<'_>, frame: &Frame) {
    for (label, placed) in frame.panel.labels.iter().zip(&frame.texts.labels) {
        let Some(placed) = placed else { continue };
        if let Some((from, to)) = leader(frame.px(label.x, label.y), &placed.area) {
            canvas.path(&[from, to], grey(90), 0.8, Dash::Solid);
        }
        written(canvas, placed, 10);
    }
    for placed in frame.texts.ref_lines.iter().flatten() {
        canvas.fill(placed.area, grey(255).mix(0.7));
        written(canvas, placed, 60);
    }
}

fn written(canvas: &mut Canvas<'_>, placed: &Placed, shade: u8) {
    let lettering = Lettering { ink: grey(shade), ..Lettering::new(LABEL_PX, HPos::Center) };
    canvas.text(&placed.text, placed.area.centre(), lettering);
}
