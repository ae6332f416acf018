//! Named places in a language model's forward pass, spelt as in TransformerLens.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A place where the residual stream is read or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HookPoint {
    /// `blocks.N.hook_resid_pre`: what block N reads; for N = 0 the token and position embedding.
    ResidPre(usize),
    /// `blocks.N.hook_resid_post`: what block N leaves behind.
    ResidPost(usize),
}

impl HookPoint {
    /// Every distinct residual-stream point of a model with `n_layers` blocks: the embedding and each block's output.
    pub fn residual_stream(n_layers: usize) -> Vec<HookPoint> {
        std::iter::once(HookPoint::ResidPre(0)).chain((0..n_layers).map(HookPoint::ResidPost)).collect()
    }

    /// How many blocks have run when this point is reached.
    pub(crate) fn n_blocks_before(self) -> usize {
        match self {
            HookPoint::ResidPre(block) => block,
            HookPoint::ResidPost(block) => block + 1,
        }
    }

    /// Whether both name one place in the residual stream: what a block reads is what the one before it left behind.
    pub(crate) fn is_same_place(self, other: HookPoint) -> bool {
        self.n_blocks_before() == other.n_blocks_before()
    }

    /// A short name for figures: `embed`, `0`, `1`, ….
    pub fn short(self) -> String {
        match self {
            HookPoint::ResidPre(0) => "embed".into(),
            HookPoint::ResidPre(block) => format!("pre {block}"),
            HookPoint::ResidPost(block) => format!("block {block}"),
        }
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HookPoint::ResidPre(block) => write!(f, "blocks.{block}.hook_resid_pre"),
            HookPoint::ResidPost(block) => write!(f, "blocks.{block}.hook_resid_post"),
        }
    }
}

impl std::str::FromStr for HookPoint {
    type Err = Error;

    fn from_str(name: &str) -> Result<HookPoint> {
        let unknown =
            || Error::setting("hook point", name, "expected blocks.N.hook_resid_pre or blocks.N.hook_resid_post");
        let rest = name.strip_prefix("blocks.").ok_or_else(unknown)?;
        let (block, place) = rest.split_once('.').ok_or_else(unknown)?;
        let block = block.parse().map_err(|_| unknown())?;
        match place {
            "hook_resid_pre" => Ok(HookPoint::ResidPre(block)),
            "hook_resid_post" => Ok(HookPoint::ResidPost(block)),
            _ => Err(unknown()),
        }
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
