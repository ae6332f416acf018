//! One block: attention and MLP, each behind a layer norm and added to the residual stream.

use super::attention::{Attention, Past};
use super::config::GptNeoConfig;
use super::edit::Edit;
use super::layer_norm::LayerNorm;
use crate::language_model::gelu::gelu_of_sum;
use crate::language_model::hook::HookPoint;
use crate::language_model::linear::Linear;
use crate::language_model::parameters::Source;
use tch::Tensor;

/// The two-layer MLP with the tanh form of GELU (`gelu_new`).
#[derive(Debug)]
pub struct Mlp {
    /// To the hidden layer.
    pub c_fc: Linear,
    /// Back to the residual stream.
    pub c_proj: Linear,
}

impl Mlp {
    fn new<E>(source: &mut Source<E>, name: String, cfg: &GptNeoConfig) -> Result<Mlp, E> {
        let &GptNeoConfig { d_model, d_mlp, .. } = cfg;
        let (std, residual_std) = (GptNeoConfig::INIT_STD, cfg.residual_init_std());
        Ok(Mlp {
            c_fc: Linear::new(source, format!("{name}.c_fc"), [d_mlp, d_model], std)?.with_bias(source)?,
            c_proj: Linear::new(source, format!("{name}.c_proj"), [d_model, d_mlp], residual_std)?.with_bias(source)?,
        })
    }

    /// # Shapes
    /// `xs` [batch, seq, d_model] → the same
    fn forward(&self, xs: &Tensor, train: bool) -> Tensor {
        let hidden = match (&self.c_fc.lora, &self.c_fc.bias) {
            (None, Some(bias)) => gelu_of_sum(xs.linear(&self.c_fc.weight, None::<Tensor>), bias),
            _ => self.c_fc.forward(xs, train).gelu("tanh"),
        };
        self.c_proj.forward(&hidden, train)
    }
}

/// Attention and MLP.
#[derive(Debug)]
pub struct Block {
    /// Its number.
    index: usize,
    /// Before the attention.
    pub ln_1: LayerNorm,
    /// The attention.
    pub attn: Attention,
    /// Before the MLP.
    pub ln_2: LayerNorm,
    /// The MLP.
    pub mlp: Mlp,
}

impl Block {
    /// Block `index` of the model.
    pub(super) fn new<E>(source: &mut Source<E>, index: usize, cfg: &GptNeoConfig) -> Result<Block, E> {
        let name = |part: &str| format!("transformer.h.{index}.{part}");
        let (d_model, eps) = (cfg.d_model, cfg.layer_norm_eps);
        Ok(Block {
            index,
            ln_1: LayerNorm::new(source, name("ln_1"), d_model, eps)?,
            ln_2: LayerNorm::new(source, name("ln_2"), d_model, eps)?,
            attn: Attention::new(source, name("attn.attention"), cfg, cfg.reach[index])?,
            mlp: Mlp::new(source, name("mlp"), cfg)?,
        })
    }

    /// `edit` may read or replace what passes each hook point after what the block reads.
    ///
    /// # Shapes
    /// `resid` [batch, seq, d_model] → the same
    pub(super) fn forward(&self, resid: &Tensor, past: &mut Past, train: bool, edit: &mut Edit) -> Tensor {
        let read = self.ln_1.edited(resid, HookPoint::Ln1Normalized(self.index), edit);
        self.after_mixture(resid, &self.attn.mixture(&read, past, train), train, edit)
    }

    /// The output at some positions only, counted through the batch: what comes after attention's mixture is done for
    /// no other.
    ///
    /// # Shapes
    /// `resid` [batch, seq, d_model], `positions` [position] → [position, d_model]
    pub(super) fn forward_at(&self, resid: &Tensor, positions: &Tensor, train: bool) -> Tensor {
        let mixture = self.attn.mixture(&self.ln_1.forward(resid), &mut None, train);
        let at = |all: &Tensor| all.flatten(0, 1).index_select(0, positions);
        self.after_mixture(&at(resid), &at(&mixture), train, &mut Edit::none())
    }

    /// # Shapes
    /// `resid`, `mixture` […, d_model] → the same
    fn after_mixture(&self, resid: &Tensor, mixture: &Tensor, train: bool, edit: &mut Edit) -> Tensor {
        let resid = resid + self.attn.out_proj.forward(mixture, train);
        let resid = edit.pass(HookPoint::ResidMid(self.index), resid);
        let read = self.ln_2.edited(&resid, HookPoint::Ln2Normalized(self.index), edit);
        let update = edit.pass(HookPoint::MlpOut(self.index), self.mlp.forward(&read, train));
        edit.pass(HookPoint::ResidPost(self.index), resid + update)
    }

    /// Its number.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The MLP's first layer as it reads what is normalised: the layer norm's weight and bias are in it. An adapter that is
    /// not merged is not.
    ///
    /// # Shapes
    /// → weight [d_mlp, d_model], bias `[d_mlp]`
    pub fn c_fc_of_normalized(&self) -> (Tensor, Tensor) {
        let c_fc = &self.mlp.c_fc;
        (&c_fc.weight * &self.ln_2.weight, self.ln_2.bias.linear(&c_fc.weight, c_fc.bias.as_ref()))
    }

    /// The MLP's output from the pre-activations of its neurons.
    ///
    /// # Shapes
    /// `pre_acts` […, d_mlp] → […, d_model]
    pub fn mlp_out(&self, pre_acts: &Tensor) -> Tensor {
        self.mlp.c_proj.forward(&pre_acts.gelu("tanh"), false)
    }

    /// Its tensors by name, without those of adapters.
    pub(super) fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        let norms = [&self.ln_1, &self.ln_2].into_iter().flat_map(LayerNorm::tensors);
        norms.chain(self.linears().into_iter().flat_map(Linear::tensors))
    }

    /// The six linear layers.
    pub(super) fn linears(&self) -> [&Linear; 6] {
        let (attn, mlp) = (&self.attn, &self.mlp);
        [&attn.q_proj, &attn.k_proj, &attn.v_proj, &attn.out_proj, &mlp.c_fc, &mlp.c_proj]
    }

    /// The same, to change them.
    pub(super) fn linears_mut(&mut self) -> [&mut Linear; 6] {
        let (attn, mlp) = (&mut self.attn, &mut self.mlp);
        [&mut attn.q_proj, &mut attn.k_proj, &mut attn.v_proj, &mut attn.out_proj, &mut mlp.c_fc, &mut mlp.c_proj]
    }
}
