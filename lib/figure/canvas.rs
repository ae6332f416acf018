//! A sheet to draw on: SVG elements in the order in which they are drawn, each on a line of its own.

use super::geometry::{Px, Rect};
use super::style::{Dash, Marker, Style};
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

    /// From a line's middle down to where its letters stand.
    fn drop_px(&self) -> f64 {
        0.27 * self.size_px
    }

    fn attributes(&self) -> String {
        let anchor = match self.anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let weight = if self.bold { r#" font-weight="bold""# } else { "" };
        format!(r#"font-size="{}" {}{anchor}{weight}"#, rounded(self.size_px, 2), self.ink.paint("fill"))
    }
}

/// A sheet of a given size.
pub(super) struct Canvas {
    svg: String,
}

impl Canvas {
    /// An empty white sheet; `words` say what will be on it.
    pub(super) fn new(words: &str, width: f64, height: f64) -> Canvas {
        let mut canvas = Canvas { svg: String::new() };
        canvas.push(format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             xmlns=\"http://www.w3.org/2000/svg\" font-family=\"{FONT}\" fill=\"none\" stroke-linejoin=\"round\" \
             role=\"img\" aria-label=\"{}\" style=\"max-width:100%;height:auto;background:#fff\">",
            escaped(words)
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

    /// Straight strokes of one look, all in one element.
    pub(super) fn strokes(&mut self, strokes: impl IntoIterator<Item = (Px, Px)>, ink: Ink, width_px: f64) {
        let all: String = strokes.into_iter().map(|(from, to)| format!("M{}{}", pair(from), step(from, to))).collect();
        if !all.is_empty() {
            self.push(format!(r#"<path d="{all}" {} stroke-width="{width_px}"/>"#, ink.paint("stroke")));
        }
    }

    /// Filled rectangles, all in one element.
    pub(super) fn rects(&mut self, areas: &[Rect], ink: Ink) {
        let corners = |Rect { left, top, right, bottom }: &Rect| {
            format!("M{}h{}v{}H{}z", pair((*left, *top)), short(right - left), short(bottom - top), short(*left))
        };
        let all: String = areas.iter().map(corners).collect();
        if !all.is_empty() {
            self.push(format!(r#"<path d="{all}" {}/>"#, ink.paint("fill")));
        }
    }

    /// A filled rectangle.
    pub(super) fn rect(&mut self, area: Rect, ink: Ink) {
        self.rects(&[area], ink);
    }

    /// A filled polygon.
    pub(super) fn polygon(&mut self, corners: &[Px], ink: Ink) {
        self.push(format!(r#"<polygon points="{}" {}/>"#, points(corners), ink.paint("fill")));
    }

    /// Marks of one shape, all in one element. Those that are not sheer have a white rim.
    pub(super) fn marks(&mut self, places: &[Px], marker: Marker, size_px: f64, ink: Ink) {
        if places.is_empty() {
            return;
        }
        let ((left, up), outline) = outline(marker, size_px / 2.0);
        let mark = |(x, y): &Px| format!("M{}{outline}", pair((x + left, y + up)));
        let all: String = places.iter().map(mark).collect();
        let (fill, stroke, white) = (ink.paint("fill"), ink.paint("stroke"), Ink::grey(255).paint("stroke"));
        let has_rim = ink.opacity == 1.0;
        match marker {
            Marker::Ring => self.push(format!(r#"<path d="{all}" {stroke} stroke-width="2"/>"#)),
            Marker::Circle => {
                let mut dots = |stroke: &str, size: f64| {
                    self.push(format!(r#"<path d="{all}" {stroke} stroke-width="{size}" stroke-linecap="round"/>"#));
                };
                if has_rim {
                    dots(&white, size_px + 1.6);
                }
                dots(&stroke, size_px);
            }
            _ if has_rim => self.push(format!(r#"<path d="{all}" {fill} {white} stroke-width="0.8"/>"#)),
            _ => self.push(format!(r#"<path d="{all}" {fill}/>"#)),
        }
    }

    /// Texts that stand alike: one element around one a text.
    pub(super) fn texts<'a>(&mut self, texts: impl IntoIterator<Item = (&'a str, Px)>, lettering: Lettering) {
        self.push(format!("<g {}>", lettering.attributes()));
        for (text, (x, y)) in texts {
            let (x, y) = (tenths(x), tenths(y + lettering.drop_px()));
            self.push(format!(r#"<text x="{x}" y="{y}">{}</text>"#, escaped(text)));
        }
        self.push("</g>".into());
    }

    /// A text on one line, vertically centred on its point.
    pub(super) fn text(&mut self, text: &str, (x, y): Px, lettering: Lettering) {
        let (x, y, base) = (tenths(x), tenths(y), tenths(y + lettering.drop_px()));
        let turn = if lettering.upward { format!(r#" transform="rotate(270, {x}, {y})""#) } else { String::new() };
        let (attributes, text) = (lettering.attributes(), escaped(text));
        self.push(format!(r#"<text x="{x}" y="{base}" {attributes}{turn}>{text}</text>"#));
    }
}

/// Where a mark's outline begins, relative to its middle, and how it goes on: of a circle a stroke without length, whose
/// round ends make the circle.
fn outline(marker: Marker, radius: f64) -> (Px, String) {
    let corners: Vec<Px> = marker.corners().iter().map(|(x, y)| (tenths(x * radius), tenths(y * radius))).collect();
    match corners.first() {
        Some(first) => {
            let steps: String = corners.windows(2).map(|pair| step(pair[0], pair[1])).collect();
            (*first, steps + "z")
        }
        None if marker == Marker::Circle => ((0.0, 0.0), "h0".into()),
        None => {
            let arc = |sign: f64| format!("a{0} {0} 0 1 0 {1} 0", short(radius), short(sign * 2.0 * radius));
            ((-radius, 0.0), format!("{}{}z", arc(1.0), arc(-1.0)))
        }
    }
}

/// A straight line from one place to another, in a path.
fn step(from: Px, to: Px) -> String {
    let (right, down) = (tenths(tenths(to.0) - tenths(from.0)), tenths(tenths(to.1) - tenths(from.1)));
    match (right == 0.0, down == 0.0) {
        (_, true) => format!("h{}", short(right)),
        (true, _) => format!("v{}", short(down)),
        _ => format!("l{}", pair((right, down))),
    }
}

/// Two numbers of a path: a sign parts them as well as a space.
fn pair((x, y): Px) -> String {
    let (x, y) = (short(x), short(y));
    if y.starts_with('-') { x + &y } else { format!("{x} {y}") }
}

/// A number of a path.
fn short(px: f64) -> String {
    let text = tenths(px).to_string();
    match text.strip_prefix("0.").map(|rest| format!(".{rest}")) {
        Some(short) => short,
        None => text.replacen("-0.", "-.", 1),
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
