//! A sheet to draw on: SVG elements in the order in which they are drawn, each on a line of its own.

use super::geometry::{Px, Rect};
use super::style::{Dash, Style};
use super::text::{FONT, rounded};

/// A colour with an opacity.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    rgb: (u8, u8, u8),
    opacity: f64,
}

impl Ink {
    /// Shade of grey, 0 black to 255 white.
    pub(super) fn grey(shade: u8) -> Ink {
        Ink { rgb: (shade, shade, shade), opacity: 1.0 }
    }

    /// A style's colour and opacity.
    pub(super) fn of(style: &Style) -> Ink {
        Ink { rgb: style.color, opacity: style.opacity }
    }

    /// The same colour, the opacity multiplied by `part`.
    pub(super) fn sheer(self, part: f64) -> Ink {
        Ink { opacity: self.opacity * part, ..self }
    }

    /// The attributes that paint with it; `attribute` is `fill` or `stroke`.
    fn paint(self, attribute: &str) -> String {
        let (red, green, blue) = self.rgb;
        let color = format!(r##"{attribute}="#{red:02x}{green:02x}{blue:02x}""##);
        if self.opacity < 1.0 { format!(r#"{color} opacity="{}""#, rounded(self.opacity, 4)) } else { color }
    }
}

/// Which end of a text lies at its point.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text stands: size, place relative to its point, weight, direction.
#[derive(Clone, Copy)]
pub(super) struct Lettering {
    pub(super) size_px: f64,
    pub(super) anchor: Anchor,
    pub(super) ink: Ink,
    pub(super) bold: bool,
    pub(super) upward: bool,
}

impl Lettering {
    /// Upright dark letters.
    pub(super) fn new(size_px: f64, anchor: Anchor) -> Lettering {
        Lettering { size_px, anchor, ink: Ink::grey(45), bold: false, upward: false }
    }
}

/// A sheet of a given size.
pub(super) struct Canvas {
    svg: String,
}

impl Canvas {
    /// An empty white sheet.
    pub(super) fn new(title: &str, width: f64, height: f64) -> Canvas {
        let mut canvas = Canvas { svg: String::new() };
        canvas.push(format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"{FONT}\" fill=\"none\" stroke-linejoin=\"round\" \
             role=\"img\" aria-label=\"{}\" style=\"max-width:100%;height:auto;background:#fff\">",
            escaped(title)
        ));
        canvas.rect(Rect { left: 0.0, top: 0.0, right: width, bottom: height }, Ink::grey(255));
        canvas
    }

    /// The SVG text of the sheet.
    pub(super) fn into_svg(self) -> String {
        self.svg + "</svg>"
    }

    fn push(&mut self, element: String) {
        self.svg.push_str(&element);
        self.svg.push('\n');
    }

    /// A path in one colour.
    pub(super) fn path(&mut self, path: &[Px], ink: Ink, width_px: f64, dash: Dash) {
        let lengths: Vec<String> = dash.pattern_px().iter().map(f64::to_string).collect();
        let dashes =
            if lengths.is_empty() { String::new() } else { format!(r#" stroke-dasharray="{}""#, lengths.join(" ")) };
        let (points, stroke) = (points(path), ink.paint("stroke"));
        self.push(format!(r#"<polyline points="{points}" {stroke} stroke-width="{width_px}"{dashes}/>"#));
    }

    /// A filled rectangle.
    pub(super) fn rect(&mut self, area: Rect, ink: Ink) {
        let (x, y) = (tenths(area.left), tenths(area.top));
        let (width, height) = (tenths(tenths(area.right) - x), tenths(tenths(area.bottom) - y));
        let fill = ink.paint("fill");
        self.push(format!(r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" {fill}/>"#));
    }

    /// A filled circle.
    pub(super) fn circle(&mut self, (x, y): Px, radius_px: f64, ink: Ink) {
        let (x, y, radius, fill) = (tenths(x), tenths(y), tenths(radius_px), ink.paint("fill"));
        self.push(format!(r#"<circle cx="{x}" cy="{y}" r="{radius}" {fill}/>"#));
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Px], ink: Ink) {
        self.push(format!(r#"<polygon points="{}" {}/>"#, points(corners), ink.paint("fill")));
    }

    /// A text on one line, vertically centred on its point.
    pub(super) fn text(&mut self, text: &str, (x, y): Px, lettering: Lettering) {
        let (x, y, size) = (tenths(x), tenths(y), rounded(lettering.size_px, 2));
        let anchor = match lettering.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if lettering.bold { r#" font-weight="bold""# } else { "" };
        let turn = if lettering.upward { format!(r#" transform="rotate(270, {x}, {y})""#) } else { String::new() };
        let (fill, text) = (lettering.ink.paint("fill"), escaped(text));
        self.push(format!(
            r#"<text x="{x}" y="{y}" dy="0.5ex"{anchor} font-size="{size}" {fill}{weight}{turn}>{text}</text>"#
        ));
    }
}

fn tenths(px: f64) -> f64 {
    rounded(px, 1)
}

fn points(path: &[Px]) -> String {
    let pairs: Vec<String> = path.iter().map(|(x, y)| format!("{},{}", tenths(*x), tenths(*y))).collect();
    pairs.join(" ")
}

/// A text without what XML reads as markup or forbids; line breaks show as `↵`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\r' => escaped.push('↵'),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
