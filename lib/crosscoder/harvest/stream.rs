//! A language model's activations as a stream of shuffled batches for training crosscoders.
//!
//! Sequences come in an order drawn from the seed; a block of them is run through the model, and the activations of all
//! their positions are handed out in random order. Block and order are pure functions of seed and step, so a training
//! that goes on from a checkpoint sees what it would have seen.

use super::{HookConfig, Models};
use crate::training::shuffle::{Batches, permutation};
use tch::Tensor;

/// How a stream is scaled, cut and shuffled.
#[derive(Debug)]
pub struct StreamConfig {
    /// What activations are multiplied by, `[hook]`.
    pub scale: Tensor,
    /// Activations a batch.
    pub batch: i64,
    /// Activations, at least, that a batch is drawn from.
    pub buffer_acts: i64,
    /// Seed of both orders.
    pub seed: u64,
}

/// The activations that batches are drawn from.
struct Block {
    index: i64,
    /// [token, hook, d_model], scaled
    acts: Tensor,
    /// The order in which they are handed out, beside them on the device.
    order: Tensor,
}

/// Shuffled batches of scaled activations on one set of sequences.
pub struct ActivationStream<'a> {
    models: Models<'a>,
    hooks: &'a HookConfig,
    tokens: &'a Tensor,
    cfg: StreamConfig,
    batches_per_block: i64,
    sequences: Batches,
    block: Option<Block>,
}

impl<'a> ActivationStream<'a> {
    /// The activations of one model, or of two ([`Models`]), on `tokens`.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq]
    pub fn new(
        models: impl Into<Models<'a>>,
        hooks: &'a HookConfig,
        tokens: &'a Tensor,
        cfg: StreamConfig,
    ) -> ActivationStream<'a> {
        let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
        let models = models.into();
        assert_eq!(cfg.scale.size(), [models.n_hooks(hooks)], "a scale for each hook point");
        let per_block = (cfg.buffer_acts.max(cfg.batch) as u64).div_ceil(seq as u64) as i64;
        let sequences = Batches::new(n_sequences, per_block, cfg.seed);
        let batches_per_block = per_block * seq / cfg.batch;
        ActivationStream { models, hooks, tokens, cfg, batches_per_block, sequences, block: None }
    }

    /// The batch of step `step`, counted from 0.
    ///
    /// # Shapes
    /// → [batch, hook, d_model]
    pub fn batch(&mut self, step: i64) -> Tensor {
        let (index, place) = (step / self.batches_per_block, step % self.batches_per_block);
        let block = match self.block.take() {
            Some(held) if held.index == index => held,
            held => self.next_block(index, held),
        };
        let batch = block.acts.index_select(0, &block.order.narrow(0, place * self.cfg.batch, self.cfg.batch));
        self.block = Some(block);
        batch
    }

    /// Block `index`, in the memory of the one before.
    fn next_block(&mut self, index: i64, before: Option<Block>) -> Block {
        let rows = Tensor::from_slice(&self.sequences.rows(index));
        let tokens = self.tokens.index_select(0, &rows);
        let n_tokens = tokens.numel() as i64;
        let acts = before.map_or_else(|| self.hooks.memory(self.models, n_tokens), |block| block.acts);
        self.hooks.harvest_into(&acts, self.models, &tokens, Some(&self.cfg.scale));
        let order = Tensor::from_slice(&permutation(n_tokens, self.cfg.seed, index as u64)).to_device(acts.device());
        Block { index, acts, order }
    }
}

impl std::fmt::Debug for ActivationStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActivationStream({:?} sequences, batches of {})", self.tokens.size(), self.cfg.batch)
    }
}
