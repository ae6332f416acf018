//! Named places in a language model's forward pass, spelt as in TransformerLens.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place where activations are read or replaced. Each holds vectors of d_model numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HookPoint {
    /// `blocks.N.hook_resid_pre`: what block N reads; for N = 0 the token and position embedding.
    ResidPre(usize),
    /// `blocks.N.ln1.hook_normalized`: what the attention of block N reads, before the layer norm's weight and bias.
    Ln1Normalized(usize),
    /// `blocks.N.hook_resid_mid`: the residual stream between the attention and the MLP of block N.
    ResidMid(usize),
    /// `blocks.N.ln2.hook_normalized`: what the MLP of block N reads, before weight and bias.
    Ln2Normalized(usize),
    /// `blocks.N.hook_mlp_out`: what the MLP of block N adds to the residual stream.
    MlpOut(usize),
    /// `blocks.N.hook_resid_post`: what block N leaves behind.
    ResidPost(usize),
}

/// Makes a hook point of a block's number.
type OfBlock = fn(usize) -> HookPoint;

/// The hook points of a block in the order in which they are reached, by TransformerLens' names.
const OF_BLOCK: [(&str, OfBlock); 6] = [
    ("hook_resid_pre", HookPoint::ResidPre),
    ("ln1.hook_normalized", HookPoint::Ln1Normalized),
    ("hook_resid_mid", HookPoint::ResidMid),
    ("ln2.hook_normalized", HookPoint::Ln2Normalized),
    ("hook_mlp_out", HookPoint::MlpOut),
    ("hook_resid_post", HookPoint::ResidPost),
];

impl HookPoint {
    /// Every distinct point between blocks of a model with `n_layers` of them: the embedding and each block's output.
    pub fn residual_stream(n_layers: usize) -> Vec<HookPoint> {
        std::iter::once(HookPoint::ResidPre(0)).chain((0..n_layers).map(HookPoint::ResidPost)).collect()
    }

    /// Its block, and how many of the block's hook points are reached before it.
    fn block_and_place(self) -> (usize, usize) {
        match self {
            HookPoint::ResidPre(block) => (block, 0),
            HookPoint::Ln1Normalized(block) => (block, 1),
            HookPoint::ResidMid(block) => (block, 2),
            HookPoint::Ln2Normalized(block) => (block, 3),
            HookPoint::MlpOut(block) => (block, 4),
            HookPoint::ResidPost(block) => (block, 5),
        }
    }

    /// Grows along the forward pass. What a block reads is what the one before it left behind.
    pub(crate) fn depth(self) -> usize {
        let (block, place) = self.block_and_place();
        block * (OF_BLOCK.len() - 1) + place
    }

    /// How many blocks a model must have, and must run, to reach it.
    pub(crate) fn n_blocks(self) -> usize {
        self.depth().div_ceil(OF_BLOCK.len() - 1)
    }

    /// Whether both name one place of the forward pass.
    pub(crate) fn is_same_place(self, other: HookPoint) -> bool {
        self.depth() == other.depth()
    }

    /// Whether it is the whole residual stream: what comes after it depends on nothing else of its position.
    pub(crate) fn is_residual_stream(self) -> bool {
        matches!(self, HookPoint::ResidPre(_) | HookPoint::ResidMid(_) | HookPoint::ResidPost(_))
    }

    /// Whether a layer norm has been applied: such a vector has no mean, unless one is put in, which what reads it sees.
    pub(crate) fn is_normalized(self) -> bool {
        matches!(self, HookPoint::Ln1Normalized(_) | HookPoint::Ln2Normalized(_))
    }

    /// A short name for figures: `embed`, `block 0`, `mid 1`, ….
    pub fn short(self) -> String {
        let (block, _) = self.block_and_place();
        match self {
            HookPoint::ResidPre(0) => "embed".into(),
            HookPoint::ResidPre(_) => format!("pre {block}"),
            HookPoint::Ln1Normalized(_) => format!("ln1 {block}"),
            HookPoint::ResidMid(_) => format!("mid {block}"),
            HookPoint::Ln2Normalized(_) => format!("ln2 {block}"),
            HookPoint::MlpOut(_) => format!("mlp {block}"),
            HookPoint::ResidPost(_) => format!("block {block}"),
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (block, place) = self.block_and_place();
        write!(f, "blocks.{block}.{}", OF_BLOCK[place].0)
    }
}

impl std::str::FromStr for HookPoint {
    type Err = Error;

    fn from_str(name: &str) -> Result<HookPoint> {
        let known = || {
            let (block, place) = name.strip_prefix("blocks.")?.split_once('.')?;
            let (_, of_block) = OF_BLOCK.iter().find(|(known, _)| *known == place)?;
            Some(of_block(block.parse().ok()?))
        };
        known().ok_or_else(|| {
            let places: Vec<&str> = OF_BLOCK.iter().map(|(place, _)| *place).collect();
            Error::setting("hook point", name, format!("expected blocks.N. and one of {}", places.join(", ")))
        })
    }
}

impl TryFrom<String> for HookPoint {
    type Error = Error;

    fn try_from(name: String) -> Result<HookPoint> {
        name.parse()
    }
}

impl From<HookPoint> for String {
    fn from(hook: HookPoint) -> String {
        hook.to_string()
    }
}
