//! The few (token, latent) pairs of a batch that a sparse step must look at, listed by token and by latent.

use crate::processor::parallel;
use std::ops::Range;

/// Tokens looked through by one piece of work; fixed, so that sums do not depend on the number of threads.
const CHUNK: usize = 32;

/// A list for each row, one after the other.
#[derive(Default)]
pub(super) struct Lists<T> {
    ends: Vec<usize>,
    entries: Vec<T>,
}

impl<T> Lists<T> {
    /// The list of row `row`.
    pub fn of(&self, row: usize) -> &[T] {
        &self.entries[self.range(row)]
    }

    /// The places of a row's entries among those of all.
    pub fn range(&self, row: usize) -> Range<usize> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        start..self.ends[row]
    }

    /// `values`, one for each entry, cut into those of `n_rows` rows each.
    pub fn pieces_mut<'a, V>(&self, mut values: &'a mut [V], n_rows: usize) -> Vec<&'a mut [V]> {
        let mut cut = |rows: &[usize], done: &mut usize| {
            let end = *rows.last().expect("chunks are not empty");
            let (piece, rest) = std::mem::take(&mut values).split_at_mut(end - *done);
            (values, *done) = (rest, end);
            piece
        };
        let mut done = 0;
        self.ends.chunks(n_rows).map(|rows| cut(rows, &mut done)).collect()
    }

    /// Entries of all lists.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
}

/// What a batch's pre-activations are to their thresholds.
pub(super) struct Pairs {
    /// By token: latents at or above threshold, with the pre-activation.
    pub active_of_token: Lists<(u32, f32)>,
    /// By latent: tokens on which it is at or above threshold, with the pre-activation.
    pub active_of_latent: Lists<(u32, f32)>,
    /// By latent: tokens on which it is below threshold, but inside the window around it.
    pub window_of_latent: Lists<u32>,
    /// By latent: tokens below threshold.
    pub n_below: Vec<f32>,
    /// By latent: Σ_b relu(θ − pre).
    pub gap_sums: Vec<f32>,
}

impl Pairs {
    /// Looks through `pre_acts` [batch, latent]; the window is `half_width` on either side of the threshold.
    pub fn of(pre_acts: &[f32], thresholds: &[f32], half_width: f32) -> Pairs {
        let n_latents = thresholds.len();
        let mut scans: Vec<Scan> =
            (0..pre_acts.len().div_ceil(n_latents * CHUNK)).map(|_| Scan::new(n_latents)).collect();
        parallel::for_each(scans.iter_mut().zip(pre_acts.chunks(n_latents * CHUNK)), |(scan, rows)| {
            rows.chunks_exact(n_latents).for_each(|row| scan.add(row, thresholds, half_width));
        });
        let mut pairs = Pairs {
            active_of_token: Lists::default(),
            active_of_latent: by_latent(
                n_latents,
                scans.iter().map(|scan| &scan.active),
                |(latent, _)| *latent,
                |token, (_, pre)| (token, *pre),
            ),
            window_of_latent: by_latent(
                n_latents,
                scans.iter().map(|scan| &scan.window),
                |latent| *latent,
                |token, _| token,
            ),
            n_below: vec![0.0; n_latents],
            gap_sums: vec![0.0; n_latents],
        };
        for scan in scans {
            add(&mut pairs.n_below, &scan.n_below);
            add(&mut pairs.gap_sums, &scan.gap_sums);
            let done = pairs.active_of_token.entries.len();
            pairs.active_of_token.ends.extend(scan.active.ends.iter().map(|end| done + end));
            pairs.active_of_token.entries.extend(scan.active.entries);
        }
        pairs
    }
}

fn add(sums: &mut [f32], more: &[f32]) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

/// Lists by token turned into lists by latent.
fn by_latent<'a, E: 'a, T: Clone + Default>(
    n_latents: usize,
    chunks: impl Iterator<Item = &'a Lists<E>> + Clone,
    latent: impl Fn(&E) -> u32,
    entry: impl Fn(u32, &E) -> T,
) -> Lists<T> {
    let mut starts = vec![0; n_latents + 1];
    chunks.clone().flat_map(|lists| &lists.entries).for_each(|e| starts[latent(e) as usize + 1] += 1);
    (0..n_latents).for_each(|i| starts[i + 1] += starts[i]);
    let mut entries = vec![T::default(); starts[n_latents]];
    let mut token = 0;
    for lists in chunks {
        for row in 0..lists.ends.len() {
            for e in lists.of(row) {
                let place = &mut starts[latent(e) as usize];
                entries[*place] = entry(token, e);
                *place += 1;
            }
            token += 1;
        }
    }
    starts.pop();
    Lists { ends: starts, entries }
}

/// What one chunk of tokens has.
struct Scan {
    active: Lists<(u32, f32)>,
    window: Lists<u32>,
    n_below: Vec<f32>,
    gap_sums: Vec<f32>,
}

impl Scan {
    fn new(n_latents: usize) -> Scan {
        let zeros = || vec![0.0; n_latents];
        Scan { active: Lists::default(), window: Lists::default(), n_below: zeros(), gap_sums: zeros() }
    }

    fn add(&mut self, pre_acts: &[f32], thresholds: &[f32], half_width: f32) {
        let sums = self.n_below.iter_mut().zip(&mut self.gap_sums);
        for (i, ((&pre, &threshold), (n_below, gap_sum))) in pre_acts.iter().zip(thresholds).zip(sums).enumerate() {
            let gap = threshold - pre;
            if gap > 0.0 {
                *n_below += 1.0;
                *gap_sum += gap;
                if gap < half_width {
                    self.window.entries.push(i as u32);
                }
            } else {
                // no number at all ends here too, and shows in the loss
                self.active.entries.push((i as u32, pre));
            }
        }
        self.active.ends.push(self.active.entries.len());
        self.window.ends.push(self.window.entries.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_listings_hold_the_same_pairs() {
        let (n_tokens, n_latents) = (70, 5);
        let pre_acts: Vec<f32> = (0..n_tokens * n_latents).map(|i| ((i * 37) % 11) as f32 / 4.0 - 1.0).collect();
        let thresholds = [1.0, 0.5, 1.25, 0.75, 9.0];
        let pairs = Pairs::of(&pre_acts, &thresholds, 0.5);
        let mut found = Vec::new();
        for (i, threshold) in thresholds.iter().enumerate() {
            for (b, pre) in pairs.active_of_latent.of(i) {
                assert!(pre >= threshold && pairs.active_of_token.of(*b as usize).contains(&(i as u32, *pre)));
                found.push((*b as usize, i));
            }
            let column: Vec<f32> = (0..n_tokens).map(|b| pre_acts[b * n_latents + i]).collect();
            let window: Vec<u32> = (0..n_tokens as u32)
                .filter(|b| (0.0..0.5).contains(&(threshold - column[*b as usize])) && column[*b as usize] < *threshold)
                .collect();
            assert_eq!(pairs.window_of_latent.of(i), window);
            assert_eq!(pairs.n_below[i], column.iter().filter(|pre| **pre < *threshold).count() as f32);
            let gaps: f32 = column.iter().map(|pre| (threshold - pre).max(0.0)).sum();
            assert_eq!(pairs.gap_sums[i], gaps, "quarters add without rounding");
        }
        assert_eq!(found.len(), pairs.active_of_token.len());
        assert!(found.len() > 20 && pairs.active_of_latent.of(4).is_empty());
    }
}
