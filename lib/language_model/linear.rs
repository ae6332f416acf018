//! A linear layer with frozen or trained weight, optional bias and optional adapter: the one place where QLoRA meets a
//! forward pass.

use crate::language_model::lora::{Lora, LoraConfig};
use crate::language_model::nf4::Nf4;
use crate::language_model::parameters::{Init, Source};
use tch::Tensor;

/// y = W x + b, plus the adapter's update if there is one.
#[derive(Debug)]
pub struct Linear {
    /// Its name in the checkpoint: `transformer.h.0.attn.attention.q_proj`.
    pub name: String,
    /// W, [out, in]. On a quantised layer these are the values that the 4-bit codes stand for.
    pub weight: Tensor,
    /// b, `[out]`.
    pub bias: Option<Tensor>,
    /// The adapter.
    pub lora: Option<Lora>,
    /// The 4-bit codes that `weight` was dequantised from.
    pub codes: Option<Nf4>,
}

impl Linear {
    /// A layer without bias, of `size` [out, in]. Fresh weights are normal with standard deviation `std`.
    pub(crate) fn new<E>(source: &mut Source<E>, name: String, size: [i64; 2], std: f64) -> Result<Linear, E> {
        let weight = source(&format!("{name}.weight"), &size, Init::Normal { std })?;
        Ok(Linear { name, weight, bias: None, lora: None, codes: None })
    }

    /// The same layer with a bias, zero when fresh.
    pub(crate) fn with_bias<E>(self, source: &mut Source<E>) -> Result<Linear, E> {
        let bias = source(&format!("{}.bias", self.name), &self.weight.size()[..1], Init::Zeros)?;
        Ok(Linear { bias: Some(bias), ..self })
    }

    /// Its tensors by name, without those of the adapter.
    pub(crate) fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let bias = self.bias.as_ref().map(|bias| (format!("{}.bias", self.name), bias));
        std::iter::once((format!("{}.weight", self.name), &self.weight)).chain(bias)
    }

    /// The layer's output.
    ///
    /// # Shapes
    /// `xs` […, in] → […, out]
    pub fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        match &self.lora {
            None => xs.linear(&self.weight, self.bias.as_ref()),
            Some(lora) => {
                let flat = xs.reshape([-1, self.weight.size()[1]]);
                let ys = lora.add_to(flat.linear(&self.weight, self.bias.as_ref()), &flat, train);
                ys.view([&xs.size()[..xs.dim() - 1], &[-1]].concat().as_slice())
            }
        }
    }

    /// Replaces the weight by its NF4 codes. The codes are dequantised once, not at every call.
    pub(crate) fn quantise(&mut self) {
        let codes = Nf4::quantise(&self.weight);
        self.weight = codes.dequantise().to_device(self.weight.device());
        self.codes = Some(codes);
    }

    /// Adds a fresh adapter.
    pub(crate) fn attach(&mut self, cfg: &LoraConfig) {
        let (n_out, n_in) = self.weight.size2().expect("a matrix");
        self.lora = Some(Lora::init(n_in, n_out, cfg, self.weight.device()));
    }

    /// Adds the adapter's update to the weight and drops the adapter. The sum is dense again.
    pub(crate) fn merge(&mut self) {
        if let Some(lora) = self.lora.take() {
            self.weight = tch::no_grad(|| &self.weight + lora.delta());
            self.codes = None;
        }
    }
}
