//! Figures: one plain description, rendered twice from the same data.
//!
//! A [`Figure`] is a title and one or more [`Panel`]s; a panel has two axes and series ([`Line`], [`Points`],
//! [`Bars`], [`Histogram`]), reference lines and labelled points. [`Figure::to_plotly`] gives the interactive plot that JupyterLab
//! shows, [`Figure::to_svg`] the picture that GitHub, nbviewer and exported pages show. In a notebook the last
//! expression of a cell shows both at once:
//!
//! ```
//! use stagediff::figure::{Figure, Panel, Points};
//!
//! let cos = Panel::new()
//!     .x("cos(D, DF)")
//!     .y("cos(M, MF)")
//!     .points(Points::new("neither", [0.97, 0.95], [0.98, 0.99]).hover(["latent 3: the", "latent 8: dog"]))
//!     .points(Points::new("both", [0.31], [0.42]).hover(["latent 12: HATE"]))
//!     .label(0.31, 0.42, "12 HATE")
//!     .vline(0.7, "cut 0.7");
//! let fig: Figure = Figure::new("Rotation of decoder directions").panel(cos);
//! assert!(fig.to_svg().starts_with("<svg"));
//! ```
//!
//! A stage or a quadrant has the same colour, marker and dash in every figure ([`Style::of`]); other names take the
//! colours of a fallback palette in order of appearance. Axis titles carry their unit in brackets: `loss [nats]`.
//!
//! A value that cannot be drawn (NaN, infinite, not positive on a log axis, outside a histogram's range) is left out,
//! and a line under the figure counts them. Lists of different lengths in one series are a programming error and panic.

mod canvas;
pub(crate) mod evcxr;
mod frame;
mod geometry;
mod labels;
mod layout;
mod panel;
mod plotly;
mod scale;
mod series;
mod style;
mod svg;
mod text;

pub use panel::Panel;
pub use series::{Bars, Histogram, Line, Points};
pub use style::{Dash, Hatch, Marker, Style};

use layout::Layout;
use std::fmt;

/// A title and its panels: the description that both renderings read.
#[derive(Clone, Default)]
pub struct Figure {
    title: String,
    panels: Vec<Panel>,
    columns: Option<usize>,
}

impl Figure {
    /// A figure without panels.
    pub fn new(title: impl Into<String>) -> Figure {
        Figure { title: title.into(), ..Figure::default() }
    }

    /// Adds a panel: left to right, then top to bottom. All panels share one legend.
    ///
    /// # Panics
    /// At the ninth panel: plotly.rs has axes for eight.
    #[track_caller]
    pub fn panel(mut self, panel: Panel) -> Figure {
        assert!(self.panels.len() < 8, "figure {:?} has more than 8 panels", self.title);
        self.panels.push(panel);
        self
    }

    /// Sets the number of panels in a row; without it up to three stand in one row and four in two.
    pub fn columns(mut self, n_columns: usize) -> Figure {
        self.columns = Some(n_columns.max(1));
        self
    }

    fn layout(&self) -> Layout {
        Layout::new(&self.title, &self.panels, self.columns)
    }

    /// The interactive rendering, to change further or to save with plotly's own methods.
    pub fn to_plotly(&self) -> ::plotly::Plot {
        plotly::render(&self.layout())
    }

    /// The picture, as the text of an SVG file without ids, scripts or links.
    pub fn to_svg(&self) -> String {
        svg::render(&self.layout())
    }

    /// The interactive rendering as the content of MIME type `application/vnd.plotly.v1+json`, numbers no longer than a
    /// figure needs.
    pub fn to_json(&self) -> serde_json::Value {
        plotly::short(serde_json::to_value(self.to_plotly()).unwrap_or_default())
    }

    /// All renderings in evcxr's protocol: one `EVCXR_BEGIN_CONTENT` … `EVCXR_END_CONTENT` block per MIME type.
    pub fn mime_bundle(&self) -> String {
        let blocks = [
            ("application/vnd.plotly.v1+json", self.to_json().to_string()),
            ("image/svg+xml", self.to_svg()),
            ("text/plain", format!("{self:?}")),
        ];
        blocks.iter().map(|(mime, text)| evcxr::block(mime, text)).collect()
    }

    /// Shows the figure in a notebook; evcxr calls it for a cell's last expression. A cell shows one figure: of two,
    /// evcxr keeps the later.
    pub fn evcxr_display(&self) {
        print!("{}", self.mime_bundle());
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let series = || self.panels.iter().flat_map(|panel| &panel.series);
        let (n_panels, n_series) = (self.panels.len(), series().count());
        let n_values: usize = series().map(|series| series.xy().1.len()).sum();
        write!(f, "Figure {:?} (panels: {n_panels}, series: {n_series}, values: {n_values})", self.title)
    }
}
