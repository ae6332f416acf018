//! A sheet to draw on: plotters' SVG backend with tenths of a pixel, dashes and markers.

use super::geometry::{Px, Rect};
use super::layout::FONT;
use super::style::{Dash, Hatch, Marker, Style};
use plotters::backend::{DrawingBackend, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontTransform, IntoFont, RGBAColor, RGBColor, ShapeStyle, TextStyle};

/// Backend units per pixel: plotters draws at whole units only.
const UNITS: f64 = 10.0;

/// A colour with an opacity.
pub(super) type Ink = RGBAColor;

/// Shade of grey, 0 black to 255 white.
pub(super) fn grey(shade: u8) -> Ink {
    RGBColor(shade, shade, shade).mix(1.0)
}

/// A style's colour, its opacity multiplied by `opacity`.
pub(super) fn ink(style: &Style, opacity: f64) -> Ink {
    let (red, green, blue) = style.color;
    RGBColor(red, green, blue).mix(style.opacity * opacity)
}

/// How a text stands: size, place relative to its point, weight, direction.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub(super) size_px: f64,
    pub(super) anchor: HPos,
    pub(super) ink: Ink,
    pub(super) bold: bool,
    pub(super) upward: bool,
}

impl Lettering {
    /// Upright dark letters.
    pub(super) fn new(size_px: f64, anchor: HPos) -> Lettering {
        Lettering { size_px, anchor, ink: grey(45), bold: false, upward: false }
    }
}

/// A sheet of a given size.
pub(super) struct Canvas<'a> {
    backend: SVGBackend<'a>,
    /// The dash of each path so far: plotters knows none, so they are written into its text afterwards.
    dashes: Vec<Dash>,
}

fn units((x, y): Px) -> (i32, i32) {
    ((x * UNITS).round() as i32, (y * UNITS).round() as i32)
}

fn stroke(ink: Ink, width_px: f64) -> ShapeStyle {
    ShapeStyle { color: ink, filled: false, stroke_width: (width_px * UNITS).round() as u32 }
}

impl Canvas<'_> {
    /// Draws on an empty sheet and gives the SVG text.
    pub(super) fn sheet(title: &str, width_px: f64, height_px: f64, draw: impl FnOnce(&mut Canvas<'_>)) -> String {
        let mut text = String::new();
        let (width, height) = ((width_px * UNITS) as u32, (height_px * UNITS) as u32);
        let mut canvas = Canvas { backend: SVGBackend::with_string(&mut text, (width, height)), dashes: Vec::new() };
        draw(&mut canvas);
        // A backend that writes into a string has nothing that can fail, here and below.
        let _ = canvas.backend.present();
        let dashes = std::mem::take(&mut canvas.dashes);
        drop(canvas);
        let title = escaped(title);
        let head = format!(
            "<svg width=\"{width_px}\" height=\"{height_px}\" viewBox=\"0 0 {width} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"{FONT}\" stroke-linejoin=\"round\" \
             role=\"img\" aria-label=\"{title}\" \
             style=\"max-width:100%;height:auto;background:#fff\">\n"
        );
        tidied(head, &text, &dashes)
    }

    /// A path in one colour.
    pub(super) fn path(&mut self, path: &[Px], ink: Ink, width_px: f64, dash: Dash) {
        self.dashes.push(dash);
        let _ = self.backend.draw_path(path.iter().copied().map(units), &stroke(ink, width_px));
    }

    /// A filled rectangle.
    pub(super) fn fill(&mut self, area: Rect, ink: Ink) {
        let (from, to) = (units((area.left, area.top)), units((area.right, area.bottom)));
        let _ = self.backend.draw_rect(from, to, &ShapeStyle::from(&ink).filled(), true);
    }

    /// White lines over a rectangle.
    pub(super) fn hatch(&mut self, area: Rect, hatch: Hatch) {
        let (width, height) = (area.width(), area.height());
        let every = |room: f64| (1..(room / 6.0).ceil() as u32).map(|k| f64::from(k) * 6.0);
        let lines: Vec<(Px, Px)> = match hatch {
            Hatch::Solid => Vec::new(),
            Hatch::Horizontal => {
                every(height).map(|d| ((area.left, area.bottom - d), (area.right, area.bottom - d))).collect()
            }
            Hatch::Vertical => {
                every(width).map(|d| ((area.left + d, area.top), (area.left + d, area.bottom))).collect()
            }
            Hatch::Rising => every(width + height)
                .map(|d| ((area.left + d - height, area.bottom), (area.left + d, area.top)))
                .collect(),
            Hatch::Falling => every(width + height)
                .map(|d| ((area.left + d - height, area.top), (area.left + d, area.bottom)))
                .collect(),
        };
        for (from, to) in lines.into_iter().filter_map(|(from, to)| area.clip(from, to)) {
            self.path(&[from, to], grey(255).mix(0.75), 1.4, Dash::Solid);
        }
    }

    /// A point's marker.
    pub(super) fn marker(&mut self, at: Px, marker: Marker, size_px: f64, ink: Ink) {
        let filled = ShapeStyle::from(&ink).filled();
        if marker == Marker::Circle {
            let _ = self.backend.draw_circle(units(at), (size_px / 2.0 * UNITS).round() as u32, &filled, true);
            return;
        }
        let corners = corners(marker).iter().map(|(x, y)| units((at.0 + x * size_px / 2.0, at.1 + y * size_px / 2.0)));
        let _ = self.backend.fill_polygon(corners, &filled);
    }

    /// A text on one line, vertically centred on its point.
    pub(super) fn text(&mut self, text: &str, at: Px, lettering: Lettering) {
        // plotters writes 1/1.24 of the size it is given.
        let font = (FONT, lettering.size_px * UNITS * 1.24).into_font();
        let font = if lettering.bold { font.style(plotters::style::FontStyle::Bold) } else { font };
        let font = if lettering.upward { font.transform(FontTransform::Rotate270) } else { font };
        let style = TextStyle::from(font).color(&lettering.ink).pos(Pos::new(lettering.anchor, VPos::Center));
        let _ = self.backend.draw_text(&printable(text), &style, units(at));
    }
}

/// Corners of a marker within −1 to 1.
fn corners(marker: Marker) -> &'static [Px] {
    match marker {
        Marker::Circle => &[],
        Marker::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
        Marker::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        Marker::TriangleUp => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
        Marker::TriangleDown => &[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)],
        #[rustfmt::skip]
        Marker::Cross => &[(-0.4, -1.1), (0.4, -1.1), (0.4, -0.4), (1.1, -0.4), (1.1, 0.4), (0.4, 0.4), (0.4, 1.1),
            (-0.4, 1.1), (-0.4, 0.4), (-1.1, 0.4), (-1.1, -0.4), (-0.4, -0.4)],
        #[rustfmt::skip]
        Marker::X => &[(-1.1, -0.55), (-0.55, -1.1), (0.0, -0.55), (0.55, -1.1), (1.1, -0.55), (0.55, 0.0), (1.1, 0.55),
            (0.55, 1.1), (0.0, 0.55), (-0.55, 1.1), (-1.1, 0.55), (-0.55, 0.0)],
    }
}

/// A text without characters that XML forbids; line breaks show as `↵`.
fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' => '↵',
        c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

fn escaped(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The backend's text under our own head: each element on a line that begins with `<`, paths with their dashes, no
/// attributes that say what holds anyway.
fn tidied(head: String, text: &str, dashes: &[Dash]) -> String {
    let mut svg = head;
    let mut dashes = dashes.iter();
    for line in text.lines().skip(1) {
        if !line.starts_with('<') || line == "</text>" {
            svg.truncate(svg.trim_end_matches('\n').len());
        }
        match line.strip_prefix("<polyline ") {
            Some(rest) => svg.extend(["<polyline ", &dash_array(dashes.next()), rest]),
            None => svg.push_str(line),
        }
        svg.push('\n');
    }
    let family = format!(" font-family=\"{FONT}\" font-size");
    let svg = svg.replace(&family, " font-size").replace(".00000000000001\"", "\"").replace(" \"/>", "\"/>");
    let spare = [" stroke=\"none\" stroke-width=\"1\"", " stroke=\"none\"", " opacity=\"1\""];
    spare.into_iter().fold(svg.trim_end().to_string(), |svg, attribute| svg.replace(attribute, ""))
}

fn dash_array(dash: Option<&Dash>) -> String {
    let pattern = dash.map_or(&[][..], |dash| dash.pattern_px());
    let lengths: Vec<String> = pattern.iter().map(|px| (px * UNITS).to_string()).collect();
    if lengths.is_empty() { String::new() } else { format!("stroke-dasharray=\"{}\" ", lengths.join(" ")) }
}
