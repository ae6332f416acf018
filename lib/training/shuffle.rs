//! Seeded orders: which rows make up the batch of a step, as a pure function of seed and step.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// The numbers 0..n in an order that depends on `seed` and `epoch` alone.
pub fn permutation(n: i64, seed: u64, epoch: u64) -> Vec<i64> {
    let mut order: Vec<i64> = (0..n).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(epoch);
    order.shuffle(&mut rng);
    order
}

/// Endless batches over `n_rows` rows: each epoch visits every row once, in an order of its own. Any batch can be asked
/// for, so a training that goes on from a checkpoint sees what it would have seen.
#[derive(Debug, Clone)]
pub struct Batches {
    n_rows: i64,
    batch: i64,
    seed: u64,
    epoch: Option<(u64, Vec<i64>)>,
}

impl Batches {
    /// Batches of `batch` rows.
    pub fn new(n_rows: i64, batch: i64, seed: u64) -> Batches {
        assert!(n_rows > 0 && batch > 0, "batches of {batch} from {n_rows} rows");
        Batches { n_rows, batch, seed, epoch: None }
    }

    /// The rows of batch `index`, counted from 0.
    pub fn rows(&mut self, index: i64) -> Vec<i64> {
        (index * self.batch..(index + 1) * self.batch).map(|place| self.row_at(place)).collect()
    }

    /// The row at a place of the endless order.
    pub(crate) fn row_at(&mut self, place: i64) -> i64 {
        let epoch = (place / self.n_rows) as u64;
        if self.epoch.as_ref().is_none_or(|(known, _)| *known != epoch) {
            self.epoch = Some((epoch, permutation(self.n_rows, self.seed, epoch)));
        }
        let (_, order) = self.epoch.as_ref().expect("an epoch's order");
        order[(place % self.n_rows) as usize]
    }
}

/// A seed for one purpose out of a run's seed.
pub fn seed_for(seed: u64, purpose: &str) -> u64 {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest([seed.to_le_bytes().as_slice(), purpose.as_bytes()].concat());
    u64::from_le_bytes(digest[..8].try_into().expect("8 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_every_row_once() {
        let mut batches = Batches::new(10, 4, 3);
        let mut seen: Vec<i64> = (0..5).flat_map(|index| batches.rows(index)).collect();
        let second = seen.split_off(10);
        assert_ne!(seen, second);
        for mut epoch in [seen, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<i64>>());
        }
    }

    #[test]
    fn a_batch_does_not_depend_on_the_ones_before() {
        assert_eq!(Batches::new(10, 4, 3).rows(7), {
            let mut all = Batches::new(10, 4, 3);
            (0..7).for_each(|i| drop(all.rows(i)));
            all.rows(7)
        });
    }
}
