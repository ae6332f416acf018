//! What of a stream one of several processes reads: of each block every `of`-th sequence, so that together they read what
//! one alone would, and no activation twice. A batch is shared out as its tokens lie, in nearly equal parts.

/// Part `part` of `of`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub part: usize,
    pub of: usize,
}

impl Share {
    /// All of it.
    pub const WHOLE: Share = Share { part: 0, of: 1 };

    /// Its sequences of a block's.
    pub fn of_sequences(self, sequences: &[i64]) -> Vec<i64> {
        sequences.iter().copied().skip(self.part).step_by(self.of).collect()
    }

    /// Where each token of a block of sequences of these `lengths` lies among the share's; none where it is another's.
    fn places(self, lengths: &[i64]) -> Vec<Option<i64>> {
        let mut n_own = 0;
        let mut places = Vec::new();
        for (sequence, &length) in lengths.iter().enumerate() {
            let is_own = sequence % self.of == self.part;
            places.extend((0..length).map(|token| is_own.then_some(n_own + token)));
            n_own += if is_own { length } else { 0 };
        }
        places
    }

    /// The share of an order of a block's tokens, which is handed out in batches: its own tokens, and where each batch's
    /// end.
    pub fn of_order(self, order: Vec<i64>, lengths: &[i64], batch: i64) -> (Vec<i64>, Vec<i64>) {
        if self.of == 1 {
            let ends = (1..=order.len() as i64 / batch).map(|n| n * batch).collect();
            return (order, ends);
        }
        let (places, mut own, mut ends) = (self.places(lengths), Vec::new(), Vec::new());
        for tokens in order.chunks_exact(batch as usize) {
            own.extend(tokens.iter().filter_map(|&token| places[token as usize]));
            ends.push(own.len() as i64);
        }
        (own, ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_make_up_each_batch_once() {
        let (lengths, sequences) = ([3, 5, 1, 4, 7], [10, 11, 12, 13, 14]);
        let order: Vec<i64> = (0..20).map(|i| i * 7 % 20).collect();
        let shares = [0, 1, 2].map(|part| Share { part, of: 3 });
        let cut = shares.map(|share| share.of_order(order.clone(), &lengths, 6));
        let starts: Vec<i64> = [0, 3, 8, 9, 13].to_vec();
        for (batch, expected) in order.chunks_exact(6).enumerate() {
            let mut found = Vec::new();
            for (share, (own, ends)) in shares.iter().zip(&cut) {
                let own_sequences = share.of_sequences(&sequences);
                let mut tokens = Vec::new(); // of the block, in the share's order
                for sequence in own_sequences {
                    let i = (sequence - 10) as usize;
                    tokens.extend(starts[i]..starts[i] + lengths[i]);
                }
                let start = if batch == 0 { 0 } else { ends[batch - 1] };
                found.extend(own[start as usize..ends[batch] as usize].iter().map(|&place| tokens[place as usize]));
            }
            let mut expected = expected.to_vec();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected);
        }
        assert_eq!(Share::WHOLE.of_order(order.clone(), &lengths, 6), (order, vec![6, 12, 18]));
    }
}
