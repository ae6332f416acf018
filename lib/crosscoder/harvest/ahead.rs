//! Blocks of stored activations, the next one read on a thread of its own while the last one is trained on.
//!
//! The thread reads and converts with loops of its own: libtorch's would bring a second team of OpenMP threads.

use super::stored::StoredPart;
use crate::Result;
use crate::processor::memory::floats_mut;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tch::Tensor;

/// Reads blocks of a folder into two buffers in turn.
pub(super) struct Ahead {
    part: StoredPart,
    /// Of each hook point.
    scale: Arc<[f32]>,
    /// Tokens of a buffer.
    capacity: i64,
    coming: Option<Coming>,
}

/// A block that is being read.
struct Coming {
    index: i64,
    no_longer_wanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<Tensor>>>,
}

impl Ahead {
    /// Nothing read yet; no block has more tokens than `capacity`.
    pub fn new(part: StoredPart, scale: Vec<f32>, capacity: i64) -> Ahead {
        Ahead { part, scale: scale.into(), capacity, coming: None }
    }

    pub fn part(&self) -> &StoredPart {
        &self.part
    }

    /// Block `index`, its tokens the first of the buffer; block `index + 1` of the sequences `next` is begun, in the memory
    /// of an earlier one.
    ///
    /// # Errors
    /// A file cannot be read, or a number is not finite.
    pub fn block(&mut self, index: i64, sequences: Vec<i64>, next: Vec<i64>, memory: Option<Tensor>) -> Result<Tensor> {
        let mut memory = memory;
        let coming = match self.coming.take() {
            Some(coming) if coming.index == index => coming,
            _ => self.begin(index, sequences, memory.take()),
        };
        let buffer = coming.finish()?;
        self.coming = Some(self.begin(index + 1, next, memory));
        Ok(buffer)
    }

    fn begin(&self, index: i64, sequences: Vec<i64>, memory: Option<Tensor>) -> Coming {
        let mut buffer = memory.unwrap_or_else(|| self.part.memory(self.capacity));
        let no_longer_wanted = Arc::new(AtomicBool::new(false));
        let (part, scale, stop) = (self.part.clone(), self.scale.clone(), no_longer_wanted.clone());
        let read = move || {
            let mut left = floats_mut(&mut buffer);
            for sequence in sequences {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let (acts, after) = left.split_at_mut(part.n_floats(sequence));
                part.read(sequence, acts, Some(&scale))?;
                left = after;
            }
            Ok(buffer)
        };
        Coming { index, no_longer_wanted, thread: Some(std::thread::spawn(read)) }
    }
}

impl Coming {
    /// Waits for the whole block.
    fn finish(mut self) -> Result<Tensor> {
        let thread = self.thread.take().expect("a block is finished once");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        self.no_longer_wanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}
