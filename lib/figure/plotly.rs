//! The interactive rendering, through plotly.rs.

use super::geometry::Rect;
use super::labels::{LABEL_PX, Placed};
use super::layout::{AXIS_PX, FONT, Frame, Layout, TICK_PX, TITLE_PX, WIDTH_PX};
use super::scale::Scale;
use super::series::{Bars, Histogram, Line as Curve, Points, Series};
use super::style::{Dash, Hatch, Marker, Style};
use plotly::color::Rgba;
use plotly::common::{
    Anchor, DashType, ErrorData, ErrorType, ExponentFormat, Font, HoverInfo, Line, Marker as Symbol, MarkerSymbol,
    Mode, Orientation, Pattern, PatternFillMode, PatternShape, Title,
};
use plotly::layout::{Annotation, Axis, AxisType, HAlign, HoverMode, Legend, Margin, Shape, ShapeLine, ShapeType};
use plotly::{Bar, Plot, Scatter};

/// The plot of a figure: paper coordinates are the page's, so the margins are zero.
pub(super) fn render(layout: &Layout) -> Plot {
    let mut plot = Plot::new();
    let mut named: Vec<&str> = Vec::new();
    for (panel_idx, frame) in layout.frames.iter().enumerate() {
        for (idx, series) in frame.panel.series.iter().enumerate() {
            let first = !named.contains(&series.name());
            named.push(series.name());
            let place = Place { axis: suffix(panel_idx), legend: first && layout.shows_legend() };
            add(&mut plot, frame, idx, &place);
        }
    }
    plot.set_layout(page(layout));
    plot
}

/// Number of a panel's axes: nothing for the first, 2 for the second.
fn suffix(panel_idx: usize) -> String {
    if panel_idx == 0 { String::new() } else { (panel_idx + 1).to_string() }
}

/// Where a trace belongs.
struct Place {
    axis: String,
    legend: bool,
}

fn add(plot: &mut Plot, frame: &Frame, idx: usize, place: &Place) {
    let style = &frame.styles[idx];
    match &frame.panel.series[idx] {
        Series::Line(data) => plot.add_trace(curve(data, style, place)),
        Series::Points(data) => plot.add_trace(cloud(data, style, place)),
        Series::Bars(data) => plot.add_trace(bars(data, frame, style, frame.bar_slot(idx), place)),
        Series::Histogram(data) => plot.add_trace(histogram(data, style, place)),
    }
}

fn curve(data: &Curve, style: &Style, place: &Place) -> Box<Scatter<f64, f64>> {
    let symbol = symbol(style).size(7);
    Scatter::new(rounded(&data.x), rounded(&data.y))
        .mode(Mode::LinesMarkers)
        .line(Line::new().color(color(style, 1.0)).width(1.7).dash(dash(style.dash)))
        .marker(if data.x.len() > 12 { symbol.max_displayed(6) } else { symbol })
        .name(markup(&data.name))
        .legend_group(&data.name)
        .show_legend(place.legend)
        .x_axis(format!("x{}", place.axis))
        .y_axis(format!("y{}", place.axis))
}

fn cloud(data: &Points, style: &Style, place: &Place) -> Box<Scatter<f64, f64>> {
    let trace = Scatter::new(rounded(&data.x), rounded(&data.y))
        .mode(Mode::Markers)
        .marker(symbol(style))
        .name(markup(&data.name))
        .legend_group(&data.name)
        .show_legend(place.legend)
        .x_axis(format!("x{}", place.axis))
        .y_axis(format!("y{}", place.axis));
    match data.hover.is_empty() {
        true => trace,
        false => trace
            .hover_text_array(data.hover.iter().map(|text| markup(text)).collect::<Vec<_>>())
            .hover_info(HoverInfo::All),
    }
}

fn bars(data: &Bars, frame: &Frame, style: &Style, (offset, width): (f64, f64), place: &Place) -> Box<Bar<f64, f64>> {
    let pattern = Pattern::new()
        .shape(pattern(style.hatch))
        .fill_mode(PatternFillMode::Overlay)
        .foreground_color("#fff")
        .solidity(0.25);
    let names = frame.panel.categories.iter().enumerate();
    let names = names.map(|(idx, name)| match data.texts.get(idx) {
        Some(text) => markup(&format!("{name}: {text}")),
        None => markup(name),
    });
    let trace = Bar::new((0..data.values.len()).map(|idx| idx as f64).collect(), rounded(&data.values))
        .offset(offset)
        .width(width)
        .marker(symbol(style).pattern(pattern).line(Line::new().color("#fff").width(1.0)))
        .hover_text_array(names.collect::<Vec<_>>())
        .name(markup(&data.name))
        .legend_group(&data.name)
        .show_legend(place.legend)
        .x_axis(format!("x{}", place.axis))
        .y_axis(format!("y{}", place.axis));
    if data.low.is_empty() {
        return trace;
    }
    let beyond = |ends: &[f64], sign: f64| ends.iter().zip(&data.values).map(|(end, v)| sign * (end - v)).collect();
    let interval = ErrorData::new(ErrorType::Data).symmetric(false).thickness(1.4).width(4).color("#191919");
    trace.error_y(interval.array(beyond(&data.high, 1.0)).array_minus(beyond(&data.low, -1.0)))
}

fn histogram(data: &Histogram, style: &Style, place: &Place) -> Box<Bar<f64, f64>> {
    let bins = data.edges.windows(2).map(|pair| format!("{} to {}", short(pair[0]), short(pair[1])));
    let width = data.edges[1] - data.edges[0];
    Bar::new(rounded(&data.edges[..data.counts.len()]), data.counts.clone())
        .offset(0.0)
        .width(width)
        .marker(symbol(style).opacity(0.5).line(Line::new().color(color(style, 1.0)).width(1.0)))
        .hover_text_array(bins.collect::<Vec<_>>())
        .hover_info(HoverInfo::All)
        .name(markup(&data.name))
        .legend_group(&data.name)
        .show_legend(place.legend)
        .x_axis(format!("x{}", place.axis))
        .y_axis(format!("y{}", place.axis))
}

fn page(layout: &Layout) -> plotly::Layout {
    let height = layout.height_px;
    let heading = Title::with_text(bold(&layout.title_lines));
    let heading = heading.font(font(TITLE_PX)).x(16.0 / WIDTH_PX).x_anchor(Anchor::Left);
    let mut page = plotly::Layout::new()
        .title(heading.y(1.0 - 14.0 / height).y_anchor(Anchor::Top))
        .width(WIDTH_PX as usize)
        .height(height as usize)
        .margin(Margin::new().left(0).right(0).top(0).bottom(0).auto_expand(false))
        .font(font(TICK_PX))
        .paper_background_color("#fff")
        .plot_background_color("#fff")
        .hover_mode(HoverMode::Closest)
        .show_legend(layout.shows_legend())
        .shapes(layout.frames.iter().enumerate().flat_map(|(idx, frame)| shapes(frame, &suffix(idx))).collect())
        .annotations(annotations(layout));
    if let Some(first) = layout.legend.first() {
        let legend = Legend::new().orientation(Orientation::Horizontal).font(font(TICK_PX));
        let legend = legend.x(first.at.0 / WIDTH_PX).x_anchor(Anchor::Left);
        page = page.legend(legend.y(1.0 - (first.at.1 - 12.0) / height).y_anchor(Anchor::Top));
    }
    for (idx, frame) in layout.frames.iter().enumerate() {
        let (x, y) = axes(frame, &suffix(idx), height);
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

fn axes(frame: &Frame, suffix: &str, height: f64) -> (Axis, Axis) {
    let Rect { left, top, right, bottom } = frame.area;
    let mut x = axis(&frame.panel.x.title, &frame.x).domain(&[left / WIDTH_PX, right / WIDTH_PX]);
    let y = axis(&frame.panel.y.title, &frame.y).domain(&[1.0 - bottom / height, 1.0 - top / height]);
    if !frame.category_lines.is_empty() {
        let texts = frame.category_lines.iter().map(|lines| markup(&lines.join("\n")));
        x = x.tick_values((0..frame.category_lines.len()).map(|idx| idx as f64).collect()).tick_text(texts.collect());
        // A leading line break moves the title below names of several lines.
        let n_lines = frame.category_lines.iter().map(Vec::len).max().unwrap_or(1);
        let title = format!("{}{}", "<br>".repeat(n_lines.saturating_sub(1)), markup(&frame.panel.x.title));
        x = x.show_grid(false).title(Title::with_text(title).font(font(AXIS_PX)));
    }
    (x.anchor(format!("y{suffix}")), y.anchor(format!("x{suffix}")))
}

fn axis(title: &str, scale: &Scale) -> Axis {
    let (kind, min, max) = match scale.log {
        true => (AxisType::Log, scale.min.log10(), scale.max.log10()),
        false => (AxisType::Linear, scale.min, scale.max),
    };
    Axis::new()
        .type_(kind)
        .range(vec![min, max])
        .title(Title::with_text(markup(title)).font(font(AXIS_PX)))
        .show_line(true)
        .line_color("#5a5a5a")
        .grid_color("#e8e8e8")
        .zero_line(false)
        .exponent_format(if scale.log { ExponentFormat::Power } else { ExponentFormat::SI })
}

fn shapes(frame: &Frame, suffix: &str) -> Vec<Shape> {
    let (x_ref, y_ref) = (format!("x{suffix}"), format!("y{suffix}"));
    let stroke = || ShapeLine::new().color("#3c3c3c").width(1.2).dash(DashType::Dash);
    let line = |line: &super::panel::RefLine| {
        let shape = Shape::new().shape_type(ShapeType::Line).line(stroke());
        match line.vertical {
            true => shape.x_ref(&x_ref).y_ref(format!("{y_ref} domain")).x0(line.at).x1(line.at).y0(0.0).y1(1.0),
            false => shape.x_ref(format!("{x_ref} domain")).y_ref(&y_ref).x0(0.0).x1(1.0).y0(line.at).y1(line.at),
        }
    };
    frame.panel.ref_lines.iter().map(line).collect()
}

fn annotations(layout: &Layout) -> Vec<Annotation> {
    let on_page = |text: &str, x: f64, y: f64| {
        let place = Annotation::new().x_ref("paper").x(x / WIDTH_PX).y_ref("paper").y(1.0 - y / layout.height_px);
        place.text(markup(text)).show_arrow(false).x_anchor(Anchor::Left).y_anchor(Anchor::Middle)
    };
    let mut all: Vec<Annotation> = Vec::new();
    for (idx, frame) in layout.frames.iter().enumerate() {
        if !frame.title_lines.is_empty() {
            let title = on_page("", frame.area.left, frame.title_px - 8.0).text(bold(&frame.title_lines));
            all.push(title.align(HAlign::Left).y_anchor(Anchor::Top).font(font(AXIS_PX)));
        }
        all.extend(above_bars(frame, &suffix(idx)));
        all.extend(in_panel(frame, &suffix(idx)));
    }
    all.extend(layout.note.as_ref().map(|note| on_page(note, 16.0, layout.height_px - 10.0).font(font(LABEL_PX))));
    all
}

/// The short texts above bars.
fn above_bars(frame: &Frame, suffix: &str) -> Vec<Annotation> {
    let mut all = Vec::new();
    for (idx, series) in frame.panel.series.iter().enumerate() {
        let Series::Bars(bars) = series else { continue };
        let (offset, width) = frame.bar_slot(idx);
        for (category, text) in bars.texts.iter().enumerate().filter(|(idx, _)| bars.values[*idx].is_finite()) {
            let text = Annotation::new().text(markup(text)).font(font(LABEL_PX)).show_arrow(false);
            let text = text.x_ref(format!("x{suffix}")).x(category as f64 + offset + width / 2.0);
            all.push(text.y_ref(format!("y{suffix}")).y(value(&frame.y, bars.top(category))).y_shift(8.0));
        }
    }
    all
}

/// A value as an annotation wants it: logarithms on a log axis.
fn value(scale: &Scale, value: f64) -> f64 {
    if scale.log { value.log10() } else { value }
}

/// Labels keep their distance in pixels from their point, so they move with it when the reader zooms.
fn in_panel(frame: &Frame, suffix: &str) -> Vec<Annotation> {
    let (x_ref, y_ref) = (format!("x{suffix}"), format!("y{suffix}"));
    let text = |placed: &Placed| {
        let text = Annotation::new().text(markup(&placed.text)).font(font(LABEL_PX));
        text.x_anchor(Anchor::Center).y_anchor(Anchor::Middle)
    };
    let mut all = Vec::new();
    for (line, placed) in frame.panel.ref_lines.iter().zip(&frame.texts.ref_lines) {
        let Some(placed) = placed else { continue };
        let (x, y) = placed.area.centre();
        let (right, up) = ((x - frame.area.left) / frame.area.width(), (frame.area.bottom - y) / frame.area.height());
        let text = text(placed).show_arrow(false).background_color("rgba(255,255,255,0.7)");
        all.push(match line.vertical {
            true => {
                let text = text.x_ref(&x_ref).x(value(&frame.x, line.at)).x_shift(x - frame.x.px(line.at));
                text.y_ref(format!("{y_ref} domain")).y(up)
            }
            false => {
                let text = text.y_ref(&y_ref).y(value(&frame.y, line.at)).y_shift(frame.y.px(line.at) - y);
                text.x_ref(format!("{x_ref} domain")).x(right)
            }
        });
    }
    for (label, placed) in frame.panel.labels.iter().zip(&frame.texts.labels) {
        let Some(placed) = placed else { continue };
        let ((x, y), (px, py)) = (placed.area.centre(), frame.px(label.x, label.y));
        let text = text(placed).show_arrow(true).arrow_head(0).arrow_width(0.8).arrow_color("#5a5a5a").stand_off(5.0);
        let text = text.x_ref(&x_ref).y_ref(&y_ref).x(value(&frame.x, label.x)).y(value(&frame.y, label.y));
        all.push(text.ax(x - px).ay(y - py));
    }
    all
}

fn font(size_px: f64) -> Font {
    Font::new().family(FONT).size(size_px as usize).color("#2d2d2d")
}

fn color(style: &Style, opacity: f64) -> Rgba {
    let (red, green, blue) = style.color;
    Rgba::new(red, green, blue, style.opacity * opacity)
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
    Symbol::new().symbol(symbol).size(style.size_px as usize).color(color(style, 1.0))
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
fn rounded(values: &[f64]) -> Vec<f64> {
    let round = |v: f64| if v.fract() == 0.0 { v } else { format!("{v:.6e}").parse().unwrap_or(v) };
    values.iter().map(|v| round(*v)).collect()
}

fn short(value: f64) -> String {
    format!("{:.4}", value).trim_end_matches('0').trim_end_matches('.').to_string()
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
