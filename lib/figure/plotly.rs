//! The interactive rendering, through plotly.rs.

mod texts;
mod traces;

use super::frame::Frame;
use super::geometry::Rect;
use super::layout::{Layout, WIDTH_PX};
use super::scale::Scale;
use super::text::{AXIS_PX, LABEL_PX, TICK_PX, TITLE_PX};
use plotly::Plot;
use plotly::common::{Anchor, DashType, ExponentFormat, Orientation, Title};
use plotly::layout::{Annotation, Axis, AxisType, HAlign, HoverMode, Legend, Margin, Shape, ShapeLine, ShapeType};
use serde_json::{Value, json};
use texts::{bold, font, in_panel, markup, page_font};
use traces::trace;

/// The plot of a figure: paper coordinates are the page's, so the margins are zero.
pub(super) fn render(layout: &Layout) -> Plot {
    let mut plot = Plot::new();
    let mut named: Vec<&str> = Vec::new();
    for (panel_idx, (frame, _)) in layout.panels.iter().enumerate() {
        for (idx, series) in frame.panel.series.iter().enumerate() {
            let in_legend = !layout.legend.is_empty() && !named.contains(&series.name());
            named.push(series.name());
            plot.add_trace(trace(frame, idx, &axes(panel_idx), in_legend));
        }
    }
    plot.set_layout(page(layout));
    plot
}

/// A value whose numbers have five significant digits at most: a notebook stays small.
pub(super) fn short(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            let given = number.as_f64().unwrap_or_default();
            let rounded: f64 = format!("{given:.4e}").parse().unwrap_or(given);
            if given.fract() == 0.0 && given.abs() < 1e15 { json!(given as i64) } else { json!(rounded) }
        }
        Value::Array(values) => values.into_iter().map(short).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, short(value))).collect(),
        other => other,
    }
}

/// Names of a panel's axes: x and y of the first, x2 and y2 of the second.
fn axes(panel_idx: usize) -> [String; 2] {
    ["x", "y"].map(|axis| if panel_idx == 0 { axis.to_string() } else { format!("{axis}{}", panel_idx + 1) })
}

fn page(layout: &Layout) -> plotly::Layout {
    let height = layout.height_px;
    let heading = Title::with_text(bold(&layout.title_lines));
    let heading = heading.font(font(TITLE_PX)).x(16.0 / WIDTH_PX).x_anchor(Anchor::Left);
    let frames = || layout.panels.iter().enumerate().map(|(idx, (frame, _))| (frame, axes(idx)));
    let mut page = plotly::Layout::new()
        .title(heading.y(1.0 - 14.0 / height).y_anchor(Anchor::Top))
        .width(WIDTH_PX as usize)
        .height(height as usize)
        .margin(Margin::new().left(0).right(0).top(0).bottom(0).auto_expand(false))
        .font(page_font())
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
    for (idx, (frame, [x_name, y_name])) in frames().enumerate() {
        let (x, y) = (x_axis(frame).anchor(y_name), y_axis(frame, height).anchor(x_name));
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
        .range(vec![scale.even(scale.min), scale.even(scale.max)])
        .title(axis_title(title))
        .show_line(true)
        .line_color("#5a5a5a")
        .grid_color("#e8e8e8")
        .zero_line(false)
        .exponent_format(if scale.log { ExponentFormat::Power } else { ExponentFormat::SI })
}

fn axis_title(text: &str) -> Title {
    Title::with_text(markup(text)).font(font(AXIS_PX))
}

/// The reference lines of a panel.
fn shapes(frame: &Frame, [x, y]: &[String; 2]) -> Vec<Shape> {
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

/// Every text of the page but its title and those of axes and legend.
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
        all.extend(in_panel(frame, texts, &axes(idx)));
    }
    let note = layout.note.as_ref().map(|note| on_page(markup(note), 16.0, layout.height_px - 10.0));
    all.extend(note.map(|note| note.y_anchor(Anchor::Middle).font(font(LABEL_PX))));
    all
}
