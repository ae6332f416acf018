//! Points and lines in pixels: clipping, thinning.

use std::collections::HashSet;

/// A place on the page: right, down.
pub(super) type Px = (f64, f64);

/// An upright rectangle on the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    /// The rectangle of a size around a centre.
    pub(super) fn around((x, y): Px, width: f64, height: f64) -> Rect {
        Rect { left: x - width / 2.0, top: y - height / 2.0, right: x + width / 2.0, bottom: y + height / 2.0 }
    }

    /// The middle.
    pub(super) fn centre(&self) -> Px {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Distance between the sides.
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    /// Distance between top and bottom.
    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    /// Whether a point lies inside, `margin` pixels outside counted in.
    pub(super) fn holds(&self, (x, y): Px, margin: f64) -> bool {
        x >= self.left - margin && x <= self.right + margin && y >= self.top - margin && y <= self.bottom + margin
    }

    /// Whether two rectangles share an area.
    pub(super) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Whether `other` lies wholly inside.
    pub(super) fn encloses(&self, other: &Rect) -> bool {
        self.holds((other.left, other.top), 0.0) && self.holds((other.right, other.bottom), 0.0)
    }

    /// The part of a segment that lies inside (Liang–Barsky).
    pub(super) fn clip(&self, from: Px, to: Px) -> Option<(Px, Px)> {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let sides = [
            (-dx, from.0 - self.left),
            (dx, self.right - from.0),
            (-dy, from.1 - self.top),
            (dy, self.bottom - from.1),
        ];
        let (mut start, mut end) = (0.0f64, 1.0f64);
        for (slope, room) in sides {
            if slope < 0.0 {
                start = start.max(room / slope);
            } else if slope > 0.0 {
                end = end.min(room / slope);
            } else if room < 0.0 {
                return None;
            }
        }
        let at = |t: f64| (from.0 + t * dx, from.1 + t * dy);
        (start <= end).then(|| (at(start), at(end)))
    }

    /// The pieces of a path that lie inside.
    pub(super) fn clip_path(&self, path: &[Px]) -> Vec<Vec<Px>> {
        let mut pieces: Vec<Vec<Px>> = Vec::new();
        for (from, to) in path.windows(2).filter_map(|pair| self.clip(pair[0], pair[1])) {
            match pieces.last_mut() {
                Some(piece) if piece.last() == Some(&from) => piece.push(to),
                _ => pieces.push(vec![from, to]),
            }
        }
        pieces
    }
}

/// Distance between two points.
pub(super) fn distance(a: Px, b: Px) -> f64 {
    (a.0 - b.0).hypot(a.1 - b.1)
}

/// A path without the points that lie within `min_px` of the one before; its ends stay.
pub(super) fn thinned(path: &[Px], min_px: f64) -> Vec<Px> {
    let mut kept: Vec<Px> = Vec::with_capacity(path.len());
    for (idx, point) in path.iter().enumerate() {
        if idx == 0 || idx + 1 == path.len() || kept.last().is_none_or(|last| distance(*last, *point) >= min_px) {
            kept.push(*point);
        }
    }
    kept
}

/// Points without those that lie on the same place as an earlier one, in a grid of `grid_px`.
pub(super) fn apart(points: Vec<Px>, grid_px: f64) -> Vec<Px> {
    let mut taken = HashSet::new();
    let place = |(x, y): &Px| ((x / grid_px).round() as i64, (y / grid_px).round() as i64);
    points.into_iter().filter(|point| taken.insert(place(point))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_points_on_one_place_the_first_stays() {
        assert_eq!(apart(vec![(1.0, 1.0), (1.1, 0.9), (1.6, 1.0), (1.0, 1.0)], 0.5), [(1.0, 1.0), (1.6, 1.0)]);
    }

    #[test]
    fn a_path_is_clipped_where_it_leaves_and_enters() {
        let frame = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };
        let pieces = frame.clip_path(&[(1.0, 5.0), (5.0, 5.0), (5.0, 15.0), (8.0, 15.0), (8.0, 5.0)]);
        assert_eq!(pieces, [vec![(1.0, 5.0), (5.0, 5.0), (5.0, 10.0)], vec![(8.0, 10.0), (8.0, 5.0)]]);
    }
}
