//! Changes of activations by way of the code: what a language model's activations would be if chosen latents had other
//! values.
//!
//! ```text
//! x ← x + α (dec(f′) − dec(f))
//! ```
//! The code f is that of the clean activations; f′ differs from it in the chosen latents alone, so that the change needs
//! their rows of the decoder and nothing of what the dictionary fails to explain. f′ = f changes nothing, exactly.
//!
//! Three ways to take a latent away (Read 2025): its direction at one hook point, at all of them, or the smallest change
//! of the activations that silences it, which is a change along encoder directions.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::jumprelu::jumprelu;
use crate::language_model::HookPoint;
use tch::{Kind, Tensor};

/// How far below its threshold a silenced latent comes to lie, as a share of it: more than rounding moves it.
const BELOW: f64 = 0.01;

/// What is done to the chosen latents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action {
    /// f′ = 0, felt at one of the crosscoder's hook points alone.
    AblateOneHook(usize),
    /// f′ = 0, felt at all of them.
    AblateAllHooks,
    /// The smallest change over all hook points, in scaled units, that brings those above their thresholds just below;
    /// pre-activations of chosen latents that do not fire stay as they are.
    AblateCode,
    /// f′ = strength · unit on every token.
    Clamp,
    /// f′ = f + strength · unit on every token.
    Steer,
}

/// A change to some latents.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervention {
    /// What is done.
    pub action: Action,
    /// To which latents.
    pub latents: Vec<i64>,
    /// A value for each that strength is counted in, where they are clamped or steered.
    pub units: Vec<f64>,
    /// α; of ablations below 0 it makes more of the latents.
    pub strength: f64,
}

/// By how much activations change.
///
/// # Shapes
/// `acts` [token, hook, d_model], not scaled → the same
pub fn change(crosscoder: &Crosscoder, acts: &Tensor, intervention: &Intervention) -> Tensor {
    let _no_grad = tch::no_grad_guard();
    let Intervention { action, strength, .. } = *intervention;
    let chosen = Chosen::of(crosscoder, acts, &intervention.latents);
    let units = Tensor::from_slice(&intervention.units).to_kind(acts.kind()).to_device(acts.device());
    let scaled = match action {
        Action::AblateOneHook(_) | Action::AblateAllHooks => (chosen.latents() * -strength).matmul(&chosen.w_dec),
        Action::AblateCode => chosen.silenced() * strength,
        Action::Clamp => (units * strength - chosen.latents()).matmul(&chosen.w_dec),
        Action::Steer => (units * strength).unsqueeze(0).matmul(&chosen.w_dec).expand([acts.size()[0], -1], false),
    };
    let change = scaled.view(acts.size().as_slice()) / crosscoder.scale.view([1, -1, 1]);
    match action {
        Action::AblateOneHook(place) => {
            let here = Tensor::zeros([acts.size()[1]], (acts.kind(), acts.device()));
            let _ = here.get(place as i64).fill_(1.0);
            change * here.view([1, -1, 1])
        }
        _ => change,
    }
}

/// What to add at each hook point so that activations are changed there by `change`. The residual stream carries on what
/// was added before, by an MLP's output too, so each hook point of the stream gets the difference to that. What blocks make
/// of the change comes on top. A change at one hook point alone is carried on as it is.
///
/// # Shapes
/// `change` [token, hook, d_model], one of `hooks` a slice → the same
pub fn added(change: &Tensor, action: Action, hooks: &[HookPoint]) -> Tensor {
    if let Action::AblateOneHook(_) = action {
        return change.shallow_clone();
    }
    let mut along: Vec<usize> = (0..hooks.len()).collect();
    along.sort_by_key(|&place| hooks[place].depth());
    let mut added = change.unbind(1);
    let mut carried = added[0].zeros_like();
    for place in along {
        let wanted = added[place].shallow_clone();
        match hooks[place] {
            hook if hook.is_residual_stream() => {
                added[place] = &wanted - &carried;
                carried = wanted;
            }
            HookPoint::MlpOut(_) => carried = &carried + wanted,
            _ => (),
        }
    }
    Tensor::stack(&added, 1)
}

/// Noise that is as large as a change at each token and hook point.
///
/// # Shapes
/// `change`, `normal` [token, hook, d_model] → the same
pub fn noise_like(change: &Tensor, normal: &Tensor) -> Tensor {
    let norms = |tensor: &Tensor| tensor.norm_scalaropt_dim(2.0, [2i64].as_slice(), true);
    normal * (norms(change) / norms(normal))
}

/// The chosen latents' part of a crosscoder, and their pre-activations.
struct Chosen {
    w_enc: Tensor,
    w_dec: Tensor,
    thresholds: Tensor,
    /// [token, chosen]
    pre_acts: Tensor,
}

impl Chosen {
    fn of(crosscoder: &Crosscoder, acts: &Tensor, latents: &[i64]) -> Chosen {
        let latents = Tensor::from_slice(latents).to_device(acts.device());
        let rows = |tensor: &Tensor| tensor.index_select(0, &latents);
        let scaled = (acts * crosscoder.scale.view([1, -1, 1])).flatten(1, -1);
        let w_enc = rows(&crosscoder.w_enc);
        let pre_acts = scaled.linear(&w_enc, Some(rows(&crosscoder.b_enc)));
        Chosen { w_enc, w_dec: rows(&crosscoder.w_dec), thresholds: rows(&crosscoder.thresholds()), pre_acts }
    }

    fn latents(&self) -> Tensor {
        jumprelu(&self.pre_acts, &self.thresholds)
    }

    /// The least-norm change after which none of them fires: −fall · (W Wᵀ)⁻¹ · W.
    ///
    /// # Shapes
    /// → [token, hook · d_model], scaled
    fn silenced(&self) -> Tensor {
        let fires = self.pre_acts.gt_tensor(&self.thresholds);
        let fall = (&self.pre_acts - &self.thresholds * (1.0 - BELOW)) * fires;
        let w_enc = self.w_enc.to_kind(Kind::Double);
        let gram = w_enc.matmul(&w_enc.tr());
        let along = fall.to_kind(Kind::Double).matmul(&gram.linalg_pinv(1e-10, true));
        -along.matmul(&w_enc).to_kind(self.pre_acts.kind())
    }
}
