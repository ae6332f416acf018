//! Training a language model on rows of tokens: all of it when pretraining, its adapters when fine-tuning.

use crate::checkpoint::Checkpoint;
use crate::gpt_neo::GptNeo;
use crate::optim::{Adam, AdamConfig};
use crate::schedule::LearningRate;
use crate::shuffle::{Batches, seed_for};
use crate::tokens::Rows;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use tch::{Reduction, Tensor};

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
    let (mut sum_nats, mut n_tokens) = (0.0, 0);
    for step in adam.n_steps..cfg.n_steps {
        tch::manual_seed(seed_for(seed, &format!("step {step}")) as i64);
        let index = Tensor::from_slice(&batches.rows(step));
        let tokens = rows.tokens.index_select(0, &index).to_device(device);
        let with_loss = rows.with_loss.index_select(0, &index).to_device(device);
        let (loss, n_counted) = next_token_loss(model, &tokens, &with_loss, true);
        let grads = Tensor::run_backward(&[&loss], &*params, false, false);
        adam.step(params, &grads, schedule.at(step));
        n_tokens += n_counted;
        sum_nats += loss.double_value(&[]) * n_counted as f64;
        if (step + 1) % every == 0 || step + 1 == cfg.n_steps {
            let line =
                FitStep { step: step + 1, n_tokens, loss_nats: sum_nats / n_tokens as f64, lr: schedule.at(step) };
            if !line.loss_nats.is_finite() {
                return Err(Error::setting(
                    "loss",
                    line.loss_nats,
                    format!("at step {}: lower the learning rate", step + 1),
                ));
            }
            progress(&line);
            log.push(line);
            (sum_nats, n_tokens) = (0.0, 0);
            checkpoint.save_if_due(params, &adam, &log)?;
        }
    }
    Ok(log)
}

/// Mean loss of predicting each token that counts from those before it, and how many count. Logits are computed only
/// where they are needed.
///
/// # Shapes
/// `tokens`, `with_loss` [batch, seq] → scalar, nats
pub fn next_token_loss(model: &GptNeo, tokens: &Tensor, with_loss: &Tensor, train: bool) -> (Tensor, i64) {
    let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
    let resid = model.resid(tokens, train, &mut |_, resid| resid);
    let counted = with_loss.narrow(1, 1, seq - 1).reshape([-1]).nonzero().squeeze_dim(1);
    let targets = tokens.narrow(1, 1, seq - 1).reshape([-1]).index_select(0, &counted);
    let resid = resid.narrow(1, 0, seq - 1).reshape([-1, model.config.d_model]).index_select(0, &counted);
    let logits = model.unembed(&resid); // [counted, vocab]
    let loss = logits.cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0);
    (loss, counted.numel() as i64)
}

/// Mean loss of predicting every token but the first from a final residual stream.
///
/// # Shapes
/// `resid` [batch, seq, d_model], `tokens` [batch, seq] → scalar, nats
pub fn next_token_loss_of(model: &GptNeo, resid: &Tensor, tokens: &Tensor) -> Tensor {
    let (_, seq) = tokens.size2().expect("tokens [batch, seq]");
    let logits = model.unembed(&resid.narrow(1, 0, seq - 1)).flatten(0, 1);
    let targets = tokens.narrow(1, 1, seq - 1).reshape([-1]);
    logits.cross_entropy_loss(&targets, None::<Tensor>, Reduction::Mean, -100, 0.0)
}

/// Mean loss over all rows, without gradients.
///
/// # Shapes
/// → nats a token
pub fn mean_loss(model: &GptNeo, rows: &Rows, batch: i64) -> f64 {
    let (mut sum, mut n_tokens) = (0.0, 0);
    tch::no_grad(|| {
        for start in (0..rows.n_rows()).step_by(batch as usize) {
            let n_rows = batch.min(rows.n_rows() - start);
            let part = |tensor: &Tensor| tensor.narrow(0, start, n_rows).to_device(model.wte.device());
            let (loss, n_counted) = next_token_loss(model, &part(&rows.tokens), &part(&rows.with_loss), false);
            sum += loss.double_value(&[]) * n_counted as f64;
            n_tokens += n_counted;
        }
    });
    sum / n_tokens as f64
}
