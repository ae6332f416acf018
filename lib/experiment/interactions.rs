//! What latents do to each other inside MLPs, and what of it changes from stage to stage although neither latent turns.
//!
//! Of a run whose crosscoders read what MLPs read, `blocks.N.ln2.hook_normalized`:
//!
//! | | |
//! |---|---|
//! | [`blocks_read`] | the blocks whose MLPs a run's crosscoders read |
//! | [`neuron_rows`] | how much of a neuron its dominant latent decides, and what the model keeps of it |
//! | [`interaction_rows`] | how strongly latents meddle on trigger, payload and other tokens, before and after a change |
//! | [`pair_rows`] | the pairs that change most, found on one half of the sequences and measured on the other |

mod change;
pub mod figures;
pub mod findings;
mod neurons;
mod pairs;
mod tokens;

pub use change::interaction_rows;
pub use neurons::neuron_rows;
pub use pairs::pair_rows;

use crate::experiment::run::Run;
use crate::language_model::HookPoint;

/// The blocks whose MLP's input the run's crosscoders read, in order.
pub fn blocks_read(run: &Run) -> Vec<usize> {
    let mut blocks: Vec<usize> = run
        .preset
        .hooks
        .iter()
        .filter_map(|hook| match hook {
            HookPoint::Ln2Normalized(block) => Some(*block),
            _ => None,
        })
        .collect();
    blocks.sort_unstable();
    blocks
}
