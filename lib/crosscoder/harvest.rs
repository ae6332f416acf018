//! Activations of a language model, as a crosscoder is trained and measured on them: as it gives them, or as they lie in a
//! folder.

mod ahead;
mod blocks;
mod models;
mod share;
mod stored;
mod stream;

pub use models::Models;
pub use stored::{StoredAbout, StoredActs, StoredPart, TokenTexts};
pub use stream::{ActivationStream, StreamConfig};

use crate::language_model::HookPoint;
use tch::{Kind, Tensor};

/// Sequences run through the model at once.
const MODEL_BATCH: i64 = 32;

/// Where activations are read, and how they are prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct HookConfig {
    /// The hook points.
    pub hooks: Vec<HookPoint>,
    /// Whether each vector's mean over d_model is removed, as TransformerLens does in the published code. What is
    /// normalised has none.
    pub centred: bool,
}

impl HookConfig {
    /// The published one: the embedding and every block's output, centred.
    pub fn all_layers(n_layers: usize) -> HookConfig {
        HookConfig { hooks: HookPoint::residual_stream(n_layers), centred: true }
    }

    /// Which of the hook points is a place of the forward pass.
    pub fn place_of(&self, point: HookPoint) -> Option<usize> {
        self.hooks.iter().position(|hook| hook.is_same_place(point))
    }

    /// Activations of sequences, positions of all of them in one row each.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq] → [sequence · seq, hook, d_model], with the hook points of both of two models
    /// ([`Models::SideBySide`])
    pub fn harvest<'a>(&self, models: impl Into<Models<'a>>, tokens: &Tensor) -> Tensor {
        let models = models.into();
        let acts = self.memory(models, tokens.numel() as i64);
        self.harvest_into(&acts, models, tokens, None);
        acts
    }

    /// Memory for the activations of `n_tokens` tokens, [token, hook, d_model].
    fn memory(&self, models: Models, n_tokens: i64) -> Tensor {
        let model = models.first();
        let size = [n_tokens, models.n_hooks(self), model.config.d_model];
        Tensor::empty(size, (Kind::Float, model.wte.device()))
    }

    /// Fills `acts` with the activations of `tokens`, times a factor for each hook point. Each hook point's go where they
    /// belong as they arise.
    fn harvest_into(&self, acts: &Tensor, models: Models, tokens: &Tensor, scale: Option<&Tensor>) {
        let mut first = 0;
        for tokens in tokens.split(MODEL_BATCH, 0) {
            let n_tokens = tokens.numel() as i64;
            models.fill(self, &acts.narrow(0, first, n_tokens), &tokens, scale);
            first += n_tokens;
        }
    }

    /// What passes a hook point as activations: with its mean removed, if so chosen.
    ///
    /// # Shapes
    /// `passing` […, d_model] → the same
    pub(crate) fn as_acts(&self, hook: HookPoint, passing: &Tensor) -> Tensor {
        let acts = passing.empty_like();
        self.prepare(hook, passing, acts.shallow_clone(), None);
        acts
    }

    /// # Shapes
    /// `passing`, `acts` […, d_model]; `scale` scalar
    fn prepare(&self, hook: HookPoint, passing: &Tensor, mut acts: Tensor, scale: Option<Tensor>) {
        if self.centred && !hook.is_normalized() {
            let _ = passing.sub_out(&acts, &passing.mean_dim([-1i64].as_slice(), true, passing.kind()));
        } else {
            acts.copy_(passing);
        }
        if let Some(scale) = scale {
            acts *= scale;
        }
    }
}

/// s = √d_model / mean ‖x‖ for each hook point: what makes the mean norm √d_model; 1 where all activations are zero, as the
/// difference of two models with one embedding is there. Measured once for stage S and frozen.
///
/// # Shapes
/// `acts` [sample, hook, d_model] → `[hook]`
pub fn scale(acts: &Tensor) -> Tensor {
    let (_, _, d_model) = acts.size3().expect("acts [sample, hook, d_model]");
    let norms = acts.norm_scalaropt_dim(2.0, [2i64].as_slice(), false); // [sample, hook]
    let mean = norms.mean_dim([0i64].as_slice(), false, Kind::Float);
    let scale = mean.reciprocal() * (d_model as f64).sqrt();
    scale.where_self(&mean.gt(0.0), &mean.ones_like())
}
