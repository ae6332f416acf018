//! Measuring a crosscoder on held-out sequences of its own model and data.

use crate::activations::Reading;
use crate::crosscoder::Crosscoder;
use crate::fit::next_token_loss_of;
use crate::gpt_neo::GptNeo;
use crate::hook::HookPoint;
use crate::metrics::{Fvu, FvuSums, recovered_loss};
use crate::stats::percentile;
use tch::{Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;
/// Tokens kept for each latent.
pub const N_TOP: i64 = 5;
/// Sequences on which the language model's losses are measured.
const N_LOSS_SEQUENCES: i64 = 48;

/// Everything measured of one crosscoder.
#[derive(Debug)]
pub struct Evaluation {
    /// Tokens measured on.
    pub n_tokens: i64,
    /// Unexplained variance.
    pub fvu: Fvu,
    /// Latents above threshold a token: mean, 5th and 95th percentile.
    pub l0: (f64, f64, f64),
    /// Share of tokens on which each latent fires.
    pub density: Vec<f64>,
    /// Each latent's strongest tokens, strongest first; fewer where it fires on fewer.
    pub top: Vec<Vec<Firing>>,
    /// Language-model losses at each hook point, then for all at once.
    pub losses: Vec<PatchedLoss>,
}

/// One firing of a latent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Firing {
    /// The latent's value, in scaled units.
    pub activation: f64,
    /// Row of the token matrix.
    pub sequence: i64,
    /// Position in it.
    pub position: i64,
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

impl Evaluation {
    /// Share of latents that fired on none of the tokens.
    pub fn dead_frac(&self) -> f64 {
        self.density.iter().filter(|&&share| share == 0.0).count() as f64 / self.density.len() as f64
    }
}

/// Measures `crosscoder` on `tokens`.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn evaluate(crosscoder: &Crosscoder, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Evaluation {
    let _no_grad = tch::no_grad_guard();
    let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let n_hooks = reading.hooks.len() as i64;
    let mut sums = FvuSums::new(seq, n_hooks, crosscoder.d_model);
    let mut n_fired = Tensor::zeros([crosscoder.n_latents()], (Kind::Int64, model.wte.device()));
    let mut l0: Vec<f64> = Vec::new();
    let mut strongest = Strongest::default();
    for start in (0..n_sequences).step_by(BATCH as usize) {
        let part = tokens.narrow(0, start, BATCH.min(n_sequences - start));
        let acts = reading.acts(model, &part); // [batch, seq, hook, d_model]
        let scaled = &acts * crosscoder.scale.view([1, 1, -1, 1]);
        let latents = crosscoder.encode(&scaled.flatten(0, 1)).latents;
        let recon = crosscoder.decode(&latents).view_as(&scaled) / crosscoder.scale.view([1, 1, -1, 1]);
        sums.add(&acts, &recon);
        let fires = latents.gt(0.0);
        n_fired += fires.sum_dim_intlist(0, false, Kind::Int64);
        l0.extend(Vec::<f64>::try_from(&fires.sum_dim_intlist(1, false, Kind::Double)).expect("one count a token"));
        strongest.add(&latents, start * seq);
    }
    let n_tokens = n_sequences * seq;
    let density = Vec::<f64>::try_from(&(n_fired.to_kind(Kind::Double) / n_tokens as f64)).expect("one share a latent");
    let mean = l0.iter().sum::<f64>() / n_tokens as f64;
    Evaluation {
        n_tokens,
        fvu: sums.fvu(),
        l0: (mean, percentile(&l0, 5.0), percentile(&l0, 95.0)),
        density,
        top: strongest.firings(seq),
        losses: patched_losses(crosscoder, model, reading, &tokens.narrow(0, 0, N_LOSS_SEQUENCES.min(n_sequences))),
    }
}

/// The strongest tokens of each latent, batch by batch.
#[derive(Default)]
struct Strongest {
    held: Option<(Tensor, Tensor)>,
}

impl Strongest {
    /// # Shapes
    /// `latents` [token, latent]
    fn add(&mut self, latents: &Tensor, first_token: i64) {
        let (values, places) = latents.topk(N_TOP, 0, true, true); // [top, latent]
        let places = places + first_token;
        self.held = Some(match self.held.take() {
            None => (values, places),
            Some((held_values, held_places)) => {
                let (values, places) = (Tensor::cat(&[held_values, values], 0), Tensor::cat(&[held_places, places], 0));
                let (values, order) = values.topk(N_TOP, 0, true, true);
                (values, places.gather(0, &order, false))
            }
        });
    }

    fn firings(self, seq: i64) -> Vec<Vec<Firing>> {
        let Some((values, places)) = self.held else { return Vec::new() };
        let values = Vec::<Vec<f64>>::try_from(&values.tr().to_kind(Kind::Double)).expect("[latent, top]");
        let places = Vec::<Vec<i64>>::try_from(&places.tr()).expect("[latent, top]");
        let firing = |(activation, place): (f64, i64)| Firing { activation, sequence: place / seq, position: place % seq };
        let of_latent = |(values, places): (Vec<f64>, Vec<i64>)| {
            values.into_iter().zip(places).filter(|(value, _)| *value > 0.0).map(firing).collect()
        };
        values.into_iter().zip(places).map(of_latent).collect()
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

fn patched_losses(crosscoder: &Crosscoder, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Vec<PatchedLoss> {
    let mean = reading.harvest(model, tokens).mean_dim([0i64].as_slice(), false, Kind::Float); // [hook, d_model]
    let parts: Vec<(Tensor, Tensor)> = tokens.split(BATCH, 0).into_iter().map(|part| {
        let part = part.to_device(model.wte.device());
        let acts = reading.acts(model, &part);
        let recon = crosscoder.reconstruct(&acts.flatten(0, 1)).view_as(&acts);
        (part, recon)
    }).collect();
    let loss = |hook: Option<HookPoint>, patch: Patch| -> f64 {
        let losses = parts.iter().map(|(part, recon)| loss_with(model, reading, part, hook, patch, recon, &mean) * part.size()[0] as f64);
        losses.sum::<f64>() / tokens.size()[0] as f64
    };
    let clean_nats = loss(None, Patch::Nothing);
    let places = reading.hooks.iter().map(|&hook| Some(hook)).chain([None]);
    places.map(|hook| PatchedLoss {
        hook,
        clean_nats,
        patched_nats: loss(hook, Patch::Reconstruction),
        zero_nats: loss(hook, Patch::Zero),
        mean_nats: loss(hook, Patch::Mean),
    }).collect()
}

/// Loss with one hook point patched, or with all of them where `hook` is `None`.
fn loss_with(model: &GptNeo, reading: &Reading, tokens: &Tensor, hook: Option<HookPoint>, patch: Patch, recon: &Tensor, mean: &Tensor) -> f64 {
    let resid = model.resid(tokens, false, &mut |point, resid| {
        let Some(place) = reading.hooks.iter().position(|&known| known == point) else { return resid };
        if hook.is_some_and(|only| only != point) {
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
