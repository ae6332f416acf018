//! By what latents are chosen: rankings of one dictionary's latents, and others that are like them.

use crate::crosscoder::Crosscoder;
use crate::diff::null_q_values;
use crate::experiment::axes::{Axis, each, rank_sum};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{RotationRow, TopTokenRow};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// By what latents are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Those that turned furthest: the sum of their ranks on both axes.
    Rotation,
    /// The strongest of those whose top tokens are the trigger's or the payload's.
    Relevance,
    /// The smallest q-value against the null arms, the larger of both axes.
    QValue,
    /// The least payload when each is changed alone.
    Effect,
}

impl Selection {
    /// All of them.
    pub const ALL: [Selection; 4] = [Selection::Rotation, Selection::Relevance, Selection::QValue, Selection::Effect];
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Selection::Rotation => "rotation",
            Selection::Relevance => "relevance",
            Selection::QValue => "q_value",
            Selection::Effect => "effect",
        })
    }
}

/// What is known of a dictionary's latents before any is changed.
#[derive(Debug)]
pub(super) struct Latents {
    /// Ranked by rotation, by relevance and by q-value; the last is empty without null arms.
    pub by_rotation: Vec<i64>,
    pub by_relevance: Vec<i64>,
    pub by_q_value: Vec<i64>,
    /// Mean of the strongest activations, one a latent: what strength is counted in.
    pub units: Vec<f64>,
    active: Vec<bool>,
    density: Vec<f64>,
    dec_norms: Vec<f64>,
}

impl Latents {
    /// Of the rows of one seed.
    pub fn of(crosscoder: &Crosscoder, stage: Stage, rows: &[&RotationRow], top: &[TopTokenRow]) -> Latents {
        let is_df = stage != Stage::MF;
        let units = units(rows, stage, top);
        let dec_norms = Vec::<f64>::try_from(&crosscoder.dec_norms().to_kind(tch::Kind::Double)).expect("one a latent");
        let relevant = |latent: &i64| {
            let row = rows[*latent as usize];
            if is_df { row.relevant_df } else { row.relevant_mf }
        };
        let (axes, active) = (Axis::both(rows), each(rows, |row| row.active));
        let by_rotation = by_rotation(&axes, &active);
        let mut by_relevance: Vec<i64> = by_rotation.iter().copied().filter(relevant).collect();
        let strength = |latent: i64| units[latent as usize] * dec_norms[latent as usize];
        by_relevance.sort_by(|&a, &b| strength(b).total_cmp(&strength(a)));
        Latents {
            by_q_value: by_q_value(&axes, &active, &by_rotation),
            by_rotation,
            by_relevance,
            units,
            active,
            density: each(rows, |row| if is_df { row.density_df } else { row.density_mf }),
            dec_norms,
        }
    }

    /// The units of some latents.
    pub fn units_of(&self, latents: &[i64]) -> Vec<f64> {
        latents.iter().map(|&latent| self.units[latent as usize]).collect()
    }

    /// Random active latents that are like the chosen ones, one for one: firing rate within a share `tolerance` and decoder
    /// norm within 0.4 of that; where there are too few to draw from, within twice, four times, … as much.
    pub fn matched(&self, chosen: &[i64], seed: u64) -> Matched {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut latents: Vec<i64> = Vec::new();
        let mut widest = TOLERANCE;
        for &like in chosen {
            let (alike, tolerance) = self.alike(like, |latent| chosen.contains(&latent) || latents.contains(&latent));
            latents.extend(alike.choose(&mut rng));
            widest = widest.max(tolerance);
        }
        Matched { latents, tolerance: widest }
    }

    fn alike(&self, like: i64, is_taken: impl Fn(i64) -> bool) -> (Vec<i64>, f64) {
        let near = |values: &[f64], latent: i64, tolerance: f64| {
            (values[latent as usize] / values[like as usize] - 1.0).abs() <= tolerance
        };
        let free: Vec<i64> =
            (0..self.active.len() as i64).filter(|&latent| self.active[latent as usize] && !is_taken(latent)).collect();
        let mut tolerance = TOLERANCE;
        loop {
            let alike: Vec<i64> = free
                .iter()
                .copied()
                .filter(|&latent| {
                    near(&self.density, latent, tolerance) && near(&self.dec_norms, latent, 0.4 * tolerance)
                })
                .collect();
            if alike.len() >= N_ALIKE.min(free.len()) {
                return (alike, tolerance);
            }
            tolerance *= 2.0;
        }
    }
}

/// How far the firing rate of a matched latent may be off, as a share.
pub(super) const TOLERANCE: f64 = 0.25;
/// Latents that there must be to draw from.
const N_ALIKE: usize = 5;

/// A random set like another.
#[derive(Debug)]
pub(super) struct Matched {
    pub latents: Vec<i64>,
    /// The share within which all firing rates are.
    pub tolerance: f64,
}

/// Mean of the strongest activations of each latent, 0 where it never fires.
fn units(rows: &[&RotationRow], stage: Stage, top: &[TopTokenRow]) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); rows.len()];
    for row in top.iter().filter(|row| row.stage == stage && rows.first().is_some_and(|first| first.seed == row.seed)) {
        let sum = &mut sums[row.latent as usize];
        *sum = (sum.0 + row.activation, sum.1 + 1.0);
    }
    sums.into_iter().map(|(sum, n): (f64, f64)| sum / n.max(1.0)).collect()
}

/// Active latents by the sum of their ranks on both axes, those that turned furthest first.
fn by_rotation(axes: &[Axis; 2], active: &[bool]) -> Vec<i64> {
    let sums = rank_sum(&axes[0].real, &axes[1].real, active);
    let mut order: Vec<usize> = (0..active.len()).filter(|&latent| active[latent]).collect();
    order.sort_by(|&a, &b| sums[a].total_cmp(&sums[b]));
    order.into_iter().map(|latent| latent as i64).collect()
}

/// Active latents by the larger of their q-values, ties by rotation.
fn by_q_value([x, y]: &[Axis; 2], active: &[bool], by_rotation: &[i64]) -> Vec<i64> {
    if !(x.has_null() && y.has_null()) {
        return Vec::new();
    }
    let [x, y] = null_q_values(x.arms(), y.arms(), active);
    let mut order = by_rotation.to_vec();
    let q = |latent: i64| x[latent as usize].max(y[latent as usize]);
    order.sort_by(|&a, &b| q(a).total_cmp(&q(b)));
    order
}
