//! Named places in a language model's forward pass, spelt as in TransformerLens, or as another model's modules are called.

mod named;

use crate::{Error, Result};
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Error as _};
use std::fmt;

/// A place where activations are read or replaced. Each holds vectors of d_model numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
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
    /// A place of another model than GPT-Neo, by the name under which its activations were stored, as a rule a module's
    /// path: `transformer.h.2.mlp`. Parsing makes it; what begins with `blocks.` is one of the others.
    Named(&'static str),
}

/// What names of TransformerLens begin with.
const BLOCKS: &str = "blocks.";

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

    /// Its block, and how many of the block's hook points are reached before it; nothing of a place of another model.
    fn block_and_place(self) -> Option<(usize, usize)> {
        match self {
            HookPoint::ResidPre(block) => Some((block, 0)),
            HookPoint::Ln1Normalized(block) => Some((block, 1)),
            HookPoint::ResidMid(block) => Some((block, 2)),
            HookPoint::Ln2Normalized(block) => Some((block, 3)),
            HookPoint::MlpOut(block) => Some((block, 4)),
            HookPoint::ResidPost(block) => Some((block, 5)),
            HookPoint::Named(_) => None,
        }
    }

    /// Grows along the forward pass. What a block reads is what the one before it left behind. Places of other models are
    /// all as deep as the first.
    pub(crate) fn depth(self) -> usize {
        self.block_and_place().map_or(0, |(block, place)| block * (OF_BLOCK.len() - 1) + place)
    }

    /// How many blocks a model must have, and must run, to reach it; no number of them reaches another model's.
    pub(crate) fn n_blocks(self) -> usize {
        match self {
            HookPoint::Named(_) => usize::MAX,
            _ => self.depth().div_ceil(OF_BLOCK.len() - 1),
        }
    }

    /// Whether both name one place of the forward pass.
    pub(crate) fn is_same_place(self, other: HookPoint) -> bool {
        match (self, other) {
            (HookPoint::Named(_), _) | (_, HookPoint::Named(_)) => self == other,
            _ => self.depth() == other.depth(),
        }
    }

    /// Checks that a GPT-Neo of `n_layers` blocks has all of `hooks`.
    ///
    /// # Errors
    /// It lacks one, which is named.
    pub(crate) fn check_within(hooks: &[HookPoint], n_layers: usize) -> Result<()> {
        let Some(beyond) = hooks.iter().find(|hook| hook.n_blocks() > n_layers) else { return Ok(()) };
        let places = match beyond {
            HookPoint::Named(_) => format!(", blocks.N. and one of {}", known_places()),
            _ => String::new(),
        };
        Err(Error::setting("hooks", beyond, format!("expected places in a model of {n_layers} blocks{places}")))
    }

    /// Whether it is the whole residual stream: what comes after it depends on nothing else of its position.
    pub(crate) fn is_residual_stream(self) -> bool {
        matches!(self, HookPoint::ResidPre(_) | HookPoint::ResidMid(_) | HookPoint::ResidPost(_))
    }

    /// Whether a layer norm has been applied: such a vector has no mean, unless one is put in, which what reads it sees.
    pub(crate) fn is_normalized(self) -> bool {
        matches!(self, HookPoint::Ln1Normalized(_) | HookPoint::Ln2Normalized(_))
    }

    /// A short name for figures: `embed`, `block 0`, `mid 1`, …; another model's whole name.
    pub fn short(self) -> String {
        match self {
            HookPoint::ResidPre(0) => "embed".into(),
            HookPoint::ResidPre(block) => format!("pre {block}"),
            HookPoint::Ln1Normalized(block) => format!("ln1 {block}"),
            HookPoint::ResidMid(block) => format!("mid {block}"),
            HookPoint::Ln2Normalized(block) => format!("ln2 {block}"),
            HookPoint::MlpOut(block) => format!("mlp {block}"),
            HookPoint::ResidPost(block) => format!("block {block}"),
            HookPoint::Named(name) => name.into(),
        }
    }
}

/// What follows `blocks.N.`, for messages.
fn known_places() -> String {
    OF_BLOCK.map(|(place, _)| place).join(", ")
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.block_and_place() {
            Some((block, place)) => write!(f, "{BLOCKS}{block}.{}", OF_BLOCK[place].0),
            None => f.write_str(&self.short()),
        }
    }
}

impl std::str::FromStr for HookPoint {
    type Err = Error;

    fn from_str(name: &str) -> Result<HookPoint> {
        let Some(in_block) = name.strip_prefix(BLOCKS) else { return named::interned(name).map(HookPoint::Named) };
        let known = || {
            let (block, place) = in_block.split_once('.')?;
            let (_, of_block) = OF_BLOCK.iter().find(|(known, _)| *known == place)?;
            Some(of_block(block.parse().ok()?))
        };
        known().ok_or_else(|| {
            Error::setting("hook point", name, format!("expected {BLOCKS}N. and one of {}", known_places()))
        })
    }
}

impl<'de> Deserialize<'de> for HookPoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<HookPoint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl From<HookPoint> for String {
    fn from(hook: HookPoint) -> String {
        hook.to_string()
    }
}
