//! Reading and replacing what passes hook points.

use crate::language_model::hook::HookPoint;
use tch::Tensor;

/// What is done at hook points of a forward pass.
pub(super) struct Edit<'a> {
    hooks: Option<&'a [HookPoint]>,
    edit: Option<&'a mut dyn FnMut(HookPoint, Tensor) -> Tensor>,
}

impl<'a> Edit<'a> {
    /// At every hook point but the normalised ones, which cost a pass of their own.
    pub fn everywhere(edit: &'a mut dyn FnMut(HookPoint, Tensor) -> Tensor) -> Edit<'a> {
        Edit { hooks: None, edit: Some(edit) }
    }

    /// Nowhere.
    pub fn none() -> Edit<'a> {
        Edit { hooks: Some(&[]), edit: None }
    }

    /// At these hook points alone.
    pub fn at(hooks: &'a [HookPoint], edit: &'a mut dyn FnMut(HookPoint, Tensor) -> Tensor) -> Edit<'a> {
        Edit { hooks: Some(hooks), edit: Some(edit) }
    }

    /// Whether something is done at a hook point.
    pub fn is_at(&self, hook: HookPoint) -> bool {
        self.hooks.map_or(!hook.is_normalized(), |hooks| hooks.iter().any(|wanted| wanted.is_same_place(hook)))
    }

    /// What passes on from a hook point.
    pub fn pass(&mut self, hook: HookPoint, acts: Tensor) -> Tensor {
        let is_at = self.is_at(hook);
        match &mut self.edit {
            Some(edit) if is_at => edit(hook, acts),
            _ => acts,
        }
    }
}
