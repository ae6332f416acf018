//! Training a language model on rows of tokens: all of it when pretraining, its adapters when fine-tuning.

use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::next_token::next_token_gradients;
use crate::language_model::tokens::Rows;
use crate::training::adam::{Adam, AdamConfig};
use crate::training::checkpoint::Checkpoint;
use crate::training::schedule::LearningRate;
use crate::training::shuffle::{Batches, seed_for};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

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
    /// Tokens with loss seen since the last line.
    pub n_tokens: i64,
    /// Mean loss since the last line, nats a token.
    pub loss_nats: f64,
    /// Learning rate of the last step.
    pub lr: f64,
}

impl std::fmt::Display for FitStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "step {:>5}   loss {:.3} nats a token   learning rate {:.1e}", self.step, self.loss_nats, self.lr)
    }
}

/// Lines of the log in a whole training.
const N_LINES: i64 = 50;

/// Minimises the next-token loss of `model` over `params`, which are tensors of it. `progress` is called at each line of
/// the log; a `checkpoint` is taken up and kept.
///
/// # Errors
/// The loss is no number any more, or the checkpoint cannot be read or written.
pub fn fit(
    model: &GptNeo,
    params: &mut [Tensor],
    rows: &Rows,
    cfg: &FitConfig,
    seed: u64,
    checkpoint: &mut Checkpoint,
    progress: &mut dyn FnMut(&FitStep),
) -> Result<Vec<FitStep>> {
    let device = model.wte.device();
    let mut adam = Adam::new(params, AdamConfig::default());
    let mut log: Vec<FitStep> = checkpoint.resume(params, &mut adam)?.unwrap_or_default();
    let mut batches = Batches::new(rows.n_rows(), cfg.batch, seed);
    let (schedule, every) = (cfg.schedule(), (cfg.n_steps / N_LINES).max(1));
    let no_nats = || Tensor::zeros([], (Kind::Double, device)); // read at lines of the log only: a GPU need not wait
    let (mut sum_nats, mut n_tokens) = (no_nats(), 0);
    for step in adam.n_steps..cfg.n_steps {
        tch::manual_seed(seed_for(seed, &format!("step {step}")) as i64);
        let index = Tensor::from_slice(&batches.rows(step));
        let tokens = rows.tokens.index_select(0, &index).to_device(device);
        let with_loss = rows.with_loss.index_select(0, &index);
        let step_taken = next_token_gradients(model, params, &tokens, &with_loss, true);
        let _norm = adam.step(params, &step_taken.grads, schedule.at(step));
        n_tokens += step_taken.n_tokens;
        sum_nats += step_taken.loss * step_taken.n_tokens as f64;
        if (step + 1) % every == 0 || step + 1 == cfg.n_steps {
            let loss_nats = sum_nats.double_value(&[]) / n_tokens as f64;
            let line = FitStep { step: step + 1, n_tokens, loss_nats, lr: schedule.at(step) };
            if !line.loss_nats.is_finite() {
                return Err(Error::setting(
                    "loss",
                    line.loss_nats,
                    format!("at step {}: lower the learning rate", step + 1),
                ));
            }
            progress(&line);
            log.push(line);
            (sum_nats, n_tokens) = (no_nats(), 0);
            checkpoint.save_if_due(params, &adam, &log)?;
        }
    }
    Ok(log)
}
