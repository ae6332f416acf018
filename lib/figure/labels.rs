//! Where texts go inside a panel: beside their point or line, over as little as possible.

use super::geometry::{Px, Rect, distance};
use super::layout::{Frame, text_width_px};
use super::series::{Line, Points, Series};

/// Size of texts inside a panel, in pixels.
pub(super) const LABEL_PX: f64 = 11.0;

/// A text that has found its place.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) text: String,
    pub(super) area: Rect,
}

/// The texts of a panel: reference lines first, then labelled points; `None` where there was no room.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    pub(super) ref_lines: Vec<Option<Placed>>,
    pub(super) labels: Vec<Option<Placed>>,
}

impl Texts {
    /// Finds a place for every text of a panel.
    pub(super) fn place(frame: &Frame) -> Texts {
        let mut taken = Taken::new(frame);
        let ref_lines = frame.panel.ref_lines.iter().map(|line| {
            let at = if line.vertical { frame.x.px(line.at) } else { frame.y.px(line.at) };
            let (width, height) = size(&line.text);
            let centres = if line.vertical { beside(frame.area, at, width) } else { above(frame.area, at, width) };
            let areas = (0..).map(f64::from).zip(centres);
            taken.choose(&line.text, areas.map(|(rank, centre)| (Rect::around(centre, width, height), 0.04 * rank)))
        });
        let ref_lines = ref_lines.collect();
        // A label may cover no labelled point, its own neither.
        let marked: Vec<Px> = frame.panel.labels.iter().map(|label| frame.px(label.x, label.y)).collect();
        taken.areas.extend(marked.iter().map(|point| Rect::around(*point, 9.0, 9.0)));
        let labels = frame.panel.labels.iter().zip(&marked).map(|(label, point)| {
            let (width, height) = size(&label.text);
            let areas: Vec<_> =
                around(*point, width, height).map(|(a, own)| (a, own + taken.crossed(*point, &a))).collect();
            let placed = taken.choose(&label.text, areas.into_iter())?;
            taken.leaders.extend(leader(*point, &placed.area));
            Some(placed)
        });
        Texts { labels: labels.collect(), ref_lines }
    }

    /// Number of texts without a place.
    pub(super) fn n_left_out(&self) -> usize {
        self.ref_lines.iter().chain(&self.labels).filter(|placed| placed.is_none()).count()
    }
}

fn size(text: &str) -> (f64, f64) {
    (text_width_px(text, LABEL_PX) + 4.0, LABEL_PX + 3.0)
}

/// Centres right and left of a vertical line, from the top down.
fn beside(area: Rect, x: f64, width: f64) -> Vec<Px> {
    let rows = (0..12).map(|row| area.top + 10.0 + 15.0 * f64::from(row));
    rows.flat_map(|y| [(x + 3.0 + width / 2.0, y), (x - 3.0 - width / 2.0, y)]).collect()
}

/// Centres above and below a horizontal line, from its right to its left end.
fn above(area: Rect, y: f64, width: f64) -> Vec<Px> {
    let (last, room) = (area.right - 3.0 - width / 2.0, area.width() - width - 6.0);
    let places = (0..=30).map(|place| last - room * f64::from(place) / 30.0);
    places.flat_map(|x| [(x, y - 8.5), (x, y + 8.5)]).collect()
}

/// Areas around a point in widening rings, with their cost: near and to the right is best.
fn around(point: Px, width: f64, height: f64) -> impl Iterator<Item = (Rect, f64)> {
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
    fn new(frame: &Frame) -> Taken {
        let (mut areas, mut points, mut bars) = (Vec::new(), Vec::new(), Vec::new());
        for (idx, (series, style)) in frame.panel.series.iter().zip(&frame.styles).enumerate() {
            let weight = if style.opacity < 1.0 { 0.5 } else { 3.5 };
            match series {
                Series::Line(Line { x, y, .. }) | Series::Points(Points { x, y, .. }) => {
                    points.extend(x.iter().zip(y).map(|(x, y)| (frame.px(*x, *y), weight)));
                }
                Series::Bars(data) => {
                    for category in 0..data.values.len() {
                        let Some(area) = frame.bar_area(data, category, frame.bar_slot(idx)) else { continue };
                        let top = frame.y.px(data.top(category)).clamp(frame.area.top, frame.area.bottom);
                        bars.push(Rect { top: area.top.min(top), ..area });
                        let text = data.texts.get(category).map_or("", String::as_str);
                        let (width, height) = size(text);
                        areas.push(Rect::around((area.centre().0, top - 8.0), width, height));
                    }
                }
                Series::Histogram(_) => {}
            }
        }
        let Rect { left, top, right, bottom } = frame.area;
        let ref_lines = frame.panel.ref_lines.iter().map(|line| match line.vertical {
            true => Rect { left: frame.x.px(line.at), right: frame.x.px(line.at), top, bottom },
            false => Rect { left, right, top: frame.y.px(line.at), bottom: frame.y.px(line.at) },
        });
        Taken { ref_lines: ref_lines.collect(), leaders: Vec::new(), frame: frame.area, areas, points, bars }
    }

    /// Takes the area that costs least among those that are free of other texts.
    fn choose(&mut self, text: &str, areas: impl Iterator<Item = (Rect, f64)>) -> Option<Placed> {
        let free =
            areas.filter(|(area, _)| self.frame.encloses(area) && !self.areas.iter().any(|other| other.overlaps(area)));
        let (area, _) = free.map(|(area, own)| (area, own + self.cost(&area))).min_by(|a, b| a.1.total_cmp(&b.1))?;
        self.areas.push(area);
        Some(Placed { text: text.to_string(), area })
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
