//! Texts as Plotly shows them, and those within a panel.

use super::super::frame::Frame;
use super::super::geometry::{Px, Rect};
use super::super::labels::Texts;
use super::super::text::{FONT, LABEL_PX, TICK_PX};
use plotly::common::{Anchor, Font};
use plotly::layout::Annotation;

/// The dark letters of a page.
pub(super) fn page_font() -> Font {
    font(TICK_PX).family(FONT).color("#2d2d2d")
}

/// The page's letters in another size.
pub(super) fn font(size_px: f64) -> Font {
    Font::new().size(size_px as usize)
}

/// Lines of a title.
pub(super) fn bold(lines: &[String]) -> String {
    format!("<b>{}</b>", markup(&lines.join("\n")))
}

/// Plotly reads texts as HTML and `$…$` as TeX: a text is shown as it is.
pub(super) fn markup(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('$', "&#36;");
    text.replace('\n', "<br>")
}

/// The texts between a panel's axes, whose names are given.
pub(super) fn in_panel(frame: &Frame, texts: &Texts, axes: &[String; 2]) -> Vec<Annotation> {
    [of_bars(frame, texts, axes), on_ref_lines(frame, texts, axes), labels(frame, texts, axes)].concat()
}

/// Texts of bars keep their distance in pixels from their bar's end.
fn of_bars(frame: &Frame, texts: &Texts, [x, y]: &[String; 2]) -> Vec<Annotation> {
    let annotation = |(text, area, end): &(String, Rect, Px)| {
        let (at, up) = (area.centre(), (frame.area.bottom - end.1) / frame.area.height());
        let text = centred(text).show_arrow(false).x_ref(x).x(frame.x.value(at.0));
        text.y_ref(format!("{y} domain")).y(up).y_shift(end.1 - at.1)
    };
    texts.bars.iter().map(annotation).collect()
}

/// The texts of reference lines keep their distance in pixels from their line.
fn on_ref_lines(frame: &Frame, texts: &Texts, [x, y]: &[String; 2]) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (line, area) in &texts.ref_lines {
        let (at, text_at) = (frame.ref_line(line), area.centre());
        let text = centred(&line.text).show_arrow(false).background_color("rgba(255,255,255,0.7)");
        all.push(if line.vertical {
            let up = (frame.area.bottom - text_at.1) / frame.area.height();
            text.x_ref(x).x(line.at).x_shift(text_at.0 - at.left).y_ref(format!("{y} domain")).y(up)
        } else {
            let right = (text_at.0 - frame.area.left) / frame.area.width();
            let text = text.y_ref(y).y(frame.y.even(line.at)).y_shift(at.top - text_at.1);
            text.x_ref(format!("{x} domain")).x(right)
        });
    }
    all
}

/// Labels keep their distance in pixels from their point, so they move with it when the reader zooms.
fn labels(frame: &Frame, texts: &Texts, [x, y]: &[String; 2]) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (label, area) in &texts.labels {
        let (at, text_at) = (frame.px(label.x, label.y), area.centre());
        let text = centred(&label.text).show_arrow(true).arrow_head(0).arrow_width(0.8).arrow_color("#5a5a5a");
        let text = text.stand_off(5.0).x_ref(x).y_ref(y).x(label.x).y(frame.y.even(label.y));
        all.push(text.ax(text_at.0 - at.0).ay(text_at.1 - at.1));
    }
    all
}

fn small(text: &str) -> Annotation {
    Annotation::new().text(markup(text)).font(font(LABEL_PX))
}

fn centred(text: &str) -> Annotation {
    small(text).x_anchor(Anchor::Center).y_anchor(Anchor::Middle)
}
