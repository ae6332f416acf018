//! When latents fire, on held-out sequences: how often, how many at once, and on which tokens most strongly.

use crate::activations::Reading;
use crate::crosscoder::Crosscoder;
use crate::gpt_neo::GptNeo;
use crate::stats::percentile;
use tch::{Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;
/// Tokens kept for each latent: relevance is judged on them.
pub const N_TOP: i64 = 5;

/// The firing of all latents of one crosscoder.
#[derive(Debug)]
pub struct Firings {
    /// Tokens measured on.
    pub n_tokens: i64,
    /// Latents above threshold a token, on average.
    pub l0_mean: f64,
    /// The 5th percentile over tokens.
    pub l0_p5: f64,
    /// The 95th.
    pub l0_p95: f64,
    /// Share of tokens on which each latent fires.
    pub density: Vec<f64>,
    /// Each latent's strongest tokens, strongest first; fewer where it fires on fewer.
    pub top: Vec<Vec<Firing>>,
}

impl Firings {
    /// Share of latents that fired on none of the tokens.
    pub fn dead_frac(&self) -> f64 {
        self.density.iter().filter(|&&share| share == 0.0).count() as f64 / self.density.len() as f64
    }
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

/// Runs `model` on `tokens` and counts.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn firings(crosscoder: &Crosscoder, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Firings {
    let _no_grad = tch::no_grad_guard();
    let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let mut n_fired = Tensor::zeros([crosscoder.n_latents()], (Kind::Int64, model.wte.device()));
    let mut l0: Vec<f64> = Vec::new();
    let mut strongest = Strongest::default();
    for start in (0..n_sequences).step_by(BATCH as usize) {
        let part = tokens.narrow(0, start, BATCH.min(n_sequences - start));
        let acts = reading.harvest(model, &part) * crosscoder.scale.view([1, -1, 1]); // [token, hook, d_model]
        let latents = crosscoder.encode(&acts).latents;
        let fires = latents.gt(0.0);
        n_fired += fires.sum_dim_intlist(0, false, Kind::Int64);
        l0.extend(Vec::<f64>::try_from(&fires.sum_dim_intlist(1, false, Kind::Double)).expect("one count a token"));
        strongest.add(&latents, start * seq);
    }
    let n_tokens = n_sequences * seq;
    let density = Vec::<f64>::try_from(&(n_fired.to_kind(Kind::Double) / n_tokens as f64)).expect("one share a latent");
    let l0_mean = l0.iter().sum::<f64>() / n_tokens as f64;
    let (l0_p5, l0_p95) = (percentile(&l0, 5.0), percentile(&l0, 95.0));
    Firings { n_tokens, l0_mean, l0_p5, l0_p95, density, top: strongest.firings(seq) }
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
        let firing =
            |(activation, place): (f64, i64)| Firing { activation, sequence: place / seq, position: place % seq };
        let of_latent = |(values, places): (Vec<f64>, Vec<i64>)| {
            values.into_iter().zip(places).filter(|(value, _)| *value > 0.0).map(firing).collect()
        };
        values.into_iter().zip(places).map(of_latent).collect()
    }
}
