//! Layer normalisation: each vector to mean 0 and variance 1, then scaled and shifted.

use super::edit::Edit;
use crate::language_model::hook::HookPoint;
use crate::language_model::parameters::{Init, Source};
use tch::Tensor;

/// y = w · (x − mean x) / √(var x + ε) + b, with the biased variance.
#[derive(Debug)]
pub struct LayerNorm {
    /// Its name in the checkpoint: `transformer.h.0.ln_1`.
    pub name: String,
    /// Scale, `[d_model]`.
    pub weight: Tensor,
    /// Shift, `[d_model]`.
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    pub(super) fn new<E>(source: &mut Source<E>, name: String, d_model: i64, eps: f64) -> Result<LayerNorm, E> {
        let weight = source(&format!("{name}.weight"), &[d_model], Init::Ones)?;
        let bias = source(&format!("{name}.bias"), &[d_model], Init::Zeros)?;
        Ok(LayerNorm { name, weight, bias, eps })
    }

    pub(super) fn tensors(&self) -> [(String, &Tensor); 2] {
        [(format!("{}.weight", self.name), &self.weight), (format!("{}.bias", self.name), &self.bias)]
    }

    /// The same, with what is normalised read or replaced before it is scaled and shifted, where someone asks for it.
    ///
    /// # Shapes
    /// `xs` […, d_model] → the same
    pub(super) fn edited(&self, xs: &Tensor, hook: HookPoint, edit: &mut Edit) -> Tensor {
        if !edit.is_at(hook) {
            return self.forward(xs);
        }
        let normalized = xs.layer_norm(self.weight.size(), None::<Tensor>, None::<Tensor>, self.eps, true);
        edit.pass(hook, normalized) * &self.weight + &self.bias
    }

    /// # Shapes
    /// `xs` […, d_model] → the same
    pub fn forward(&self, xs: &Tensor) -> Tensor {
        xs.layer_norm(self.weight.size(), Some(&self.weight), Some(&self.bias), self.eps, true)
    }
}
