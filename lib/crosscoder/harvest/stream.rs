//! A language model's activations as a stream of shuffled batches for training crosscoders.
//!
//! Sequences come in an order drawn from the seed; a block of them is run through the model, or read from a folder, and the
//! activations of all their positions are handed out in random order. Block and order are pure functions of seed and step,
//! so a training that goes on from a checkpoint sees what it would have seen.

use super::ahead::Ahead;
use super::blocks::Blocks;
use super::share::Share;
use super::{HookConfig, Models, StoredPart};
use crate::files::hash::sha256_of_tensors;
use crate::{Error, Result};
use tch::{Device, Kind, Tensor};

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

/// Where activations come from.
enum Source<'a> {
    Models { models: Models<'a>, hooks: &'a HookConfig, tokens: &'a Tensor },
    Stored(Ahead),
}

/// The activations that batches are drawn from.
struct Block {
    index: i64,
    /// [token, hook, d_model], scaled; what is beyond the order's tokens is not the block's.
    acts: Tensor,
    /// The order in which they are handed out, beside them on the device.
    order: Tensor,
    /// Where in it each batch ends.
    ends: Vec<i64>,
}

/// Shuffled batches of scaled activations on one set of sequences.
pub struct ActivationStream<'a> {
    source: Source<'a>,
    cfg: StreamConfig,
    blocks: Blocks,
    share: Share,
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
        let blocks = Blocks::new(vec![seq; n_sequences as usize], cfg.batch, cfg.buffer_acts, cfg.seed);
        ActivationStream {
            source: Source::Models { models, hooks, tokens },
            cfg,
            blocks,
            share: Share::WHOLE,
            block: None,
        }
    }

    /// The activations of a folder. Two buffers are in memory: the block that is handed out, and the next one, which is
    /// read meanwhile.
    pub fn stored(part: &StoredPart, cfg: StreamConfig) -> ActivationStream<'a> {
        assert_eq!(cfg.scale.size(), [part.hooks().len() as i64], "a scale for each hook point");
        let scale = Vec::<f32>::try_from(&cfg.scale.to_device(Device::Cpu).to_kind(Kind::Float)).expect("`[hook]`");
        let blocks = Blocks::new(part.lengths().collect(), cfg.batch, cfg.buffer_acts, cfg.seed);
        let source = Source::Stored(Ahead::new(part.clone(), scale, blocks.capacity()));
        ActivationStream { source, cfg, blocks, share: Share::WHOLE, block: None }
    }

    /// The part of the stream that process `rank` of `world_size` reads: some sequences of each block, and of each batch
    /// their activations, about as many in each process. All parts make up the stream.
    pub fn part(self, rank: usize, world_size: usize) -> ActivationStream<'a> {
        ActivationStream { share: Share { part: rank, of: world_size }, block: None, ..self }
    }

    /// Activations of a batch, all parts together.
    pub fn batch_size(&self) -> i64 {
        self.cfg.batch
    }

    /// What it hands out, for who compares two: by what decides it.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let StreamConfig { scale, batch, buffer_acts, seed } = &self.cfg;
        let mut described = vec![
            ("seed of the order of activations", seed.to_string()),
            ("batch and buffer", format!("{batch} and {buffer_acts}")),
            ("scale of activations", sha256_of_tensors([scale])),
        ];
        match &self.source {
            Source::Models { models, hooks, tokens } => {
                let weights = models.first().tensors();
                described.extend([
                    ("model", sha256_of_tensors(weights.iter().map(|(_, tensor)| tensor))),
                    ("hook points", format!("{hooks:?}")),
                    ("sequences of tokens", sha256_of_tensors([*tokens])),
                ]);
            }
            Source::Stored(ahead) => {
                let part = ahead.part();
                let sizes = format!("{} sequences, {} tokens, {:?}", part.n_sequences(), part.n_tokens(), part.hooks());
                described.push(("stored activations", sizes));
            }
        }
        described
    }

    /// The batch of step `step`, counted from 0, or this part's share of it.
    ///
    /// # Shapes
    /// → [batch, hook, d_model]
    ///
    /// # Errors
    /// Stored activations cannot be read, or one is not finite; a block has fewer sequences than there are parts.
    pub fn batch(&mut self, step: i64) -> Result<Tensor> {
        let (index, place) = self.blocks.of_step(step);
        let block = match self.block.take() {
            Some(held) if held.index == index => held,
            held => self.next_block(index, held)?,
        };
        let start = if place == 0 { 0 } else { block.ends[place as usize - 1] };
        let rows = block.order.narrow(0, start, block.ends[place as usize] - start);
        let batch = block.acts.index_select(0, &rows).to_device(self.cfg.scale.device());
        self.block = Some(block);
        Ok(batch)
    }

    /// Block `index`, in the memory of the one before.
    fn next_block(&mut self, index: i64, before: Option<Block>) -> Result<Block> {
        let memory = before.map(|block| block.acts);
        let all = self.blocks.sequences(index);
        if all.len() < self.share.of {
            let expected = format!("expected at most {}, the sequences of a block of activations", all.len());
            return Err(Error::setting("number of processes", self.share.of, expected));
        }
        let (sequences, lengths) = (self.share.of_sequences(&all), self.blocks.lengths_of(&all));
        let acts = match &mut self.source {
            Source::Models { models, hooks, tokens } => {
                let tokens = tokens.index_select(0, &Tensor::from_slice(&sequences));
                let n_tokens = tokens.numel() as i64;
                let acts = memory.unwrap_or_else(|| hooks.memory(*models, n_tokens));
                hooks.harvest_into(&acts, *models, &tokens, Some(&self.cfg.scale));
                acts
            }
            Source::Stored(ahead) => {
                let next = self.share.of_sequences(&self.blocks.sequences(index + 1));
                ahead.block(index, sequences, next, memory)?
            }
        };
        let order = self.blocks.order(index, lengths.iter().sum());
        let (order, ends) = self.share.of_order(order, &lengths, self.cfg.batch);
        Ok(Block { index, order: Tensor::from_slice(&order).to_device(acts.device()), acts, ends })
    }
}

impl std::fmt::Debug for ActivationStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let source = match &self.source {
            Source::Models { tokens, .. } => format!("{:?} sequences", tokens.size()),
            Source::Stored(ahead) => format!("{:?}", ahead.part()),
        };
        write!(f, "ActivationStream({source}, batches of {})", self.cfg.batch)
    }
}
