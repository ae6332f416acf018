//! A language model's activations as a stream of shuffled batches for training crosscoders.
//!
//! Sequences come in an order drawn from the seed; a block of them is run through the model, and the activations of all
//! their positions are handed out in random order. Block and order are pure functions of seed and step, so a training
//! that goes on from a checkpoint sees what it would have seen.

use crate::gpt_neo::GptNeo;
use crate::hook::HookPoint;
use crate::shuffle::{Batches, permutation};
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
        let acts = model.acts(&tokens.to_device(model.wte.device()), &self.hooks);
        if self.centred { &acts - acts.mean_dim([-1i64].as_slice(), true, acts.kind()) } else { acts }
    }

    /// Activations of many sequences, positions of all of them in one row each.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq] → [sequence · seq, hook, d_model]
    pub fn harvest(&self, model: &GptNeo, tokens: &Tensor) -> Tensor {
        let parts: Vec<Tensor> =
            tokens.split(MODEL_BATCH, 0).iter().map(|part| self.acts(model, part).flatten(0, 1)).collect();
        Tensor::cat(&parts, 0)
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
    block: Option<(i64, Tensor, Vec<i64>)>,
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
        let per_block = (buffer_acts.max(batch) as u64).div_ceil(seq as u64) as i64;
        let sequences = Batches::new(n_sequences, per_block, seed);
        let batches_per_block = per_block * seq / batch;
        Self {
            model,
            reading,
            tokens,
            scale: scale.view([1, -1, 1]),
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
        if self.block.as_ref().is_none_or(|(held, _, _)| *held != index) {
            self.block = None; // frees the old block before the next is made
            let rows = Tensor::from_slice(&self.sequences.rows(index));
            let acts = self.reading.harvest(self.model, &self.tokens.index_select(0, &rows)) * &self.scale;
            let order = permutation(acts.size()[0], self.seed, index as u64);
            self.block = Some((index, acts, order));
        }
        let (_, acts, order) = self.block.as_ref().expect("a block");
        let from = (place * self.batch) as usize;
        let rows = Tensor::from_slice(&order[from..from + self.batch as usize]).to_device(acts.device());
        acts.index_select(0, &rows)
    }
}

impl std::fmt::Debug for ActivationStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ActivationStream({:?} sequences, batches of {})", self.tokens.size(), self.batch)
    }
}
