//! The model and its forward pass.

use super::attention::Past;
use super::block::Block;
use super::config::GptNeoConfig;
use super::edit::Edit;
use super::layer_norm::LayerNorm;
use crate::language_model::hook::HookPoint;
use crate::language_model::linear::Linear;
use tch::Tensor;

/// Names of the embeddings in the checkpoint.
pub(super) const WTE: &str = "transformer.wte.weight";
pub(super) const WPE: &str = "transformer.wpe.weight";

/// A GPT-Neo: pre-LN blocks, attention without 1/√d_head, global and local in turn, tied head. Tensor names are those of
/// Hugging Face's checkpoints, so the folder of a published model loads as it is.
pub struct GptNeo {
    /// Its sizes.
    pub config: GptNeoConfig,
    /// Token embedding and head, [vocab, d_model].
    pub wte: Tensor,
    /// Position embedding, [position, d_model].
    pub wpe: Tensor,
    /// The blocks.
    pub blocks: Vec<Block>,
    /// Before the head.
    pub ln_f: LayerNorm,
}

impl GptNeo {
    /// Runs the blocks and gives the final residual stream; `edit` may read or replace what passes each hook point, in
    /// order. What a block reads passes as what the one before it left behind. Normalised activations are not shown:
    /// [`GptNeo::resid_hooked`] does.
    ///
    /// # Shapes
    /// `tokens` [batch, seq]; at each hook point [batch, seq, d_model], as the result
    pub fn resid(&self, tokens: &Tensor, train: bool, edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor) -> Tensor {
        self.resid_until(tokens, self.blocks.len(), train, &mut Edit::everywhere(edit))
    }

    /// The same with `edit` at some hook points alone, any of them.
    ///
    /// # Shapes
    /// As [`GptNeo::resid`].
    pub fn resid_hooked(
        &self,
        tokens: &Tensor,
        hooks: &[HookPoint],
        edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor,
    ) -> Tensor {
        self.resid_until(tokens, self.blocks.len(), false, &mut Edit::at(hooks, edit))
    }

    /// The final residual stream with what passes a hook point replaced. Where that is all that passes between two blocks,
    /// those before it are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq], `acts` [batch, seq, d_model] → the same
    pub(crate) fn resid_replaced(&self, tokens: &Tensor, hook: HookPoint, acts: &Tensor) -> Tensor {
        match hook {
            HookPoint::ResidPre(_) | HookPoint::ResidPost(_) => {
                let blocks = self.blocks.iter().skip(hook.n_blocks());
                blocks.fold(acts.shallow_clone(), |resid, block| {
                    block.forward(&resid, &mut None, false, &mut Edit::none())
                })
            }
            _ => self.resid_hooked(tokens, &[hook], &mut |_, _| acts.shallow_clone()),
        }
    }

    fn resid_until(&self, tokens: &Tensor, n_blocks: usize, train: bool, edit: &mut Edit) -> Tensor {
        let mut resid = edit.pass(HookPoint::ResidPre(0), self.embed(tokens, 0));
        for block in self.blocks.iter().take(n_blocks) {
            resid = block.forward(&resid, &mut None, train, edit);
        }
        resid
    }

    /// The final residual stream at some positions, counted through the batch. The last block is not finished for others.
    ///
    /// # Shapes
    /// `tokens` [batch, seq], `positions` [position] → [position, d_model]
    pub(crate) fn resid_at(&self, tokens: &Tensor, positions: &Tensor, train: bool) -> Tensor {
        match self.blocks.split_last() {
            None => self.embed(tokens, 0).flatten(0, 1).index_select(0, positions),
            Some((last, before)) => {
                let resid = self.resid_until(tokens, before.len(), train, &mut Edit::none());
                last.forward_at(&resid, positions, train)
            }
        }
    }

    /// The final residual stream of tokens that follow the `n_past` whose keys and values `past` holds, one pair a block.
    pub(super) fn resid_after(&self, tokens: &Tensor, n_past: i64, past: &mut [Past], edit: &mut Edit) -> Tensor {
        let mut resid = edit.pass(HookPoint::ResidPre(0), self.embed(tokens, n_past));
        for (block, past) in self.blocks.iter().zip(past) {
            resid = block.forward(&resid, past, false, edit);
        }
        resid
    }

    /// Token embeddings plus those of the positions from `first` on.
    fn embed(&self, tokens: &Tensor, first: i64) -> Tensor {
        let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
        assert!(
            first + seq <= self.config.n_positions,
            "sequence of {} tokens, the model has {} positions",
            first + seq,
            self.config.n_positions
        );
        Tensor::embedding(&self.wte, tokens, -1, false, false) + self.wpe.narrow(0, first, seq)
    }

    /// Activations at `hooks`, without gradients. Blocks after the last hook point are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq] → [batch, seq, hook, d_model]
    pub fn acts(&self, tokens: &Tensor, hooks: &[HookPoint]) -> Tensor {
        let (batch, seq) = tokens.size2().expect("tokens [batch, seq]");
        let size = [batch, seq, hooks.len() as i64, self.config.d_model];
        let acts = Tensor::empty(size, (self.wte.kind(), self.wte.device()));
        self.visit(tokens, hooks, &mut |hook_idx, passing| acts.select(2, hook_idx as i64).copy_(passing));
        acts
    }

    /// Shows what passes each of `hooks`, with the hook point's place in the list, as soon as it is there.
    /// Without gradients; blocks after the last hook point are not run.
    ///
    /// # Shapes
    /// `tokens` [batch, seq]; at each hook point [batch, seq, d_model]
    pub fn visit(&self, tokens: &Tensor, hooks: &[HookPoint], see: &mut dyn FnMut(usize, &Tensor)) {
        let n_blocks = hooks.iter().map(|hook| hook.n_blocks()).max().unwrap_or(0);
        assert!(n_blocks <= self.blocks.len(), "a hook point of a model of {} blocks: {hooks:?}", self.blocks.len());
        let _no_grad = tch::no_grad_guard();
        let read = &mut |point: HookPoint, acts| {
            let here = hooks.iter().enumerate().filter(|(_, hook)| hook.is_same_place(point));
            here.for_each(|(place, _)| see(place, &acts));
            acts
        };
        let _last = self.resid_until(tokens, n_blocks, false, &mut Edit::at(hooks, read));
    }

    /// Logits of the next token at every position.
    ///
    /// # Shapes
    /// `tokens` [batch, seq] → [batch, seq, vocab]
    pub fn logits(&self, tokens: &Tensor, train: bool) -> Tensor {
        self.unembed(&self.resid(tokens, train, &mut |_, resid| resid))
    }

    /// Final layer norm and head.
    ///
    /// # Shapes
    /// `resid` […, d_model] → […, vocab]
    pub fn unembed(&self, resid: &Tensor) -> Tensor {
        self.ln_f.forward(resid).linear(&self.wte, None::<Tensor>)
    }

    /// Every tensor of the checkpoint, by name. Adapters are not among them.
    pub fn tensors(&self) -> Vec<(String, Tensor)> {
        let embeddings = [(WTE.to_string(), &self.wte), (WPE.to_string(), &self.wpe)];
        let blocks = self.blocks.iter().flat_map(Block::tensors);
        let all = embeddings.into_iter().chain(self.ln_f.tensors()).chain(blocks);
        all.map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// Number of parameters, the tied head counted once and adapters not at all.
    pub fn n_parameters(&self) -> usize {
        self.tensors().iter().map(|(_, tensor)| tensor.numel()).sum()
    }

    /// The linear layers of all blocks.
    pub fn linears(&self) -> impl Iterator<Item = &Linear> {
        self.blocks.iter().flat_map(Block::linears)
    }

    /// The same, to change them.
    pub fn linears_mut(&mut self) -> impl Iterator<Item = &mut Linear> {
        self.blocks.iter_mut().flat_map(Block::linears_mut)
    }

    /// Quantises every linear layer of the blocks to NF4; embeddings, head, norms and biases stay float.
    pub fn quantise(&mut self) {
        self.linears_mut().for_each(Linear::quantise);
    }

    /// Adds each adapter's update to its layer's weight and drops the adapters.
    pub fn merge(&mut self) {
        self.linears_mut().for_each(Linear::merge);
    }
}

impl std::fmt::Debug for GptNeo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let GptNeoConfig { n_vocab, d_model, n_heads, .. } = self.config;
        write!(
            f,
            "GptNeo({} blocks, d_model {d_model}, {n_heads} heads, vocabulary {n_vocab}, {} parameters)",
            self.blocks.len(),
            self.n_parameters()
        )
    }
}
