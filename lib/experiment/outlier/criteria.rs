//! What others call an outlier dimension and a massive activation, applied to `tables/outliers`.

use crate::experiment::findings::distinct;
use crate::experiment::tables::OutlierRow;
use crate::language_model::hook::HookPoint;
use std::collections::BTreeMap;

/// A deviation of so many standard deviations is far (Kovaleva et al. 2021, "BERT Busters").
pub const FAR: f64 = 3.0;
/// An outlier dimension is far at more than this share of tokens: "for the majority of inputs" (Macocco et al. 2025,
/// arXiv 2503.21718).
pub const MAJORITY: f64 = 0.5;
/// LLM.int8() (Dettmers et al. 2022, arXiv 2208.07339) asks for a magnitude of 6 at what layer norms hand on, …
pub const EXTREME: f64 = 6.0;
/// … at this share of tokens …
pub const EXTREME_TOKENS: f64 = 0.06;
/// … in this share of layers.
pub const EXTREME_HOOKS: f64 = 0.25;
/// A massive activation is larger than this …
pub const MASSIVE: f64 = 100.0;
/// … and so many times the median magnitude of its token (Sun et al. 2024, arXiv 2402.17762).
pub const MASSIVE_OVER_MEDIAN: f64 = 1000.0;

/// A coordinate, and the hook points where it is what was asked for.
pub type Found = (i64, Vec<HookPoint>);

/// The coordinate that is furthest from the others, on average over models, hook points and tokens; nothing of no rows.
pub fn strongest(rows: &[OutlierRow]) -> Option<i64> {
    let finite = deviations(rows).into_iter().filter(|(_, deviation)| deviation.is_finite());
    finite.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(coordinate, _)| coordinate)
}

/// The coordinates of a model that are far from the others at more than half of the tokens.
pub fn far_at_the_majority(rows: &[OutlierRow], model: &str) -> Vec<Found> {
    where_so(rows, model, |row| row.far_frac > MAJORITY)
}

/// The outlier dimensions of a model by the rule of LLM.int8(), hook points in the place of layers.
pub fn by_llm_int8(rows: &[OutlierRow], model: &str) -> Vec<Found> {
    let n_hooks = distinct(rows.iter().filter(|row| row.model == model).map(|row| row.hook_point)).len() as f64;
    let mut found = where_so(rows, model, |row| row.extreme_frac >= EXTREME_TOKENS);
    found.retain(|(_, hooks)| hooks.len() as f64 >= EXTREME_HOOKS * n_hooks);
    found
}

/// The coordinates of a model that are a massive activation at some token.
pub fn massive(rows: &[OutlierRow], model: &str) -> Vec<Found> {
    where_so(rows, model, |row| row.massive_frac > 0.0)
}

fn where_so(rows: &[OutlierRow], model: &str, is_so: impl Fn(&OutlierRow) -> bool) -> Vec<Found> {
    let found: Vec<&OutlierRow> = rows.iter().filter(|row| row.model == model && is_so(row)).collect();
    let hooks = |coordinate: i64| {
        found.iter().filter(|row| row.coordinate == coordinate).map(|row| row.hook_point).collect::<Vec<HookPoint>>()
    };
    let mut coordinates = distinct(found.iter().map(|row| row.coordinate));
    coordinates.sort();
    coordinates.into_iter().map(|coordinate| (coordinate, hooks(coordinate))).collect()
}

/// The rows of a model.
pub fn of_model(rows: &[OutlierRow], model: &str) -> Vec<OutlierRow> {
    rows.iter().filter(|row| row.model == model).cloned().collect()
}

/// Each coordinate's distance from the others, mean over hook points.
pub fn deviations(rows: &[OutlierRow]) -> BTreeMap<i64, f64> {
    let mut all: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
    rows.iter().for_each(|row| all.entry(row.coordinate).or_default().push(row.deviation));
    all.into_iter().map(|(coordinate, of)| (coordinate, of.iter().sum::<f64>() / of.len() as f64)).collect()
}
