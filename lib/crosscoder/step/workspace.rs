//! Memory for what a step computes on its way, kept for the next step.

use crate::crosscoder::Crosscoder;
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
