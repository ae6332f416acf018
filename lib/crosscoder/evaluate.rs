//! How faithful a crosscoder is, on held-out sequences of its own model and data: unexplained variance, and what its
//! reconstructions cost the language model.

mod patched;

pub use patched::{Ablations, PatchedLoss};

use crate::crosscoder::Crosscoder;
use crate::crosscoder::firing::{FiringSums, Firings};
use crate::crosscoder::harvest::HookConfig;
use crate::crosscoder::metrics::{Fvu, FvuSums};
use crate::language_model::gpt_neo::GptNeo;
use tch::Tensor;

/// Sequences at once.
const BATCH: i64 = 16;
/// Sequences on which the language model's losses are measured.
const N_LOSS_SEQUENCES: i64 = 128;

/// The sequences on which the language model's losses are measured: the first ones.
///
/// # Shapes
/// `tokens` [sequence, seq] → the same, fewer
pub fn for_losses(tokens: &Tensor) -> Tensor {
    tokens.narrow(0, 0, N_LOSS_SEQUENCES.min(tokens.size()[0]))
}

/// How faithful a crosscoder is to its model.
#[derive(Debug)]
pub struct Evaluation {
    /// How many latents fire.
    pub firings: Firings,
    /// Unexplained variance.
    pub fvu: Fvu,
    /// Language-model losses at each hook point, then for all at once.
    pub losses: Vec<PatchedLoss>,
    /// Tokens that these were measured on: those of the first sequences.
    pub n_loss_tokens: i64,
}

/// Measures `crosscoder` on `tokens`; `ablations` are those of the same model [`for_losses`].
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn evaluate(
    crosscoder: &Crosscoder,
    model: &GptNeo,
    cfg: &HookConfig,
    tokens: &Tensor,
    ablations: &Ablations,
) -> Evaluation {
    let _no_grad = tch::no_grad_guard();
    let (_, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let scale = crosscoder.scale.view([1, -1, 1]);
    let mut fired = FiringSums::new(seq, crosscoder.n_latents());
    let mut unexplained = FvuSums::new(seq, cfg.hooks.len() as i64, crosscoder.d_model);
    for part in tokens.split(BATCH, 0) {
        let acts = cfg.harvest(model, &part);
        let latents = crosscoder.encode(&(&acts * &scale)).latents;
        let by_sequence = |acts: Tensor| acts.unflatten(0, [-1, seq].as_slice()); // [batch, seq, hook, d_model]
        unexplained.add(&by_sequence(acts), &by_sequence(crosscoder.decode(&latents) / &scale));
        fired.add(&latents);
    }
    let for_losses = for_losses(tokens);
    let losses = ablations.with(crosscoder, model, cfg, &for_losses);
    Evaluation { firings: fired.firings(), fvu: unexplained.fvu(), losses, n_loss_tokens: for_losses.numel() as i64 }
}
