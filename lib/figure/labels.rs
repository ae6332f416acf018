//! Where texts go inside a panel: beside their point or line, over as little as possible.

use super::frame::Frame;
use super::geometry::{Px, Rect, distance};
use super::panel::{Label, Panel, RefLine};
use super::series::Series;
use super::text::{LABEL_PX, broken, width_px};

/// The texts of a panel that have found their place.
pub(super) struct Texts {
    /// Texts above bars, in the place of missing ones and of all that is missing, with the bar's end that each keeps its
    /// distance to.
    pub(super) bars: Vec<(String, Rect, Px)>,
    pub(super) ref_lines: Vec<(RefLine, Rect)>,
    pub(super) labels: Vec<(Label, Rect)>,
    /// Number of texts for which there was no room.
    pub(super) n_left_out: usize,
}

impl Texts {
    /// Finds a place for every text of a panel: reference lines first, then labelled points.
    pub(super) fn place(frame: &Frame) -> Texts {
        let Panel { ref_lines, labels, .. } = &frame.panel;
        let n_texts = ref_lines.len() + labels.len();
        let bars = [above_bars(frame), in_gaps(frame), in_emptiness(frame).into_iter().collect()].concat();
        let mut taken = Taken::new(frame, bars.iter().map(|(_, area, _)| *area).collect());
        let beside_line = |line: &RefLine| Some((line.clone(), taken.choose(along(frame, line))?));
        let ref_lines: Vec<(RefLine, Rect)> = ref_lines.iter().filter_map(beside_line).collect();
        // A label may cover no labelled point, its own neither.
        taken.areas.extend(labels.iter().map(|label| Rect::around(frame.px(label.x, label.y), 9.0, 9.0)));
        let beside_point = |label: &Label| {
            let point = frame.px(label.x, label.y);
            let costs = around(point, size(&label.text)).map(|(area, own)| (area, own + taken.crossed(point, &area)));
            let area = taken.choose(costs.collect())?;
            taken.leaders.extend(leader(point, &area));
            Some((label.clone(), area))
        };
        let labels: Vec<(Label, Rect)> = labels.iter().filter_map(beside_point).collect();
        let n_left_out = n_texts - ref_lines.len() - labels.len();
        Texts { bars, ref_lines, labels, n_left_out }
    }
}

/// The short texts above bars, each lifted until it covers no other.
fn above_bars(frame: &Frame) -> Vec<(String, Rect, Px)> {
    let mut placed: Vec<(String, Rect, Px)> = Vec::new();
    for (idx, series) in frame.panel.series.iter().enumerate() {
        let Series::Bars(data) = series else { continue };
        for bar in frame.bars(idx, data) {
            let Some(text) = data.texts.get(bar.category).filter(|text| !text.is_empty()) else { continue };
            let ((x, y), (width, height)) = (bar.text_at(), size(text));
            let lifts = (0..16).map(|lift| Rect::around((x, y - 3.0 * f64::from(lift)), width, height));
            let is_free = |area: &Rect| !placed.iter().any(|(_, other, _)| other.overlaps(area));
            let area = lifts.into_iter().find(is_free).unwrap_or(Rect::around((x, y), width, height));
            placed.push((text.clone(), area, (x, bar.top_px)));
        }
    }
    placed
}

/// What stands where a category has no bars, in lines from the axis up.
fn in_gaps(frame: &Frame) -> Vec<(String, Rect, Px)> {
    let slot = frame.area.width() / frame.panel.categories.len().max(1) as f64;
    let lines = |(category, text): &(usize, String)| {
        let (x, bottom) = (frame.x.px(*category as f64), frame.area.bottom);
        let lines = broken(text, LABEL_PX, slot - 4.0);
        let line = move |(place, text): (usize, String)| {
            let (width, height) = size(&text);
            (text, Rect::around((x, bottom - 10.0 - 13.0 * place as f64), width, height), (x, bottom))
        };
        lines.into_iter().rev().enumerate().map(line).collect::<Vec<_>>()
    };
    frame.panel.gaps.iter().flat_map(lines).collect()
}

/// What stands in a panel that has nothing to show.
fn in_emptiness(frame: &Frame) -> Option<(String, Rect, Px)> {
    let is_drawn = |series: &Series| series.xy().1.iter().any(|y| y.is_finite());
    let Panel { series, gaps, .. } = &frame.panel;
    if series.iter().any(is_drawn) || !gaps.is_empty() {
        return None;
    }
    let (text, centre) = ("nothing to show", frame.area.centre());
    let (width, height) = size(text);
    Some((text.into(), Rect::around(centre, width, height), centre))
}

fn size(text: &str) -> (f64, f64) {
    (width_px(text, LABEL_PX) + 4.0, LABEL_PX + 3.0)
}

/// Areas at both sides of a reference line, with their cost: of a vertical line from the top down, of a horizontal one
/// from its right to its left end.
fn along(frame: &Frame, line: &RefLine) -> Vec<(Rect, f64)> {
    let (width, height) = size(&line.text);
    let Rect { left: x, top: y, .. } = frame.ref_line(line);
    let centres: Vec<Px> = if line.vertical {
        let (aside, rows) = (3.0 + width / 2.0, (0..12).map(|row| frame.area.top + 10.0 + 15.0 * f64::from(row)));
        rows.flat_map(|y| [(x + aside, y), (x - aside, y)]).collect()
    } else {
        let (last, room) = (frame.area.right - 3.0 - width / 2.0, frame.area.width() - width - 6.0);
        let places = (0..=30).map(|place| last - room * f64::from(place) / 30.0);
        places.flat_map(|x| [(x, y - 8.5), (x, y + 8.5)]).collect()
    };
    let areas = centres.into_iter().map(|centre| Rect::around(centre, width, height));
    areas.zip((0..).map(|rank| 0.04 * f64::from(rank))).collect()
}

/// Areas around a point in widening rings, with their cost: near and to the right is best.
fn around(point: Px, (width, height): (f64, f64)) -> impl Iterator<Item = (Rect, f64)> {
    let rings = [7.0, 16.0, 28.0, 44.0, 64.0];
    rings.into_iter().flat_map(move |ring| {
        (0..16).map(move |step| {
            let angle = f64::from(step) * std::f64::consts::TAU / 16.0;
            let centre = (point.0 + angle.cos() * (ring + width / 2.0), point.1 - angle.sin() * (ring + height / 2.0));
            (Rect::around(centre, width, height), ring * 0.08 + 0.1 * (1.0 - angle.cos()))
        })
    })
}

/// What is already inside a panel: texts, which may not be covered, and data, which had better not be.
struct Taken {
    frame: Rect,
    areas: Vec<Rect>,
    points: Vec<(Px, f64)>,
    bars: Vec<Rect>,
    ref_lines: Vec<Rect>,
    leaders: Vec<(Px, Px)>,
}

impl Taken {
    fn new(frame: &Frame, areas: Vec<Rect>) -> Taken {
        let (mut points, mut bars) = (Vec::new(), Vec::new());
        for (idx, (series, style)) in frame.panel.series.iter().zip(&frame.styles).enumerate() {
            let weight = if style.opacity < 1.0 { 0.5 } else { 3.5 };
            match series {
                Series::Bars(data) => {
                    for bar in frame.bars(idx, data) {
                        bars.push(Rect { top: bar.area.top.min(bar.top_px), ..bar.area });
                    }
                }
                Series::Histogram(_) => {}
                Series::Line(_) | Series::Points(_) => {
                    let (x, y) = series.xy();
                    points.extend(x.iter().zip(y).map(|(x, y)| (frame.px(*x, *y), weight)));
                }
            }
        }
        let ref_lines = frame.panel.ref_lines.iter().map(|line| frame.ref_line(line)).collect();
        Taken { frame: frame.area, areas, points, bars, ref_lines, leaders: Vec::new() }
    }

    /// Takes the area that costs least among those that are free of other texts.
    fn choose(&mut self, areas: Vec<(Rect, f64)>) -> Option<Rect> {
        let is_free = |area: &Rect| self.frame.encloses(area) && !self.areas.iter().any(|other| other.overlaps(area));
        let free = areas.into_iter().filter(|(area, _)| is_free(area));
        let (area, _) = free.map(|(area, own)| (area, own + self.cost(&area))).min_by(|a, b| a.1.total_cmp(&b.1))?;
        self.areas.push(area);
        Some(area)
    }

    /// How much data an area covers.
    fn cost(&self, area: &Rect) -> f64 {
        let points: f64 =
            self.points.iter().filter(|(point, _)| area.holds(*point, 4.0)).map(|(_, weight)| weight).sum();
        let bars = self.bars.iter().filter(|bar| bar.overlaps(area)).count() as f64;
        let ref_lines = self.ref_lines.iter().filter(|line| line.overlaps(area)).count() as f64;
        let leaders = self.leaders.iter().filter(|(from, to)| area.clip(*from, *to).is_some()).count() as f64;
        points + 4.0 * bars + 2.0 * ref_lines + 4.5 * leaders
    }

    /// How many texts the line from a point to an area would cross, as a cost.
    fn crossed(&self, point: Px, area: &Rect) -> f64 {
        let Some((from, to)) = leader(point, area) else { return 0.0 };
        4.5 * self.areas.iter().filter(|other| other.clip(from, to).is_some()).count() as f64
    }
}

/// The thin line from a point to its text, where the two are not close.
pub(super) fn leader(point: Px, area: &Rect) -> Option<(Px, Px)> {
    let (_, end) = area.clip(area.centre(), point)?;
    let reach = distance(point, end);
    let start = (point.0 + (end.0 - point.0) * 5.0 / reach, point.1 + (end.1 - point.1) * 5.0 / reach);
    (reach > 13.0).then_some((start, end))
}
