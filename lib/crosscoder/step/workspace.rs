//! Memory for what a step computes on its way, kept for the next step.

use crate::crosscoder::Crosscoder;
use crate::processor::memory::{floats, floats_mut};
use crate::processor::parallel;
use crate::processor::simd::scaled_error;
use tch::{Device, Kind, Tensor};

pub(super) struct Workspace {
    /// [batch, latent]
    pub pre_acts: Tensor,
    /// [batch, latent]
    pub latents: Tensor,
    /// ⟨g, W_dec⟩, then ∂L/∂pre, [batch, latent]
    pub upstream: Tensor,
    /// x̂, then g = 2 (x̂ − x) / B, [batch, hook · d_model]
    pub d_recon: Tensor,
}

impl Workspace {
    /// The one of the step before, if it fits a batch `x`.
    pub fn fitting(held: Option<Workspace>, crosscoder: &Crosscoder, x: &Tensor) -> Workspace {
        held.filter(|held| held.d_recon.size() == x.size()).unwrap_or_else(|| Workspace::new(crosscoder, x))
    }

    fn new(crosscoder: &Crosscoder, x: &Tensor) -> Workspace {
        let pairs = || Tensor::empty([x.size()[0], crosscoder.n_latents()], (Kind::Float, Device::Cpu));
        Workspace { pre_acts: pairs(), latents: pairs(), upstream: pairs(), d_recon: x.empty_like() }
    }
}

/// Turns x̂ into g = 2 (x̂ − x) / B with B = `n_acts`; returns Σ (x̂ − x)².
pub(super) fn turn_into_gradient(workspace: &mut Workspace, x: &Tensor, n_acts: i64) -> f64 {
    let (n_rows, n_inputs) = x.size2().expect("x [batch, hook · d_model]");
    let (n, scale) = (n_inputs as usize, 2.0 / n_acts as f32);
    let mut squares = vec![0.0; n_rows as usize];
    let rows = floats_mut(&mut workspace.d_recon).chunks_exact_mut(n).zip(floats(x).chunks_exact(n)).zip(&mut squares);
    parallel::for_each(rows, |((g, x), square)| *square = f64::from(scaled_error(g, x, scale)));
    squares.iter().sum()
}
