//! Series as plotly.rs' traces.

use super::super::frame::Frame;
use super::super::scale::Scale;
use super::super::series::{self, Series};
use super::super::style::{Dash, Hatch, Marker, Style};
use super::super::text::rounded;
use super::texts::markup;
use plotly::color::Rgba;
use plotly::common::{
    DashType, ErrorData, ErrorType, HoverInfo, Line, Marker as Symbol, MarkerSymbol, Mode, Pattern, PatternFillMode,
    PatternShape,
};
use plotly::{Bar, Scatter, Trace};

/// The trace of the series at `idx`.
pub(super) fn trace(frame: &Frame, idx: usize, [x, y]: &[String; 2], in_legend: bool) -> Box<dyn Trace> {
    let (series, style) = (&frame.panel.series[idx], &frame.styles[idx]);
    let (name, (xs, ys)) = (series.name(), series.xy());
    let scatter = || {
        let trace = Scatter::new(significant(xs), significant(ys)).x_axis(x).y_axis(y);
        trace.name(markup(name)).legend_group(name).show_legend(in_legend)
    };
    let bar = |places: Vec<f64>| {
        let trace = Bar::new(places, significant(ys)).x_axis(x).y_axis(y);
        trace.name(markup(name)).legend_group(name).show_legend(in_legend)
    };
    match series {
        Series::Line(_) => curve(scatter().hover_template(under_pointer(frame, name)), style, xs.len()),
        Series::Points(points) if points.are_rings => {
            scatter().mode(Mode::Markers).marker(ring(style)).hover_info(HoverInfo::Skip)
        }
        Series::Points(points) => {
            let shared = shared_words(&points.hover);
            let template = match points.hover.is_empty() {
                true => under_pointer(frame, name),
                false => format!("{}%{{hovertext}}<br>{}", in_template(shared), under_pointer(frame, name)),
            };
            let texts: Vec<String> = points.hover.iter().map(|text| markup(&text[shared.len()..])).collect();
            cloud(scatter().hover_template(&template), style, texts)
        }
        Series::Bars(data) => {
            let (offset, width) = frame.bar_slot(idx);
            let places = (0..ys.len()).map(|idx| idx as f64).collect();
            let template = format!("%{{hovertext}}<br>%{{y:{}}}<extra>{}</extra>", frame.y.format(), in_template(name));
            let trace = bar(places).offset(offset).width(width).hover_template(&template);
            bars(trace, style, data, &frame.panel.categories)
        }
        Series::Histogram(_) => {
            let places = significant(&xs[..ys.len()]);
            histogram(bar(places).offset(0.0).width(xs[1] - xs[0]), style, xs)
        }
    }
}

/// The words that all of many texts begin with: they are stored once.
fn shared_words(texts: &[String]) -> &str {
    /// Texts from which it is worth it.
    const N_MANY: usize = 10;
    let Some(first) = texts.first().filter(|_| texts.len() > N_MANY) else { return "" };
    let ends = first.match_indices(' ').map(|(place, _)| place + 1).rev();
    let mut shared = ends.map(|end| &first[..end]).filter(|words| texts.iter().all(|text| text.starts_with(words)));
    shared.next().unwrap_or("")
}

/// What is shown under the pointer: the place in the axes' words, and the series' name.
fn under_pointer(frame: &Frame, name: &str) -> String {
    let axis = |title: &str, value: &str, scale: &Scale| {
        let title = title.split(':').next().unwrap_or_default();
        let title = if title.is_empty() { value } else { title };
        format!("{}: %{{{value}:{}}}", in_template(title), scale.format())
    };
    let (x, y) = (axis(&frame.panel.x_title, "x", &frame.x), axis(&frame.panel.y_title, "y", &frame.y));
    format!("{x}<br>{y}<extra>{}</extra>", in_template(name))
}

/// A text in a template, where `%{` would begin a value.
fn in_template(text: &str) -> String {
    markup(text).replace('%', "&#37;")
}

type Points = Box<Scatter<f64, f64>>;
type Bars = Box<Bar<f64, f64>>;

fn curve(trace: Points, style: &Style, n_points: usize) -> Points {
    let symbol = symbol(style).size(7);
    trace
        .mode(Mode::LinesMarkers)
        .line(Line::new().color(color(style)).width(1.7).dash(dash(style.dash)))
        .marker(if n_points > 12 { symbol.max_displayed(6) } else { symbol })
}

fn cloud(trace: Points, style: &Style, hover: Vec<String>) -> Points {
    let trace = trace.mode(Mode::Markers).marker(symbol(style));
    if hover.is_empty() { trace } else { trace.hover_text_array(hover) }
}

fn bars(trace: Bars, style: &Style, data: &series::Bars, categories: &[String]) -> Bars {
    let pattern = Pattern::new().shape(pattern(style.hatch)).fill_mode(PatternFillMode::Overlay);
    let pattern = pattern.foreground_color("#fff").solidity(0.25);
    let names = categories.iter().enumerate().map(|(idx, name)| match data.texts.get(idx) {
        Some(text) if !text.is_empty() => markup(&format!("{name}: {text}")),
        _ => markup(name),
    });
    let trace = trace
        .marker(symbol(style).pattern(pattern).line(Line::new().color("#fff").width(1.0)))
        .hover_text_array(names.collect::<Vec<_>>());
    if data.low.is_empty() {
        return trace;
    }
    let beyond = |ends: &[f64], sign: f64| ends.iter().zip(&data.values).map(|(end, v)| sign * (end - v)).collect();
    let interval = ErrorData::new(ErrorType::Data).symmetric(false).thickness(1.4).width(4).color("#191919");
    trace.error_y(interval.array(beyond(&data.high, 1.0)).array_minus(beyond(&data.low, -1.0)))
}

fn histogram(trace: Bars, style: &Style, edges: &[f64]) -> Bars {
    let bins = edges.windows(2).map(|pair| format!("{} to {}", rounded(pair[0], 4), rounded(pair[1], 4)));
    trace
        .marker(symbol(style).opacity(0.5).line(Line::new().color(color(style)).width(1.0)))
        .hover_text_array(bins.collect::<Vec<_>>())
        .hover_info(HoverInfo::All)
}

fn color(style: &Style) -> Rgba {
    let (red, green, blue) = style.color;
    Rgba::new(red, green, blue, style.opacity)
}

fn symbol(style: &Style) -> Symbol {
    let symbol = match style.marker {
        Marker::Circle => MarkerSymbol::Circle,
        Marker::Square => MarkerSymbol::Square,
        Marker::Diamond => MarkerSymbol::Diamond,
        Marker::TriangleUp => MarkerSymbol::TriangleUp,
        Marker::TriangleDown => MarkerSymbol::TriangleDown,
        Marker::Cross => MarkerSymbol::Cross,
        Marker::X => MarkerSymbol::X,
        Marker::Ring => MarkerSymbol::CircleOpen,
    };
    Symbol::new().symbol(symbol).size(style.size_px as usize).color(color(style))
}

fn ring(style: &Style) -> Symbol {
    symbol(style).line(Line::new().color(color(style)).width(2.0))
}

fn dash(dash: Dash) -> DashType {
    match dash {
        Dash::Solid => DashType::Solid,
        Dash::Dash => DashType::Dash,
        Dash::Dot => DashType::Dot,
        Dash::DashDot => DashType::DashDot,
        Dash::LongDash => DashType::LongDash,
    }
}

fn pattern(hatch: Hatch) -> PatternShape {
    match hatch {
        Hatch::Solid => PatternShape::None,
        Hatch::Rising => PatternShape::RightDiagonalLine,
        Hatch::Falling => PatternShape::LeftDiagonalLine,
        Hatch::Horizontal => PatternShape::HorizontalLine,
        Hatch::Vertical => PatternShape::VerticalLine,
    }
}

/// Four significant digits: a figure needs no more, and a notebook stays small.
fn significant(values: &[f64]) -> Vec<f64> {
    let round = |v: f64| if v.fract() == 0.0 { v } else { format!("{v:.3e}").parse().unwrap_or(v) };
    values.iter().map(|v| round(*v)).collect()
}
