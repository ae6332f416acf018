//! Pictures of single latents.

use super::findings::by_hook;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{LatentRow, MatchRow, RotationRow};
use crate::figure::{Bars, Figure, Histogram, Panel, Points};

/// How far decoder directions turned at each hook point, relevant latents beside the others, one panel an axis.
pub fn by_hook_point(rows: &[LatentRow], rotations: &[RotationRow]) -> Figure {
    let mut figure = Figure::new("Where in the model latents turned");
    for (stage, title) in
        [(Stage::DF, "from D to DF: the model changed"), (Stage::MF, "from M to MF: the data changed")]
    {
        let found = by_hook(rows, rotations, stage);
        let hooks = found.iter().map(|at| at.hook_point.short());
        let panel = Panel::new().title(title).x("hook point").y("1 − cosine, median").categories(hooks);
        let panel = panel.bars(Bars::new("relevant", found.iter().map(|at| at.relevant)));
        figure = figure.panel(panel.bars(Bars::new("others", found.iter().map(|at| at.others))));
    }
    figure
}

/// Each active latent by how near its direction in DF is to the one in MF, and how far the two fire together.
pub fn matched(rows: &[MatchRow], rotations: &[RotationRow]) -> Figure {
    let panel = Panel::new().x("cosine of the directions in DF and MF").y("correlation of the values in DF and MF");
    let pairs = || rows.iter().zip(rotations).filter(|(row, rotation)| rotation.active && !row.correlation.is_nan());
    let several = rows.iter().any(|row| row.seed != rows[0].seed);
    let of_seed = |row: &MatchRow| if several { format!(" of seed {}", row.seed) } else { String::new() };
    let points = |name: &str, keep: &dyn Fn(&RotationRow) -> bool| {
        let chosen: Vec<&MatchRow> = pairs().filter(|(_, rotation)| keep(rotation)).map(|(row, _)| row).collect();
        let hover: Vec<String> = chosen.iter().map(|row| format!("latent {}{}", row.latent, of_seed(row))).collect();
        Points::new(name, chosen.iter().map(|row| row.cos), chosen.iter().map(|row| row.correlation)).hover(hover)
    };
    let panel =
        panel.points(points("others", &|row| !row.is_relevant())).points(points("relevant", &RotationRow::is_relevant));
    Figure::new("The same latent in both final dictionaries").panel(panel)
}

/// How near the direction of MF is that each active latent of DF is assigned, beside what shuffled directions are given.
pub fn assigned(rows: &[MatchRow], rotations: &[RotationRow]) -> Figure {
    /// Bins from −0.2 to 1.
    const N_BINS: usize = 48;
    let cosines = |name: &str, value: fn(&MatchRow) -> f64| {
        let active = rows.iter().zip(rotations).filter(|(_, rotation)| rotation.active).map(|(row, _)| value(row));
        Histogram::new(name, active, N_BINS, (-0.2, 1.0))
    };
    let panel = Panel::new().x("cosine with the assigned direction").y("latents (log scale)").log_y();
    let panel = panel.histogram(cosines("directions of DF", |row| row.assigned_cos));
    let panel = panel.histogram(cosines("the same, shuffled", |row| row.chance_assigned_cos));
    Figure::new("Directions of DF and MF, assigned one to one").panel(panel)
}
