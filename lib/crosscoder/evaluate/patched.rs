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
    /// With each hook point set to zero, then with all of them.
    pub zero_nats: Vec<f64>,
    /// With each hook point set to its mean over the tokens, then with all of them.
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
        let overrides_all = cfg.hooks.iter().max_by_key(|hook| hook.depth()).filter(|hook| hook.is_residual_stream());
        let at = |value: &dyn Fn(i64) -> Tensor, tokens: &Tensor| -> Vec<Tensor> {
            let everywhere = |place: i64| value(place).expand([tokens.size(), vec![-1]].concat(), false);
            let at_hook = |(&hook, place): (&HookPoint, i64)| model.resid_replaced(tokens, hook, &everywhere(place));
            let mut resids: Vec<Tensor> = cfg.hooks.iter().zip(0..).map(at_hook).collect();
            if overrides_all.is_none() {
                resids.push(model.resid_hooked(tokens, &cfg.hooks, &mut |point, passing| {
                    cfg.place_of(point).map_or(passing, |place| everywhere(place as i64))
                }));
            }
            resids
        };
        let with_all = |mut nats: Vec<f64>| {
            nats.extend(overrides_all.and_then(|last| cfg.place_of(*last)).map(|place| nats[place]));
            nats
        };
        let clean = |tokens: &Tensor| vec![model.resid(tokens, false, &mut |_, resid| resid)];
        Ablations {
            clean_nats: mean_losses(model, tokens, clean)[0],
            zero_nats: with_all(mean_losses(model, tokens, |tokens| {
                at(&|place| means.get(place).zeros_like(), tokens)
            })),
            mean_nats: with_all(mean_losses(model, tokens, |tokens| at(&|place| means.get(place), tokens))),
        }
    }

    /// With the losses of a crosscoder's reconstructions on the same tokens: at each hook point, then at all of them at
    /// once.
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
                model.resid_replaced(tokens, hook, &recon.select(1, place).unflatten(0, tokens.size().as_slice()))
            };
            let mut patched: Vec<Tensor> = cfg.hooks.iter().zip(0..).map(at_hook).collect();
            patched.push(all_replaced(crosscoder, model, cfg, tokens, acts));
            patched
        });
        let places = cfg.hooks.iter().copied().map(Some).chain([None]).enumerate();
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
    model.resid_hooked(tokens, &cfg.hooks, &mut |point, passing| {
        let Some(place) = cfg.place_of(point) else { return passing };
        acts.select(1, place as i64).copy_(&cfg.as_acts(point, &passing).flatten(0, 1));
        crosscoder.reconstruct(&acts).select(1, place as i64).view_as(&passing)
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
