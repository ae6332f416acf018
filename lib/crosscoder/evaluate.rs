//! How faithful a crosscoder is, on held-out sequences of its own model and data: unexplained variance, and what its
//! reconstructions cost the language model.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::firing::{FiringSums, Firings};
use crate::crosscoder::harvest::Reading;
use crate::crosscoder::metrics::{Fvu, FvuSums, recovered_loss};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::next_token::next_token_loss_of;
use tch::{Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;
/// Sequences on which the language model's losses are measured.
const N_LOSS_SEQUENCES: i64 = 32;

/// How faithful a crosscoder is to its model.
#[derive(Debug)]
pub struct Evaluation {
    /// How many latents fire.
    pub firings: Firings,
    /// Unexplained variance.
    pub fvu: Fvu,
    /// Language-model losses at each hook point, then for all at once.
    pub losses: Vec<PatchedLoss>,
}

/// Next-token losses (nats) with a hook point's activations left alone, replaced by their reconstruction, by zero, and by
/// their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PatchedLoss {
    /// The hook point; `None` for all of them at once.
    pub hook: Option<HookPoint>,
    /// Left alone.
    pub clean_nats: f64,
    /// Reconstruction.
    pub patched_nats: f64,
    /// Zero.
    pub zero_nats: f64,
    /// Mean over the tokens measured.
    pub mean_nats: f64,
}

impl PatchedLoss {
    /// See [`recovered_loss`].
    pub fn recovered_frac(&self) -> f64 {
        recovered_loss(self.clean_nats, self.patched_nats, self.zero_nats)
    }

    /// The same against mean ablation.
    pub fn recovered_against_mean_frac(&self) -> f64 {
        recovered_loss(self.clean_nats, self.patched_nats, self.mean_nats)
    }
}

/// Measures `crosscoder` on `tokens`.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn evaluate(crosscoder: &Crosscoder, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Evaluation {
    let _no_grad = tch::no_grad_guard();
    let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let scale = crosscoder.scale.view([1, -1, 1]);
    let mut fired = FiringSums::new(seq, crosscoder.n_latents());
    let mut unexplained = FvuSums::new(seq, reading.hooks.len() as i64, crosscoder.d_model);
    for part in tokens.split(BATCH, 0) {
        let acts = reading.acts(model, &part); // [batch, seq, hook, d_model]
        let latents = crosscoder.encode(&(acts.flatten(0, 1) * &scale)).latents;
        fired.add(&latents);
        unexplained.add(&acts, &(crosscoder.decode(&latents) / &scale).view_as(&acts));
    }
    let for_losses = tokens.narrow(0, 0, N_LOSS_SEQUENCES.min(n_sequences));
    let losses = patched_losses(crosscoder, model, reading, &for_losses);
    Evaluation { firings: fired.firings(), fvu: unexplained.fvu(), losses }
}

/// What replaces the activations at a hook point.
#[derive(Clone, Copy)]
enum Patch {
    Nothing,
    Reconstruction,
    Zero,
    Mean,
}

fn patched_losses(crosscoder: &Crosscoder, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Vec<PatchedLoss> {
    let mean = reading.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Float); // [hook, d_model]
    let parts: Vec<(Tensor, Tensor)> = tokens
        .split(BATCH, 0)
        .into_iter()
        .map(|part| {
            let part = part.to_device(model.wte.device());
            let acts = reading.acts(model, &part);
            let recon = crosscoder.reconstruct(&acts.flatten(0, 1)).view_as(&acts);
            (part, recon)
        })
        .collect();
    let loss = |hook: Option<HookPoint>, patch: Patch| -> f64 {
        let losses = parts
            .iter()
            .map(|(part, recon)| loss_with(model, reading, part, hook, patch, recon, &mean) * part.size()[0] as f64);
        losses.sum::<f64>() / tokens.size()[0] as f64
    };
    let clean_nats = loss(None, Patch::Nothing);
    let places = reading.hooks.iter().map(|&hook| Some(hook)).chain([None]);
    places
        .map(|hook| PatchedLoss {
            hook,
            clean_nats,
            patched_nats: loss(hook, Patch::Reconstruction),
            zero_nats: loss(hook, Patch::Zero),
            mean_nats: loss(hook, Patch::Mean),
        })
        .collect()
}

/// Loss with one hook point patched, or with all of them where `hook` is `None`.
fn loss_with(
    model: &GptNeo,
    reading: &Reading,
    tokens: &Tensor,
    hook: Option<HookPoint>,
    patch: Patch,
    recon: &Tensor,
    mean: &Tensor,
) -> f64 {
    let resid = model.resid(tokens, false, &mut |point, resid| {
        let Some(place) = reading.hooks.iter().position(|known| known.is_same_place(point)) else { return resid };
        if hook.is_some_and(|only| !only.is_same_place(point)) {
            return resid;
        }
        match patch {
            Patch::Nothing => resid,
            Patch::Reconstruction => recon.select(2, place as i64),
            Patch::Zero => resid.zeros_like(),
            Patch::Mean => mean.get(place as i64).expand_as(&resid),
        }
    });
    next_token_loss_of(model, &resid, tokens).double_value(&[])
}
