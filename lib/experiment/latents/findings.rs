//! What single latents show, in sentences.

use crate::experiment::findings::{distinct, percent};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{LatentRow, MatchRow, RotationRow};
use crate::language_model::hook::HookPoint;
use crate::stats::percentile;
use std::collections::BTreeMap;

/// How far latents turned at a hook point.
pub(super) struct AtHook {
    pub hook_point: HookPoint,
    /// Median rotation of active relevant latents.
    pub relevant: f64,
    /// Of the other active ones.
    pub others: f64,
}

/// Hook point by hook point, in order.
pub(super) fn by_hook(rows: &[LatentRow], rotations: &[RotationRow], stage: Stage) -> Vec<AtHook> {
    let known: BTreeMap<(u64, u32), &RotationRow> =
        rotations.iter().filter(|row| row.active).map(|row| ((row.seed, row.latent), row)).collect();
    let of_stage = || rows.iter().filter(|row| row.stage == stage);
    let median = |hook: HookPoint, relevant: bool| {
        let here = of_stage().filter(|row| row.hook_point == hook);
        let turned =
            here.filter(|row| known.get(&(row.seed, row.latent)).is_some_and(|of| of.is_relevant() == relevant));
        percentile(&turned.map(|row| 1.0 - row.cos_parent).collect::<Vec<f64>>(), 50.0)
    };
    let at = |hook_point| AtHook { hook_point, relevant: median(hook_point, true), others: median(hook_point, false) };
    distinct(of_stage().map(|row| row.hook_point)).into_iter().map(at).collect()
}

/// Where in the model relevant latents turned furthest beyond what the others did.
pub fn by_hook_sentence(rows: &[LatentRow], rotations: &[RotationRow]) -> String {
    let of_axis = |(stage, axis): (Stage, &str)| {
        let found = by_hook(rows, rotations, stage);
        let beyond = |at: &AtHook| at.relevant - at.others;
        let most = found.iter().filter(|at| !beyond(at).is_nan()).max_by(|a, b| beyond(a).total_cmp(&beyond(b)))?;
        let AtHook { hook_point, relevant, others } = most;
        Some(format!("on the {axis} axis at {hook_point} (median of 1 − cosine {relevant:.3}, others {others:.3})"))
    };
    let axes: Vec<String> = [(Stage::DF, "model"), (Stage::MF, "data")].into_iter().filter_map(of_axis).collect();
    match axes.is_empty() {
        true => "No active latent is relevant: where the backdoor lives is not seen.".into(),
        false => format!("Relevant latents turned furthest beyond the others {}.", axes.join(", and ")),
    }
}

/// Whether a number names the same latent in DF and MF.
pub fn matches_sentence(rows: &[MatchRow], rotations: &[RotationRow]) -> String {
    let pairs = || rows.iter().zip(rotations).filter(|(_, rotation)| rotation.active).map(|(row, _)| row);
    let n_active = pairs().count();
    if n_active == 0 {
        return "No latent fires in both DF and MF.".into();
    }
    let share = |keep: fn(&&MatchRow) -> bool| percent(pairs().filter(keep).count() as f64 / n_active as f64);
    let median = |value: fn(&MatchRow) -> f64| {
        let values: Vec<f64> = pairs().map(value).filter(|value| !value.is_nan()).collect();
        percentile(&values, 50.0)
    };
    let correlation = match median(|row| row.correlation) {
        none if none.is_nan() => "no latent fires in both on these tokens".to_string(),
        median => format!("median correlation {median:.3}"),
    };
    format!(
        "Of {n_active} active latents {} have the latent of the same number as the nearest in MF; median cosine {:.3} (a \
         shuffled direction's nearest: {:.3}), {correlation}. Assigned one to one {} are given the same number; median cosine \
         {:.3} (shuffled directions: {:.3}).",
        share(|row| row.nearest == row.latent),
        median(|row| row.cos),
        median(|row| row.chance_cos),
        share(|row| row.assigned == row.latent),
        median(|row| row.assigned_cos),
        median(|row| row.chance_assigned_cos)
    )
}
