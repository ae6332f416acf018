//! Where a layer's tensors come from.
//!
//! A layer asks for each of its tensors once, where it is built: by its name in the checkpoint, its shape and its initial
//! value. Whoever builds the layer says where the values come from: drawn afresh, read from a file, copied.

use tch::{Device, Kind, Tensor};

/// Gives the tensor of a name and a shape; [`Init`] is what it holds if it is a fresh one.
pub(crate) type Source<'a, E> = dyn FnMut(&str, &[i64], Init) -> Result<Tensor, E> + 'a;

/// What a tensor holds before any training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Init {
    Zeros,
    Ones,
    Normal { std: f64 },
}

impl Init {
    /// A fresh tensor. Draws from libtorch's generator.
    pub(crate) fn tensor(self, shape: &[i64], device: Device) -> Tensor {
        let opts = (Kind::Float, device);
        match self {
            Init::Zeros => Tensor::zeros(shape, opts),
            Init::Ones => Tensor::ones(shape, opts),
            Init::Normal { std } => Tensor::empty(shape, opts).normal_(0.0, std),
        }
    }
}
