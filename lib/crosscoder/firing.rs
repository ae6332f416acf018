//! When latents fire, on held-out sequences: how often, how many at once, and on which tokens most strongly.

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::{HookConfig, Models, StoredPart};
use crate::stats::percentile;
use tch::{Device, Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;
/// Tokens kept for each latent: relevance is judged on them.
pub const N_TOP: i64 = 5;

/// The firing of all latents of one crosscoder.
#[derive(Debug)]
pub struct Firings {
    /// Latents above threshold at each token.
    pub l0: Vec<f64>,
    /// Share of tokens on which each latent fires.
    pub density: Vec<f64>,
    /// Each latent's strongest tokens, strongest first; fewer where it fires on fewer.
    pub top: Vec<Vec<Firing>>,
}

impl Firings {
    /// Tokens measured on.
    pub fn n_tokens(&self) -> i64 {
        self.l0.len() as i64
    }

    /// Latents above threshold a token, on average.
    pub fn l0_mean(&self) -> f64 {
        self.l0.iter().sum::<f64>() / self.l0.len() as f64
    }

    /// A percentile over tokens of the number of latents above threshold.
    pub fn l0_percentile(&self, percent: f64) -> f64 {
        percentile(&self.l0, percent)
    }

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
    /// Row of the token matrix, or place in the part of a folder.
    pub sequence: i64,
    /// Position in it.
    pub position: i64,
}

/// Runs the model, or both of two, on `tokens` and counts.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub fn firings<'a>(
    crosscoder: &Crosscoder,
    models: impl Into<Models<'a>>,
    cfg: &HookConfig,
    tokens: &Tensor,
) -> Firings {
    let models = models.into();
    let _no_grad = tch::no_grad_guard();
    let (_, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let mut sums = FiringSums::new(seq, crosscoder.n_latents());
    for part in tokens.split(BATCH, 0) {
        sums.add(&latents(crosscoder, cfg.harvest(models, &part)));
    }
    sums.firings()
}

/// Counts on stored activations.
///
/// # Errors
/// The crosscoder is of other activations, a file cannot be read, or a number is not finite.
pub fn firings_stored(crosscoder: &Crosscoder, part: &StoredPart) -> Result<Firings> {
    part.check_fits(crosscoder)?;
    let _no_grad = tch::no_grad_guard();
    let mut sums = FiringSums::of_lengths(part.lengths(), crosscoder.n_latents());
    for acts in part.batches() {
        sums.add(&latents(crosscoder, acts?));
    }
    Ok(sums.firings())
}

/// # Shapes
/// `acts` [token, hook, d_model], not scaled → [token, latent]
fn latents(crosscoder: &Crosscoder, acts: Tensor) -> Tensor {
    crosscoder.encode(&(acts.to_device(crosscoder.scale.device()) * crosscoder.scale.view([1, -1, 1]))).latents
}

/// Counts from which [`Firings`] is made, taken up batch by batch.
pub struct FiringSums {
    sequences: Sequences,
    l0: Vec<f64>,
    n_fired: Tensor,
    strongest: Strongest,
}

impl FiringSums {
    /// Nothing counted yet, of sequences of `seq` tokens.
    pub fn new(seq: i64, n_latents: i64) -> FiringSums {
        FiringSums::of(Sequences::Equal(seq), n_latents)
    }

    /// Nothing counted yet, of sequences of as many tokens each.
    pub fn of_lengths(lengths: impl Iterator<Item = i64>, n_latents: i64) -> FiringSums {
        let ends = lengths.scan(0, |end, length| {
            *end += length;
            Some(*end)
        });
        FiringSums::of(Sequences::Ending(ends.collect()), n_latents)
    }

    fn of(sequences: Sequences, n_latents: i64) -> FiringSums {
        let n_fired = Tensor::zeros([n_latents], (Kind::Int64, Device::Cpu));
        FiringSums { sequences, l0: Vec::new(), n_fired, strongest: Strongest::default() }
    }

    /// Takes up the latents of some whole sequences.
    ///
    /// # Shapes
    /// `latents` [token, latent]
    pub fn add(&mut self, latents: &Tensor) {
        let fires = latents.gt(0.0);
        self.strongest.add(latents, self.l0.len() as i64);
        self.n_fired += fires.sum_dim_intlist(0, false, Kind::Int64).to_device(Device::Cpu);
        let l0 = fires.sum_dim_intlist(1, false, Kind::Double);
        self.l0.extend(Vec::<f64>::try_from(&l0).expect("one count a token"));
    }

    /// What was counted.
    pub fn firings(self) -> Firings {
        let density = self.n_fired.to_kind(Kind::Double) / self.l0.len() as f64;
        let density = Vec::try_from(&density).expect("one share a latent");
        Firings { l0: self.l0, density, top: self.strongest.firings(&self.sequences) }
    }
}

/// Where sequences end, counted in tokens of all.
enum Sequences {
    Equal(i64),
    Ending(Vec<i64>),
}

impl Sequences {
    /// The sequence of a token, and its position in it.
    fn of(&self, token: i64) -> (i64, i64) {
        match self {
            Sequences::Equal(seq) => (token / seq, token % seq),
            Sequences::Ending(ends) => {
                let sequence = ends.partition_point(|end| *end <= token);
                (sequence as i64, token - sequence.checked_sub(1).map_or(0, |before| ends[before]))
            }
        }
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
        let (values, places) = latents.topk(N_TOP.min(latents.size()[0]), 0, true, true); // [top, latent]
        let places = places + first_token;
        self.held = Some(match self.held.take() {
            None => (values, places),
            Some((held_values, held_places)) => {
                let (values, places) = (Tensor::cat(&[held_values, values], 0), Tensor::cat(&[held_places, places], 0));
                let (values, order) = values.topk(N_TOP.min(values.size()[0]), 0, true, true);
                (values, places.gather(0, &order, false))
            }
        });
    }

    fn firings(self, sequences: &Sequences) -> Vec<Vec<Firing>> {
        let Some((values, places)) = self.held else { return Vec::new() };
        let values = Vec::<Vec<f64>>::try_from(&values.tr().to_kind(Kind::Double)).expect("[latent, top]");
        let places = Vec::<Vec<i64>>::try_from(&places.tr()).expect("[latent, top]");
        let firing = |(activation, token): (f64, i64)| {
            let (sequence, position) = sequences.of(token);
            Firing { activation, sequence, position }
        };
        let of_latent = |(values, places): (Vec<f64>, Vec<i64>)| {
            values.into_iter().zip(places).filter(|(value, _)| *value > 0.0).map(firing).collect()
        };
        values.into_iter().zip(places).map(of_latent).collect()
    }
}
