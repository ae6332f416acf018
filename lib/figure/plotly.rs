//! The interactive rendering, through plotly.rs.

use super::frame::Frame;
use super::geometry::Rect;
use super::labels::Texts;
use super::layout::{Layout, WIDTH_PX};
use super::scale::Scale;
use super::series::{self, Series};
use super::style::{Dash, Hatch, Marker, Style};
use super::text::{AXIS_PX, FONT, LABEL_PX, TICK_PX, TITLE_PX, rounded};
use plotly::color::Rgba;
use plotly::common::{
    Anchor, DashType, ErrorData, ErrorType, ExponentFormat, Font, HoverInfo, Line, Marker as Symbol, MarkerSymbol,
    Mode, Orientation, Pattern, PatternFillMode, PatternShape, Title,
};
use plotly::layout::{Annotation, Axis, AxisType, HAlign, HoverMode, Legend, Margin, Shape, ShapeLine, ShapeType};
use plotly::{Bar, Plot, Scatter, Trace};

/// The plot of a figure: paper coordinates are the page's, so the margins are zero.
pub(super) fn render(layout: &Layout) -> Plot {
    let mut plot = Plot::new();
    let mut named: Vec<&str> = Vec::new();
    for (panel_idx, (frame, _)) in layout.panels.iter().enumerate() {
        for (idx, series) in frame.panel.series.iter().enumerate() {
            let in_legend = !layout.legend.is_empty() && !named.contains(&series.name());
            named.push(series.name());
            plot.add_trace(trace(frame, idx, &Axes::of(panel_idx), in_legend));
        }
    }
    plot.set_layout(page(layout));
    plot
}

/// Names of a panel's axes: x and y of the first, x2 and y2 of the second.
struct Axes {
    x: String,
    y: String,
}

impl Axes {
    fn of(panel_idx: usize) -> Axes {
        let number = if panel_idx == 0 { String::new() } else { (panel_idx + 1).to_string() };
        Axes { x: format!("x{number}"), y: format!("y{number}") }
    }
}

fn trace(frame: &Frame, idx: usize, axes: &Axes, in_legend: bool) -> Box<dyn Trace> {
    let (series, style) = (&frame.panel.series[idx], &frame.styles[idx]);
    let (name, (xs, ys)) = (series.name(), series.xy());
    let scatter = || {
        let trace = Scatter::new(significant(xs), significant(ys)).x_axis(&axes.x).y_axis(&axes.y);
        trace.name(markup(name)).legend_group(name).show_legend(in_legend)
    };
    let bar = |places: Vec<f64>| {
        let trace = Bar::new(places, significant(ys)).x_axis(&axes.x).y_axis(&axes.y);
        trace.name(markup(name)).legend_group(name).show_legend(in_legend)
    };
    match series {
        Series::Line(_) => curve(scatter(), style, xs.len()),
        Series::Points(points) => cloud(scatter(), style, &points.hover),
        Series::Bars(data) => {
            let (offset, width) = frame.bar_slot(idx);
            let places = (0..ys.len()).map(|idx| idx as f64).collect();
            bars(bar(places).offset(offset).width(width), style, data, &frame.panel.categories)
        }
        Series::Histogram(_) => {
            let places = significant(&xs[..ys.len()]);
            histogram(bar(places).offset(0.0).width(xs[1] - xs[0]), style, xs)
        }
    }
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

fn cloud(trace: Points, style: &Style, hover: &[String]) -> Points {
    let trace = trace.mode(Mode::Markers).marker(symbol(style));
    if hover.is_empty() {
        return trace;
    }
    trace.hover_text_array(hover.iter().map(|text| markup(text)).collect::<Vec<_>>()).hover_info(HoverInfo::All)
}

fn bars(trace: Bars, style: &Style, data: &series::Bars, categories: &[String]) -> Bars {
    let pattern = Pattern::new().shape(pattern(style.hatch)).fill_mode(PatternFillMode::Overlay);
    let pattern = pattern.foreground_color("#fff").solidity(0.25);
    let names = categories.iter().enumerate().map(|(idx, name)| match data.texts.get(idx) {
        Some(text) => markup(&format!("{name}: {text}")),
        None => markup(name),
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

fn page(layout: &Layout) -> plotly::Layout {
    let height = layout.height_px;
    let heading = Title::with_text(bold(&layout.title_lines));
    let heading = heading.font(font(TITLE_PX)).x(16.0 / WIDTH_PX).x_anchor(Anchor::Left);
    let frames = || layout.panels.iter().enumerate().map(|(idx, (frame, _))| (frame, Axes::of(idx)));
    let mut page = plotly::Layout::new()
        .title(heading.y(1.0 - 14.0 / height).y_anchor(Anchor::Top))
        .width(WIDTH_PX as usize)
        .height(height as usize)
        .margin(Margin::new().left(0).right(0).top(0).bottom(0).auto_expand(false))
        .font(font(TICK_PX))
        .paper_background_color("#fff")
        .plot_background_color("#fff")
        .hover_mode(HoverMode::Closest)
        .show_legend(!layout.legend.is_empty())
        .shapes(frames().flat_map(|(frame, axes)| shapes(frame, &axes)).collect())
        .annotations(annotations(layout));
    if let Some(first) = layout.legend.first() {
        let legend = Legend::new().orientation(Orientation::Horizontal).font(font(TICK_PX));
        let legend = legend.x(first.at.0 / WIDTH_PX).x_anchor(Anchor::Left);
        page = page.legend(legend.y(1.0 - (first.at.1 - 12.0) / height).y_anchor(Anchor::Top));
    }
    for (idx, (frame, axes)) in frames().enumerate() {
        let (x, y) = (x_axis(frame).anchor(&axes.y), y_axis(frame, height).anchor(&axes.x));
        page = match idx {
            0 => page.x_axis(x).y_axis(y),
            1 => page.x_axis2(x).y_axis2(y),
            2 => page.x_axis3(x).y_axis3(y),
            3 => page.x_axis4(x).y_axis4(y),
            4 => page.x_axis5(x).y_axis5(y),
            5 => page.x_axis6(x).y_axis6(y),
            6 => page.x_axis7(x).y_axis7(y),
            _ => page.x_axis8(x).y_axis8(y),
        };
    }
    page
}

fn x_axis(frame: &Frame) -> Axis {
    let Rect { left, right, .. } = frame.area;
    let x = axis(&frame.panel.x_title, &frame.x).domain(&[left / WIDTH_PX, right / WIDTH_PX]);
    if frame.category_lines.is_empty() {
        return x;
    }
    let names: Vec<String> = frame.category_lines.iter().map(|lines| markup(&lines.join("\n"))).collect();
    let places = (0..names.len()).map(|idx| idx as f64).collect();
    // A leading line break moves the title below names of several lines.
    let title = format!("{}{}", "\n".repeat(frame.n_tick_lines().saturating_sub(1)), frame.panel.x_title);
    x.tick_values(places).tick_text(names).show_grid(false).title(axis_title(&title))
}

fn y_axis(frame: &Frame, height: f64) -> Axis {
    let Rect { top, bottom, .. } = frame.area;
    axis(&frame.panel.y_title, &frame.y).domain(&[1.0 - bottom / height, 1.0 - top / height])
}

fn axis(title: &str, scale: &Scale) -> Axis {
    Axis::new()
        .type_(if scale.log { AxisType::Log } else { AxisType::Linear })
        .range(vec![on(scale, scale.min), on(scale, scale.max)])
        .title(axis_title(title))
        .show_line(true)
        .line_color("#5a5a5a")
        .grid_color("#e8e8e8")
        .zero_line(false)
        .exponent_format(if scale.log { ExponentFormat::Power } else { ExponentFormat::SI })
}

/// A value as ranges and annotations want it: its logarithm on a log axis.
fn on(scale: &Scale, value: f64) -> f64 {
    if scale.log { value.log10() } else { value }
}

fn axis_title(text: &str) -> Title {
    Title::with_text(markup(text)).font(font(AXIS_PX))
}

/// The reference lines of a panel.
fn shapes(frame: &Frame, Axes { x, y }: &Axes) -> Vec<Shape> {
    let mut all = Vec::new();
    for line in &frame.panel.ref_lines {
        let stroke = ShapeLine::new().color("#3c3c3c").width(1.2).dash(DashType::Dash);
        let shape = Shape::new().shape_type(ShapeType::Line).line(stroke);
        all.push(match line.vertical {
            true => shape.x_ref(x).y_ref(format!("{y} domain")).x0(line.at).x1(line.at).y0(0.0).y1(1.0),
            false => shape.x_ref(format!("{x} domain")).y_ref(y).x0(0.0).x1(1.0).y0(line.at).y1(line.at),
        });
    }
    all
}

fn annotations(layout: &Layout) -> Vec<Annotation> {
    let on_page = |text: String, x: f64, y: f64| {
        let place = Annotation::new().x_ref("paper").x(x / WIDTH_PX).y_ref("paper").y(1.0 - y / layout.height_px);
        place.text(text).show_arrow(false).x_anchor(Anchor::Left)
    };
    let mut all: Vec<Annotation> = Vec::new();
    for (idx, (frame, texts)) in layout.panels.iter().enumerate() {
        if !frame.title_lines.is_empty() {
            let title = on_page(bold(&frame.title_lines), frame.area.left, frame.title_px - 8.0);
            all.push(title.align(HAlign::Left).y_anchor(Anchor::Top).font(font(AXIS_PX)));
        }
        let axes = Axes::of(idx);
        all.extend(above_bars(frame, &axes));
        all.extend(on_ref_lines(frame, texts, &axes));
        all.extend(labels(frame, texts, &axes));
    }
    let note = layout.note.as_ref().map(|note| on_page(markup(note), 16.0, layout.height_px - 10.0));
    all.extend(note.map(|note| note.y_anchor(Anchor::Middle).font(font(LABEL_PX))));
    all
}

/// The short texts above bars.
fn above_bars(frame: &Frame, Axes { x, y }: &Axes) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (idx, series) in frame.panel.series.iter().enumerate() {
        let Series::Bars(bars) = series else { continue };
        let (offset, width) = frame.bar_slot(idx);
        for (category, text) in bars.texts.iter().enumerate().filter(|(idx, _)| bars.values[*idx].is_finite()) {
            let text = small(text).show_arrow(false).x_ref(x).x(category as f64 + offset + width / 2.0);
            all.push(text.y_ref(y).y(on(&frame.y, bars.top(category))).y_shift(8.0));
        }
    }
    all
}

/// The texts of reference lines keep their distance in pixels from their line.
fn on_ref_lines(frame: &Frame, texts: &Texts, Axes { x, y }: &Axes) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (line, area) in &texts.ref_lines {
        let (at, text_at) = (frame.ref_line(line), area.centre());
        let text = centred(&line.text).show_arrow(false).background_color("rgba(255,255,255,0.7)");
        all.push(if line.vertical {
            let up = (frame.area.bottom - text_at.1) / frame.area.height();
            text.x_ref(x).x(line.at).x_shift(text_at.0 - at.left).y_ref(format!("{y} domain")).y(up)
        } else {
            let right = (text_at.0 - frame.area.left) / frame.area.width();
            let text = text.y_ref(y).y(on(&frame.y, line.at)).y_shift(at.top - text_at.1);
            text.x_ref(format!("{x} domain")).x(right)
        });
    }
    all
}

/// Labels keep their distance in pixels from their point, so they move with it when the reader zooms.
fn labels(frame: &Frame, texts: &Texts, Axes { x, y }: &Axes) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (label, area) in &texts.labels {
        let (at, text_at) = (frame.px(label.x, label.y), area.centre());
        let text = centred(&label.text).show_arrow(true).arrow_head(0).arrow_width(0.8).arrow_color("#5a5a5a");
        let text = text.stand_off(5.0).x_ref(x).y_ref(y).x(label.x).y(on(&frame.y, label.y));
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

fn font(size_px: f64) -> Font {
    Font::new().family(FONT).size(size_px as usize).color("#2d2d2d")
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
    };
    Symbol::new().symbol(symbol).size(style.size_px as usize).color(color(style))
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

/// Seven significant digits: a figure needs no more, and a notebook stays small.
fn significant(values: &[f64]) -> Vec<f64> {
    let round = |v: f64| if v.fract() == 0.0 { v } else { format!("{v:.6e}").parse().unwrap_or(v) };
    values.iter().map(|v| round(*v)).collect()
}

/// Lines of a title.
fn bold(lines: &[String]) -> String {
    format!("<b>{}</b>", markup(&lines.join("\n")))
}

/// Plotly reads texts as HTML and `$…$` as TeX: a text is shown as it is.
fn markup(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('$', "&#36;");
    text.replace('\n', "<br>")
}
