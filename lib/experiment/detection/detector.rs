//! What a detector reads, and where.

use super::price::Price;

/// Where a prompt is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadAt {
    /// At its last token.
    Last,
    /// The largest over its tokens.
    Max,
    /// The mean over them.
    Mean,
}

impl ReadAt {
    pub fn name(self) -> &'static str {
        match self {
            ReadAt::Last => "last",
            ReadAt::Max => "max",
            ReadAt::Mean => "mean",
        }
    }
}

/// Candidate columns of one detector.
pub(super) struct Detector {
    pub name: String,
    pub seed: u64,
    pub read_at: ReadAt,
    pub columns: Vec<usize>,
    pub price: Price,
}
