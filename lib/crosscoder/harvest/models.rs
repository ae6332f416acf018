//! Whose activations are read: one model's, or those of two that read the same tokens.

use super::HookConfig;
use crate::language_model::gpt_neo::GptNeo;
use tch::Tensor;

/// One model, or two of the same sizes.
#[derive(Debug, Clone, Copy)]
pub enum Models<'a> {
    /// Its activations.
    One(&'a GptNeo),
    /// What the second's activations are more than the first's, at each hook point.
    Difference(&'a GptNeo, &'a GptNeo),
    /// The first's activations at all hook points, then the second's.
    SideBySide(&'a GptNeo, &'a GptNeo),
}

impl<'a> From<&'a GptNeo> for Models<'a> {
    fn from(model: &'a GptNeo) -> Models<'a> {
        Models::One(model)
    }
}

impl<'a> Models<'a> {
    pub(super) fn first(self) -> &'a GptNeo {
        match self {
            Models::One(model) | Models::Difference(model, _) | Models::SideBySide(model, _) => model,
        }
    }

    /// Hook points of an activation.
    pub(super) fn n_hooks(self, cfg: &HookConfig) -> i64 {
        let n_models = if matches!(self, Models::SideBySide(..)) { 2 } else { 1 };
        n_models * cfg.hooks.len() as i64
    }

    /// # Shapes
    /// `acts` [token, hook, d_model], `tokens` [sequence, seq], `scale` `[hook]`
    pub(super) fn fill(self, cfg: &HookConfig, acts: &Tensor, tokens: &Tensor, scale: Option<&Tensor>) {
        let n_hooks = cfg.hooks.len() as i64;
        let read = |model: &GptNeo, acts: &Tensor, scale: Option<Tensor>| {
            model.visit(&tokens.to_device(model.wte.device()), &cfg.hooks, &mut |place, passing| {
                let scale = scale.as_ref().map(|scale| scale.get(place as i64));
                cfg.prepare(cfg.hooks[place], &passing.flatten(0, 1), acts.select(1, place as i64), scale);
            });
        };
        match self {
            Models::One(model) => read(model, acts, scale.map(Tensor::shallow_clone)),
            Models::Difference(before, after) => {
                let of_before = acts.empty_like();
                read(before, &of_before, scale.map(Tensor::shallow_clone));
                read(after, acts, scale.map(Tensor::shallow_clone));
                let _ = acts.shallow_clone().g_sub_(&of_before);
            }
            Models::SideBySide(first, second) => {
                for (place, model) in [first, second].into_iter().enumerate() {
                    let part = |tensor: &Tensor, dim: i64| tensor.narrow(dim, place as i64 * n_hooks, n_hooks);
                    read(model, &part(acts, 1), scale.map(|scale| part(scale, 0)));
                }
            }
        }
    }
}
