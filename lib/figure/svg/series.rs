//! Lines, points, bars and histograms within their panel.

use super::super::canvas::{Canvas, Ink};
use super::super::frame::Frame;
use super::super::geometry::{Px, Rect, apart, thinned};
use super::super::series::{Bars, Histogram, Line, Points, Series};
use super::super::style::{Hatch, Style};

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
            canvas.marks(&[middle], style.marker, 7.0, ink);
        }
        Series::Points(_) => canvas.marks(&[middle], style.marker, f64::from(style.size_px), ink),
        Series::Bars(_) | Series::Histogram(_) => hatched(canvas, vec![Rect::around(middle, 22.0, 11.0)], style),
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
    let marked = path.into_iter().skip(first).step_by(every).filter(|at| frame.area.holds(*at, 0.5));
    canvas.marks(&marked.collect::<Vec<Px>>(), style.marker, 7.0, Ink::of(style));
}

/// A large cloud is drawn in this many layers, so that it is seen where points lie on one another.
const N_LAYERS: usize = 4;
/// Points of a large cloud.
const N_MANY: usize = 100;

fn points(canvas: &mut Canvas, frame: &Frame, data: &Points, style: &Style) {
    let places = data.x.iter().zip(&data.y).map(|(x, y)| frame.px(*x, *y));
    let places = places.filter(|at| frame.area.holds(*at, 0.01)).collect();
    let places = if data.x.len() > N_MANY { apart(places, 0.7) } else { places };
    let n_layers = if places.len() > N_MANY { N_LAYERS } else { 1 };
    for layer in 0..n_layers {
        let of_layer: Vec<Px> = places.iter().copied().skip(layer).step_by(n_layers).collect();
        canvas.marks(&of_layer, style.marker, f64::from(style.size_px) + 0.6, Ink::of(style));
    }
}

fn bars(canvas: &mut Canvas, frame: &Frame, data: &Bars, style: &Style, idx: usize) {
    let bars = frame.bars(idx, data);
    hatched(canvas, bars.iter().map(|bar| bar.area).collect(), style);
    let mut stems: Vec<(Px, Px)> = Vec::new();
    let mut feet: Vec<(Px, Px)> = Vec::new();
    for bar in bars {
        let ends = data.low.get(bar.category).zip(data.high.get(bar.category));
        let Some((low, high)) = ends.filter(|(low, high)| low.is_finite() && high.is_finite()) else { continue };
        let (x, ends) = (bar.area.centre().0, [frame.y.px(*low), frame.y.px(*high)]);
        stems.push(((x, frame.within(ends[0])), (x, frame.within(ends[1]))));
        let inside = ends.into_iter().filter(|y| frame.within(*y) == *y);
        feet.extend(inside.map(|y| ((x - 4.0, y), (x + 4.0, y))));
    }
    // A confidence interval has a white rim, and a foot at each end that lies within the panel.
    canvas.strokes(stems.iter().copied(), Ink::grey(255), 3.4);
    canvas.strokes(stems.into_iter().chain(feet), Ink::grey(25), 1.4);
}

fn histogram(canvas: &mut Canvas, frame: &Frame, data: &Histogram, style: &Style) {
    let Rect { left, right, bottom, .. } = frame.area;
    let floor = frame.y.px(0.0).min(bottom);
    let mut outline = vec![(frame.x.px(data.edges[0]), floor)];
    for (bin, count) in data.edges.windows(2).zip(&data.counts) {
        let (from, to, y) = (frame.x.px(bin[0]), frame.x.px(bin[1]), frame.y.px(*count));
        outline.extend([(from, y.min(bottom)), (to, y.min(bottom))]);
    }
    outline.push((frame.x.px(data.edges[data.counts.len()]), floor));
    let inside = |(x, y): &Px| (x.clamp(left, right), frame.within(*y));
    canvas.polygon(&outline.iter().map(inside).collect::<Vec<Px>>(), Ink::of(style).sheer(0.35));
    for piece in frame.area.clip_path(&outline) {
        canvas.path(&piece, Ink::of(style), 1.6, style.dash);
    }
}

/// Filled rectangles with the white lines of their style.
fn hatched(canvas: &mut Canvas, areas: Vec<Rect>, style: &Style) {
    canvas.rects(&areas, Ink::of(style));
    // whole pixels: a pattern needs no tenths
    let whole = |(from, to): (Px, Px)| ((from.0.round(), from.1.round()), (to.0.round(), to.1.round()));
    let lines = areas.iter().flat_map(|area| hatch(*area, style.hatch)).map(whole);
    canvas.strokes(lines, Ink::grey(255).sheer(0.75), 1.8);
}

/// The lines of a pattern within a rectangle.
fn hatch(area: Rect, hatch: Hatch) -> Vec<(Px, Px)> {
    let Rect { left, top, right, bottom } = area;
    let (width, height) = (area.width(), area.height());
    let every = |room: f64| (1..(room / 8.0).ceil() as u32).map(|k| 8.0 * f64::from(k));
    let lines: Vec<(Px, Px)> = match hatch {
        Hatch::Solid => Vec::new(),
        Hatch::Horizontal => every(height).map(|d| ((left, bottom - d), (right, bottom - d))).collect(),
        Hatch::Vertical => every(width).map(|d| ((left + d, top), (left + d, bottom))).collect(),
        Hatch::Rising => every(width + height).map(|d| ((left + d - height, bottom), (left + d, top))).collect(),
        Hatch::Falling => every(width + height).map(|d| ((left + d - height, top), (left + d, bottom))).collect(),
    };
    lines.into_iter().filter_map(|(from, to)| area.clip(from, to)).collect()
}
