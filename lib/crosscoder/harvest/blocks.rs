//! Which sequences a batch is drawn from: a pure function of seed and step, also where sequences have different lengths.
//!
//! The sequences of an epoch come in an order drawn from the seed. A block is as many of them as have the tokens that are
//! to be shuffled together, whole ones, and gives as many batches as its tokens are enough for.

use crate::training::shuffle::{Batches, permutation};

/// The blocks of an endless stream.
pub(super) struct Blocks {
    /// Tokens of each sequence.
    lengths: Vec<i64>,
    order: Batches,
    batch: i64,
    n_wanted: i64,
    seed: u64,
    known: Vec<Start>,
}

/// Where a block begins: its first step, and its first place in the order of sequences.
#[derive(Clone, Copy)]
struct Start {
    step: i64,
    place: i64,
}

impl Blocks {
    /// Blocks of at least `buffer_acts` tokens, and of at least one batch.
    pub fn new(lengths: Vec<i64>, batch: i64, buffer_acts: i64, seed: u64) -> Blocks {
        let order = Batches::new(lengths.len() as i64, 1, seed);
        let n_wanted = buffer_acts.max(batch);
        Blocks { lengths, order, batch, n_wanted, seed, known: vec![Start { step: 0, place: 0 }] }
    }

    /// Tokens of a block, at most.
    pub fn capacity(&self) -> i64 {
        self.n_wanted - 1 + self.lengths.iter().max().copied().unwrap_or(0)
    }

    /// The block of a step, and the step's place among the block's batches.
    pub fn of_step(&mut self, step: i64) -> (i64, i64) {
        while self.known[self.known.len() - 1].step <= step {
            let next = self.after(self.known[self.known.len() - 1]);
            self.known.push(next);
        }
        let index = self.known.partition_point(|start| start.step <= step) - 1;
        (index as i64, step - self.known[index].step)
    }

    /// The sequences of a block that a step is known to lie in, or of the one after it.
    pub fn sequences(&mut self, index: i64) -> Vec<i64> {
        let start = self.known[index as usize];
        let end = self.after(start);
        (start.place..end.place).map(|place| self.order.row_at(place)).collect()
    }

    /// Tokens of each of these sequences.
    pub fn lengths_of(&self, sequences: &[i64]) -> Vec<i64> {
        sequences.iter().map(|&sequence| self.lengths[sequence as usize]).collect()
    }

    /// The order in which the tokens of a block are handed out.
    pub fn order(&self, index: i64, n_tokens: i64) -> Vec<i64> {
        permutation(n_tokens, self.seed, index as u64)
    }

    fn after(&mut self, start: Start) -> Start {
        let (mut n_tokens, mut place) = (0, start.place);
        while n_tokens < self.n_wanted {
            n_tokens += self.lengths[self.order.row_at(place) as usize];
            place += 1;
        }
        Start { step: start.step + n_tokens / self.batch, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_sequences_of_any_length_fill_the_buffer() {
        let lengths: Vec<i64> = (0..40).map(|i| 1 + i * 7 % 23).collect();
        let mut blocks = Blocks::new(lengths.clone(), 4, 50, 3);
        let (mut step, mut seen) = (0, Vec::new());
        for index in 0..20 {
            assert_eq!(blocks.of_step(step), (index, 0));
            let sequences = blocks.sequences(index);
            let n_tokens: i64 = sequences.iter().map(|&sequence| lengths[sequence as usize]).sum();
            let without_last = n_tokens - lengths[sequences[sequences.len() - 1] as usize];
            assert!(without_last < 50 && 50 <= n_tokens && n_tokens <= blocks.capacity());
            assert_eq!(blocks.of_step(step + n_tokens / 4 - 1), (index, n_tokens / 4 - 1));
            step += n_tokens / 4;
            seen.extend(sequences);
        }
        let mut epoch = seen[..40].to_vec();
        epoch.sort_unstable();
        assert_eq!(epoch, (0..40).collect::<Vec<i64>>());
        let (mut late, index) = (Blocks::new(lengths, 4, 50, 3), blocks.of_step(step - 1).0);
        assert_eq!(late.of_step(step - 1), blocks.of_step(step - 1), "a step does not depend on those before");
        assert_eq!(late.sequences(index), blocks.sequences(index));
    }
}
