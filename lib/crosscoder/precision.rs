//! The precision in which a crosscoder takes its matrix products.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

/// How products are taken. Parameters, thresholds, losses and the optimiser's moments keep their precision either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// As precise as the parameters are.
    #[default]
    Float32,
    /// Factors rounded to bfloat16, for GPUs and for processors that multiply those several times as fast (`amx_bf16` in
    /// /proc/cpuinfo). On a GPU products come in float32; on a processor they are rounded to bfloat16 too.
    Bf16,
}

impl Precision {
    /// A tensor as a factor of products. Round once what goes into several.
    pub(super) fn factor(self, tensor: &Tensor) -> Tensor {
        match self {
            Precision::Float32 => tensor.shallow_clone(),
            Precision::Bf16 => tensor.to_kind(Kind::BFloat16),
        }
    }

    /// The product of two factors. In bfloat16 on a processor; what it is added to or written to has its own precision.
    ///
    /// # Shapes
    /// [m, k], [k, n] → [m, n]
    pub(super) fn mm(self, a: &Tensor, b: &Tensor) -> Tensor {
        match (self, a.device()) {
            (Precision::Bf16, Device::Cuda(_)) => a.mm_dtype(b, Kind::Float),
            _ => a.mm(b),
        }
    }

    /// out = a b.
    ///
    /// # Shapes
    /// As [`Precision::mm`].
    pub(super) fn set_product(self, out: &mut Tensor, a: &Tensor, b: &Tensor) {
        match self {
            Precision::Float32 => drop(a.mm_out(out, b)),
            Precision::Bf16 => out.copy_(&self.mm(a, b)),
        }
    }

    /// out += a b.
    ///
    /// # Shapes
    /// As [`Precision::mm`].
    pub(super) fn add_product(self, out: &mut Tensor, a: &Tensor, b: &Tensor) {
        match self {
            Precision::Float32 => drop(out.addmm_(a, b)),
            Precision::Bf16 => *out += self.mm(a, b),
        }
    }
}
