//! What reconstructions cost the language model: its loss with activations replaced as they pass.

use super::BATCH;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::HookConfig;
use crate::crosscoder::metrics::recovered_loss;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::next_token::next_token_loss_of;
use tch::{Kind, Tensor};

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

/// What replaces the activations at a hook point.
#[derive(Clone, Copy)]
enum Patch {
    Nothing,
    Reconstruction,
    Zero,
    Mean,
}

/// Sequences, and what can be put in the place of their activations.
pub(super) struct Patched<'a> {
    model: &'a GptNeo,
    hooks: &'a [HookPoint],
    /// Tokens [batch, seq] and reconstructions [batch, seq, hook, d_model].
    batches: Vec<(Tensor, Tensor)>,
    /// Over all tokens, [hook, d_model].
    mean: Tensor,
}

impl<'a> Patched<'a> {
    pub fn of(crosscoder: &Crosscoder, model: &'a GptNeo, cfg: &'a HookConfig, tokens: &Tensor) -> Patched<'a> {
        let mean = cfg.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Float);
        let with_recon = |tokens: Tensor| {
            let recon = crosscoder.reconstruct(&cfg.harvest(model, &tokens));
            let recon = recon.unflatten(0, tokens.size().as_slice());
            (tokens.to_device(model.wte.device()), recon)
        };
        let batches = tokens.split(BATCH, 0).into_iter().map(with_recon).collect();
        Patched { model, hooks: &cfg.hooks, batches, mean }
    }

    /// At each hook point, then at all of them at once.
    pub fn losses(&self) -> Vec<PatchedLoss> {
        let clean_nats = self.loss(None, Patch::Nothing);
        let patched = |hook| PatchedLoss {
            hook,
            clean_nats,
            patched_nats: self.loss(hook, Patch::Reconstruction),
            zero_nats: self.loss(hook, Patch::Zero),
            mean_nats: self.loss(hook, Patch::Mean),
        };
        self.hooks.iter().copied().map(Some).chain([None]).map(patched).collect()
    }

    /// Loss with one hook point patched, or with all of them where `only` is `None`.
    fn loss(&self, only: Option<HookPoint>, patch: Patch) -> f64 {
        let of_batch = |(tokens, recon): &(Tensor, Tensor)| {
            let resid = self.model.resid(tokens, false, &mut |point, resid| {
                let Some(place) = self.hooks.iter().position(|known| known.is_same_place(point)) else { return resid };
                if only.is_some_and(|only| !only.is_same_place(point)) {
                    return resid;
                }
                match patch {
                    Patch::Nothing => resid,
                    Patch::Reconstruction => recon.select(2, place as i64),
                    Patch::Zero => resid.zeros_like(),
                    Patch::Mean => self.mean.get(place as i64).expand_as(&resid),
                }
            });
            next_token_loss_of(self.model, &resid, tokens).double_value(&[]) * tokens.size()[0] as f64
        };
        let n_sequences: i64 = self.batches.iter().map(|(tokens, _)| tokens.size()[0]).sum();
        self.batches.iter().map(of_batch).sum::<f64>() / n_sequences as f64
    }
}
