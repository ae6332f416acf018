//! How faithful a crosscoder is, on held-out sequences of its own model and data: unexplained variance, and what its
//! reconstructions cost the language model, where there is one.

mod patched;

pub use patched::{Ablations, PatchedLoss};

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::firing::{FiringSums, Firings};
use crate::crosscoder::harvest::{HookConfig, Models, StoredPart};
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

/// What can be said of a crosscoder by activations alone.
#[derive(Debug)]
pub struct Fidelity {
    /// How many latents fire.
    pub firings: Firings,
    /// Unexplained variance; about each position's mean it is NaN where sequences have different lengths.
    pub fvu: Fvu,
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
    let Fidelity { firings, fvu } = fidelity(crosscoder, model, cfg, tokens);
    let for_losses = for_losses(tokens);
    let losses = ablations.with(crosscoder, model, cfg, &for_losses);
    Evaluation { firings, fvu, losses, n_loss_tokens: for_losses.numel() as i64 }
}

/// Measures `crosscoder` on the activations of `models` alone.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn fidelity<'a>(
    crosscoder: &Crosscoder,
    models: impl Into<Models<'a>>,
    cfg: &HookConfig,
    tokens: &Tensor,
) -> Fidelity {
    let (models, _no_grad) = (models.into(), tch::no_grad_guard());
    let (_, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let mut sums = Sums::new(crosscoder, FiringSums::new(seq, crosscoder.n_latents()), Some(seq));
    for part in tokens.split(BATCH, 0) {
        sums.add(cfg.harvest(models, &part));
    }
    sums.fidelity()
}

/// Measures `crosscoder` on stored activations.
///
/// # Errors
/// The crosscoder is of other activations, a file cannot be read, or a number is not finite.
pub fn evaluate_stored(crosscoder: &Crosscoder, part: &StoredPart) -> Result<Fidelity> {
    part.check_fits(crosscoder)?;
    let _no_grad = tch::no_grad_guard();
    let first = part.lengths().next();
    let seq = first.filter(|seq| part.lengths().all(|length| length == *seq));
    let mut sums = Sums::new(crosscoder, FiringSums::of_lengths(part.lengths(), crosscoder.n_latents()), seq);
    for acts in part.batches() {
        sums.add(acts?);
    }
    Ok(sums.fidelity())
}

/// Sums from which [`Fidelity`] is made, taken up batch by batch.
struct Sums<'a> {
    crosscoder: &'a Crosscoder,
    fired: FiringSums,
    unexplained: FvuSums,
    /// Tokens of each sequence, where all have as many.
    seq: Option<i64>,
}

impl Sums<'_> {
    fn new(crosscoder: &Crosscoder, fired: FiringSums, seq: Option<i64>) -> Sums<'_> {
        let unexplained = FvuSums::new(seq.unwrap_or(1), crosscoder.scale.size()[0], crosscoder.d_model);
        Sums { crosscoder, fired, unexplained, seq }
    }

    /// Takes up some whole sequences.
    ///
    /// # Shapes
    /// `acts` [token, hook, d_model], not scaled
    fn add(&mut self, acts: Tensor) {
        let scale = self.crosscoder.scale.view([1, -1, 1]);
        let acts = acts.to_device(scale.device());
        let latents = self.crosscoder.encode(&(&acts * &scale)).latents;
        let seq = self.seq.unwrap_or(1);
        let by_sequence = |acts: Tensor| acts.unflatten(0, [-1, seq].as_slice()); // [batch, seq, hook, d_model]
        self.unexplained.add(&by_sequence(acts), &by_sequence(self.crosscoder.decode(&latents) / &scale));
        self.fired.add(&latents);
    }

    fn fidelity(self) -> Fidelity {
        let mut fvu = self.unexplained.fvu();
        if self.seq.is_none() {
            fvu.fvu_per_position.fill(f64::NAN);
        }
        Fidelity { firings: self.fired.firings(), fvu }
    }
}
