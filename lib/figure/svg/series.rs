//! Lines, points, bars and histograms within their panel.

use super::super::canvas::{Anchor, Canvas, Ink, Lettering};
use super::super::frame::Frame;
use super::super::geometry::{Px, Rect, thinned};
use super::super::series::{Bars, Histogram, Line, Points, Series};
use super::super::style::{Dash, Hatch, Marker, Style};
use super::super::text::LABEL_PX;

/// Draws the series at `idx`.
pub(super) fn draw(canvas: &mut Canvas, frame: &Frame, idx: usize) {
    let style = &frame.styles[idx];
    match &frame.panel.series[idx] {
        Series::Line(data) => line(canvas, frame, data, style, idx),
        Series::Points(data) => points(canvas, frame, data, style),
        Series::Bars(data) => bars(canvas, frame, data, style, idx),
        Series::Histogram(data) => histogram(canvas, frame, data, style),
    }
}

/// Draws a sample of a series for the legend; its left end lies at a point.
pub(super) fn sample(canvas: &mut Canvas, series: &Series, style: &Style, (x, y): Px) {
    let (ink, middle) = (Ink::of(style), (x + 13.0, y));
    match series {
        Series::Line(_) => {
            canvas.path(&[(x, y), (x + 26.0, y)], ink, 2.0, style.dash);
            marker(canvas, middle, style.marker, 7.0, ink);
        }
        Series::Points(_) => marker(canvas, middle, style.marker, f64::from(style.size_px) + 1.0, ink),
        Series::Bars(_) | Series::Histogram(_) => hatched(canvas, Rect::around(middle, 22.0, 11.0), style),
    }
}

fn line(canvas: &mut Canvas, frame: &Frame, data: &Line, style: &Style, idx: usize) {
    let path: Vec<Px> = data.x.iter().zip(&data.y).map(|(x, y)| frame.px(*x, *y)).collect();
    for piece in frame.area.clip_path(&path) {
        canvas.path(&thinned(&piece, 1.0), Ink::of(style).sheer(0.9), 1.7, style.dash);
    }
    // A few markers tell curves apart in grey; each series has them at other places.
    let every = if path.len() <= 12 { 1 } else { path.len() / 6 };
    let first = every * (idx % 7) / 7;
    for at in path.into_iter().skip(first).step_by(every).filter(|at| frame.area.holds(*at, 0.5)) {
        marker(canvas, at, style.marker, 7.0, Ink::of(style));
    }
}

fn points(canvas: &mut Canvas, frame: &Frame, data: &Points, style: &Style) {
    let size_px = f64::from(style.size_px);
    let places = data.x.iter().zip(&data.y).map(|(x, y)| frame.px(*x, *y));
    for at in places.filter(|at| frame.area.holds(*at, 0.01)) {
        if style.opacity == 1.0 {
            marker(canvas, at, style.marker, size_px + 1.6, Ink::grey(255));
        }
        marker(canvas, at, style.marker, size_px, Ink::of(style).sheer(0.95));
    }
}

fn bars(canvas: &mut Canvas, frame: &Frame, data: &Bars, style: &Style, idx: usize) {
    for bar in frame.bars(idx, data) {
        hatched(canvas, bar.area, style);
        let ends = data.low.get(bar.category).zip(data.high.get(bar.category));
        if let Some((low, high)) = ends.filter(|(low, high)| low.is_finite() && high.is_finite()) {
            whisker(canvas, frame, bar.area.centre().0, [frame.y.px(*low), frame.y.px(*high)]);
        }
        if let Some(text) = data.texts.get(bar.category) {
            canvas.text(text, bar.text_at(), Lettering::new(LABEL_PX, Anchor::Middle));
        }
    }
}

/// A bar's confidence interval, with a white rim and a foot at each end that lies within the panel.
fn whisker(canvas: &mut Canvas, frame: &Frame, x: f64, ends: [f64; 2]) {
    let stem = ends.map(|y| (x, frame.within(y)));
    canvas.path(&stem, Ink::grey(255), 3.4, Dash::Solid);
    canvas.path(&stem, Ink::grey(25), 1.4, Dash::Solid);
    for y in ends.into_iter().filter(|y| frame.within(*y) == *y) {
        canvas.path(&[(x - 4.0, y), (x + 4.0, y)], Ink::grey(25), 1.4, Dash::Solid);
    }
}

fn histogram(canvas: &mut Canvas, frame: &Frame, data: &Histogram, style: &Style) {
    let Rect { left, right, bottom, .. } = frame.area;
    let floor = frame.y.px(0.0).min(bottom);
    let mut outline = vec![(frame.x.px(data.edges[0]), floor)];
    for (bin, count) in data.edges.windows(2).zip(&data.counts) {
        let (from, to, y) = (frame.x.px(bin[0]), frame.x.px(bin[1]), frame.y.px(*count));
        outline.extend([(from, y.min(bottom)), (to, y.min(bottom))]);
        let area = Rect { left: from.max(left), top: frame.within(y), right: to.min(right), bottom };
        if *count > 0.0 && area.left < area.right {
            canvas.rect(area, Ink::of(style).sheer(0.35));
        }
    }
    outline.push((frame.x.px(data.edges[data.counts.len()]), floor));
    for piece in frame.area.clip_path(&outline) {
        canvas.path(&piece, Ink::of(style), 1.6, style.dash);
    }
}

/// A point's marker.
pub(super) fn marker(canvas: &mut Canvas, (x, y): Px, marker: Marker, size_px: f64, ink: Ink) {
    let radius = size_px / 2.0;
    let corners: Vec<Px> = marker.corners().iter().map(|(dx, dy)| (x + dx * radius, y + dy * radius)).collect();
    match marker {
        Marker::Circle => canvas.circle((x, y), radius, ink),
        _ => canvas.polygon(&corners, ink),
    }
}

/// A filled rectangle with the white lines of its style.
pub(super) fn hatched(canvas: &mut Canvas, area: Rect, style: &Style) {
    canvas.rect(area, Ink::of(style));
    let Rect { left, top, right, bottom } = area;
    let (width, height) = (area.width(), area.height());
    let every = |room: f64| (1..(room / 6.0).ceil() as u32).map(|k| 6.0 * f64::from(k));
    let lines: Vec<(Px, Px)> = match style.hatch {
        Hatch::Solid => Vec::new(),
        Hatch::Horizontal => every(height).map(|d| ((left, bottom - d), (right, bottom - d))).collect(),
        Hatch::Vertical => every(width).map(|d| ((left + d, top), (left + d, bottom))).collect(),
        Hatch::Rising => every(width + height).map(|d| ((left + d - height, bottom), (left + d, top))).collect(),
        Hatch::Falling => every(width + height).map(|d| ((left + d - height, top), (left + d, bottom))).collect(),
    };
    for (from, to) in lines.into_iter().filter_map(|(from, to)| area.clip(from, to)) {
        canvas.path(&[from, to], Ink::grey(255).sheer(0.75), 1.4, Dash::Solid);
    }
}
