//! A language model's activations as a stream of shuffled batches for training crosscoders.
//!
//! Sequences come in an order drawn from the seed; a block of them is run through the model, and the activations of all
//! their positions are handed out in random order. Block and order are pure functions of seed and step, so a training
//! that goes on from a checkpoint sees what it would have seen.

use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::training::shuffle::{Batches, permutation};
use tch::{Kind, Tensor};

/// Sequences run through the model at once.
const MODEL_BATCH: i64 = 32;

/// Where activations are read, and how they are prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The hook points.
    pub hooks: Vec<HookPoint>,
    /// Whether each vector's mean over d_model is removed, as TransformerLens does in the published code.
    pub centred: bool,
}

impl Reading {
    /// The published one: the embedding and every block's output, centred.
    pub fn all_layers(n_layers: usize) -> Reading {
        Reading { hooks: HookPoint::residual_stream(n_layers), centred: true }
    }

    /// Activations of every position.
    ///
    /// # Shapes
    /// `tokens` [batch, seq] → [batch, seq, hook, d_model]
    pub fn acts(&self, model: &GptNeo, tokens: &Tensor) -> Tensor {
        let (batch, seq) = tokens.size2().expect("tokens [batch, seq]");
        let room = self.room(model, batch * seq);
        self.read(&room, model, tokens, None);
        room.view([batch, seq, self.hooks.len() as i64, model.config.d_model])
    }

    /// Activations of many sequences, positions of all of them in one row each.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq] → [sequence · seq, hook, d_model]
    pub fn harvest(&self, model: &GptNeo, tokens: &Tensor) -> Tensor {
        let all = self.room(model, tokens.numel() as i64);
        self.fill(&all, model, tokens, None);
        all
    }

    /// Memory for the activations of `n_tokens` tokens, [token, hook, d_model].
    fn room(&self, model: &GptNeo, n_tokens: i64) -> Tensor {
        Tensor::empty([n_tokens, self.hooks.len() as i64, model.config.d_model], (Kind::Float, model.wte.device()))
    }

    /// Fills `room` with the activations of `tokens`, times a factor for each hook point.
    fn fill(&self, room: &Tensor, model: &GptNeo, tokens: &Tensor, scale: Option<&Tensor>) {
        let mut first = 0;
        for part in tokens.split(MODEL_BATCH, 0) {
            let n_tokens = part.numel() as i64;
            self.read(&room.narrow(0, first, n_tokens), model, &part, scale);
            first += n_tokens;
        }
    }

    /// As [`Reading::fill`], all sequences at once. Each hook point's activations go where they belong as they arise.
    fn read(&self, room: &Tensor, model: &GptNeo, tokens: &Tensor, scale: Option<&Tensor>) {
        let tokens = tokens.to_device(model.wte.device());
        model.visit(&tokens, &self.hooks, &mut |hook, resid| {
            let (acts, mut place) = (resid.flatten(0, 1), room.select(1, hook as i64));
            if self.centred {
                let _ = acts.sub_out(&place, &acts.mean_dim([-1i64].as_slice(), true, acts.kind()));
            } else {
                place.copy_(&acts);
            }
            if let Some(scale) = scale {
                place *= scale.get(hook as i64);
            }
        });
    }
}

/// s = √d_model / mean ‖x‖ for each hook point: what makes the mean norm √d_model. Measured once for stage S and frozen.
///
/// # Shapes
/// `acts` [sample, hook, d_model] → [hook]
pub fn scale(acts: &Tensor) -> Tensor {
    let (_, _, d_model) = acts.size3().expect("acts [sample, hook, d_model]");
    let norms = acts.norm_scalaropt_dim(2.0, [2i64].as_slice(), false); // [sample, hook]
    norms.mean_dim([0i64].as_slice(), false, Kind::Float).reciprocal() * (d_model as f64).sqrt()
}

/// The activations that batches are drawn from.
struct Block {
    index: i64,
    /// [token, hook, d_model], scaled
    acts: Tensor,
    /// The order in which they are handed out, beside them on the device.
    order: Tensor,
}

/// Shuffled batches of scaled activations of one model on one set of sequences.
pub struct ActivationStream<'a> {
    model: &'a GptNeo,
    reading: &'a Reading,
    tokens: &'a Tensor,
    scale: Tensor,
    batch: i64,
    batches_per_block: i64,
    sequences: Batches,
    seed: u64,
    block: Option<Block>,
}

impl<'a> ActivationStream<'a> {
    /// Batches of `batch` activations out of a buffer of at least `buffer_acts`.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq], `scale` [hook]
    pub fn new(
        model: &'a GptNeo,
        reading: &'a Reading,
        tokens: &'a Tensor,
        scale: &Tensor,
        batch: i64,
        buffer_acts: i64,
        seed: u64,
    ) -> Self {
        let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
        assert_eq!(scale.size(), [reading.hooks.len() as i64], "a scale for each hook point");
        let per_block = (buffer_acts.max(batch) as u64).div_ceil(seq as u64) as i64;
        let sequences = Batches::new(n_sequences, per_block, seed);
        let batches_per_block = per_block * seq / batch;
        Self {
            model,
            reading,
            tokens,
            scale: scale.shallow_clone(),
            batch,
            batches_per_block,
            sequences,
            seed,
            block: None,
        }
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
        let batch = block.acts.index_select(0, &block.order.narrow(0, place * self.batch, self.batch));
        self.block = Some(block);
        batch
    }

    /// Block `index`, in the memory of the one before.
    fn next_block(&mut self, index: i64, before: Option<Block>) -> Block {
        let rows = Tensor::from_slice(&self.sequences.rows(index));
        let tokens = self.tokens.index_select(0, &rows);
        let n_tokens = tokens.numel() as i64;
        let acts = before.map_or_else(|| self.reading.room(self.model, n_tokens), |block| block.acts);
        self.reading.fill(&acts, self.model, &tokens, Some(&self.scale));
        let order = Tensor::from_slice(&permutation(n_tokens, self.seed, index as u64)).to_device(acts.device());
        Block { index, acts, order }
    }
}

impl std::fmt::Debug for ActivationStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActivationStream({:?} sequences, batches of {})", self.tokens.size(), self.batch)
    }
}
