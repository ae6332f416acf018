//! What reconstructions cost the language model: its loss with activations replaced as they pass.

use super::BATCH;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::HookConfig;
use crate::crosscoder::metrics::recovered_loss;
use crate::language_model::HookPoint;
use crate::language_model::gpt_neo::GptNeo;
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

/// Losses that no crosscoder has a part in: measured once for a model and its sequences.
#[derive(Debug, Clone, PartialEq)]
pub struct Ablations {
    /// Left alone.
    pub clean_nats: f64,
    /// With each hook point set to zero.
    pub zero_nats: Vec<f64>,
    /// With each hook point set to its mean over the tokens.
    pub mean_nats: Vec<f64>,
}

impl Ablations {
    /// Of `model` on `tokens`, at the places of `cfg`.
    ///
    /// # Shapes
    /// `tokens` [sequence, seq]
    pub fn of(model: &GptNeo, cfg: &HookConfig, tokens: &Tensor) -> Ablations {
        let _no_grad = tch::no_grad_guard();
        let means = cfg.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Float); // [hook, d_model]
        let at = |value: &dyn Fn(i64) -> Tensor, tokens: &Tensor| -> Vec<Tensor> {
            let at_hook = |(&hook, place): (&HookPoint, i64)| {
                let value = value(place);
                model.resid_from(hook, &value.expand([tokens.size(), value.size()].concat(), false))
            };
            cfg.hooks.iter().zip(0..).map(at_hook).collect()
        };
        let clean = |tokens: &Tensor| vec![model.resid(tokens, false, &mut |_, resid| resid)];
        Ablations {
            clean_nats: mean_losses(model, tokens, clean)[0],
            zero_nats: mean_losses(model, tokens, |tokens| at(&|place| means.get(place).zeros_like(), tokens)),
            mean_nats: mean_losses(model, tokens, |tokens| at(&|place| means.get(place), tokens)),
        }
    }

    /// With the losses of a crosscoder's reconstructions on the same tokens: at each hook point, then at all of them at
    /// once. What is put in last overrides what comes before it, so that all at once ablated is the last one ablated.
    pub(super) fn with(
        &self,
        crosscoder: &Crosscoder,
        model: &GptNeo,
        cfg: &HookConfig,
        tokens: &Tensor,
    ) -> Vec<PatchedLoss> {
        let patched = mean_losses(model, tokens, |tokens| {
            let acts = cfg.harvest(model, tokens); // [token, hook, d_model]
            let recon = crosscoder.reconstruct(&acts);
            let at_hook = |(&hook, place): (&HookPoint, i64)| {
                model.resid_from(hook, &recon.select(1, place).unflatten(0, tokens.size().as_slice()))
            };
            let mut patched: Vec<Tensor> = cfg.hooks.iter().zip(0..).map(at_hook).collect();
            patched.push(all_replaced(crosscoder, model, cfg, tokens, acts));
            patched
        });
        let last = (0..cfg.hooks.len()).max_by_key(|&place| cfg.hooks[place].n_blocks_before()).unwrap_or(0);
        let places = cfg.hooks.iter().copied().map(Some).enumerate().chain([(last, None)]);
        let loss = |((place, hook), patched_nats)| PatchedLoss {
            hook,
            clean_nats: self.clean_nats,
            patched_nats,
            zero_nats: self.zero_nats[place],
            mean_nats: self.mean_nats[place],
        };
        places.zip(patched).map(loss).collect()
    }
}

/// The final residual stream with every hook point replaced as it passes: a reconstruction is made from what the stream
/// has become by the ones before it. Of hook points that are still to come it knows `acts`, those of a clean run.
///
/// # Shapes
/// `tokens` [batch, seq], `acts` [token, hook, d_model] → [batch, seq, d_model]
fn all_replaced(crosscoder: &Crosscoder, model: &GptNeo, cfg: &HookConfig, tokens: &Tensor, acts: Tensor) -> Tensor {
    model.resid(tokens, false, &mut |point, resid| {
        let here: Vec<i64> =
            (0..).zip(&cfg.hooks).filter(|(_, hook)| hook.is_same_place(point)).map(|(place, _)| place).collect();
        here.iter().for_each(|&place| acts.select(1, place).copy_(&cfg.as_acts(&resid).flatten(0, 1)));
        match here.first() {
            Some(&place) => crosscoder.reconstruct(&acts).select(1, place).view_as(&resid),
            None => resid,
        }
    })
}

/// Mean next-token loss over batches, for each of the final residual streams that `resids` makes of one.
fn mean_losses(model: &GptNeo, tokens: &Tensor, resids: impl Fn(&Tensor) -> Vec<Tensor>) -> Vec<f64> {
    let mut sums: Vec<f64> = Vec::new();
    for tokens in tokens.split(BATCH, 0) {
        let tokens = tokens.to_device(model.wte.device());
        let loss =
            |resid: &Tensor| next_token_loss_of(model, resid, &tokens).double_value(&[]) * tokens.size()[0] as f64;
        let losses: Vec<f64> = resids(&tokens).iter().map(loss).collect();
        sums.resize(losses.len(), 0.0);
        sums.iter_mut().zip(losses).for_each(|(sum, loss)| *sum += loss);
    }
    sums.iter().map(|sum| sum / tokens.size()[0] as f64).collect()
}
