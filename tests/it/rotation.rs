//! How far directions turned: the plain cases, and whether the null arms tell turning from wobbling.

use crate::fixture::{self, max_abs};
use crate::rounding::{self, assert_within, share};
use stagediff::diff::{Arms, Quadrant, against_null, cosine, cosines, null_p_values, over_matched_null};
use stagediff::stats::ranking::auroc;
use tch::{Device, Kind, Tensor};

#[test]
fn a_cosine_with_nothing_is_0_and_with_itself_1() {
    let rows = rounding::in_double(&fixture::normal(&[6, 3, 4], 0));
    let (one, bound) = (Tensor::ones([6], (Kind::Double, Device::Cpu)), Tensor::from(share(2 * 12 + 4, Kind::Double)));
    assert_within(&cosine(&rows, &rows), &one, &bound);
    assert_within(&cosine(&rows, &(&rows * -1e-3)), &-one, &bound);
    assert_eq!(max_abs(&cosine(&rows, &rows.zeros_like())), 0.0);
}

const N_LATENTS: usize = 1000;
/// Of every twenty latents the first is turned.
const TURNED: usize = 20;

/// Cosines on one axis of synthetic dictionaries: every latent wobbles, a rare one more, and where something changes some
/// turn by an angle whose cosine is 0.9.
struct Synthetic {
    real: Vec<f64>,
    null: Vec<f64>,
    density: Vec<f64>,
}

impl Synthetic {
    fn of(seed: u64, changes: bool) -> Synthetic {
        let size = [N_LATENTS as i64, 80];
        let draw = |purpose: u64| fixture::normal(&size, 100 * seed + purpose);
        let density = fixture::normal(&[N_LATENTS as i64], 100 * seed + 1).exp();
        let wobble = (&density + 0.3).reciprocal().unsqueeze(1) * 0.05;
        let (before, direction) = (draw(2), draw(3));
        let is_turned = Tensor::arange(N_LATENTS as i64, (Kind::Int64, Device::Cpu)).remainder(TURNED as i64).eq(0);
        let turn = is_turned.unsqueeze(1).to_kind(Kind::Float) * if changes { 0.48 } else { 0.0 }; // tan of the angle
        let after = &before + draw(4) * &wobble + direction * turn;
        Synthetic {
            real: cosines(&before, &after),
            null: cosines(&before, &(&before + draw(5) * &wobble)),
            density: Vec::try_from(&density.to_kind(Kind::Double)).unwrap(),
        }
    }

    fn arms(&self) -> Arms<'_> {
        Arms { real: &self.real, null: &self.null, density: &self.density }
    }
}

/// p is uniform where nothing changes: its share below 0.05 is off by no more than four standard deviations of a share of
/// so many latents, drawn and compared. By Benjamini and Hochberg one run in twenty has a false discovery on an axis.
#[test]
fn where_nothing_changes_one_in_twenty_has_a_p_below_a_twentieth_and_nothing_is_found() {
    let (n_runs, active) = (20, [true; N_LATENTS]);
    let (mut n_flagged, mut n_runs_with_a_find) = (0, 0);
    for seed in 0..n_runs {
        let [x, y] = [2 * seed, 2 * seed + 1].map(|seed| Synthetic::of(seed, false));
        n_flagged += null_p_values(x.arms(), y.arms(), &active).concat().iter().filter(|p| **p < 0.05).count();
        let quadrants = against_null(x.arms(), y.arms(), &active, 0.05);
        assert!(quadrants.iter().all(|&here| here != Quadrant::Both));
        n_runs_with_a_find += usize::from(quadrants.iter().any(|&here| here != Quadrant::Neither));
    }
    let n = (2 * N_LATENTS) as f64 * n_runs as f64;
    let off = 4.0 * (0.05 * 0.95 * 2.0 / n).sqrt();
    assert!((n_flagged as f64 / n - 0.05).abs() < off, "{n_flagged} of {n}, {off}");
    assert!(n_runs_with_a_find <= 6, "{n_runs_with_a_find} of {n_runs} runs"); // more: three in a thousand such tests
}

#[test]
fn latents_that_turned_are_told_from_those_that_wobble() {
    let active = [true; N_LATENTS];
    let labels: Vec<bool> = (0..N_LATENTS).map(|latent| latent % TURNED == 0).collect();
    for seed in 100..110 {
        let [x, y] = [2 * seed, 2 * seed + 1].map(|seed| Synthetic::of(seed, true));
        let area = auroc(&over_matched_null(x.arms(), &active), &labels).value;
        assert!(area >= 0.95, "{area}");
        let still = Synthetic::of(2 * seed + 500, false);
        let by_nothing = auroc(&over_matched_null(still.arms(), &active), &labels);
        assert!(by_nothing.value < 0.7 && by_nothing.ci_high > 0.5, "{by_nothing:?}");
        let both = against_null(x.arms(), y.arms(), &active, 0.05);
        let n_found = (0..N_LATENTS).filter(|&latent| labels[latent] && both[latent] == Quadrant::Both).count();
        assert!(n_found >= 45, "{n_found} of 50");
    }
}
