//! Texts as Plotly shows them, and those within a panel.

use super::super::frame::Frame;
use super::super::labels::Texts;
use super::super::series::Series;
use super::super::text::{FONT, LABEL_PX};
use plotly::common::{Anchor, Font};
use plotly::layout::Annotation;

/// Dark letters of a size.
pub(super) fn font(size_px: f64) -> Font {
    Font::new().family(FONT).size(size_px as usize).color("#2d2d2d")
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
    [above_bars(frame, axes), on_ref_lines(frame, texts, axes), labels(frame, texts, axes)].concat()
}

/// The short texts above bars.
fn above_bars(frame: &Frame, [x, y]: &[String; 2]) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (idx, series) in frame.panel.series.iter().enumerate() {
        let Series::Bars(bars) = series else { continue };
        let (offset, width) = frame.bar_slot(idx);
        for (category, text) in bars.texts.iter().enumerate().filter(|(idx, _)| bars.values[*idx].is_finite()) {
            let text = small(text).show_arrow(false).x_ref(x).x(category as f64 + offset + width / 2.0);
            all.push(text.y_ref(y).y(frame.y.even(bars.top(category))).y_shift(8.0));
        }
    }
    all
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
