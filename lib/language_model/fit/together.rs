//! A fit that several processes do: each has all parameters and takes its share of the rows of each batch.

use super::FitTask;
use crate::distributed::ProcessGroup;
use crate::files::hash::sha256_of_tensors;
use crate::language_model::next_token::LossGradients;
use crate::training::checkpoint::Checkpoint;
use crate::{Error, Result};
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Who does it: this process alone where there is no group.
#[derive(Clone, Copy)]
pub(super) struct Together<'a>(pub Option<&'a ProcessGroup>);

impl Together<'_> {
    /// Holds against each other what all are about to do.
    ///
    /// # Errors
    /// Something differs: it is named. Or there are more processes than rows in a batch.
    pub fn agree(self, task: &FitTask, params: &[Tensor], checkpoint: &Checkpoint) -> Result<()> {
        let Some(group) = self.0 else { return Ok(()) };
        let FitTask { label, rows, cfg, seed, .. } = task;
        if group.world_size() as i64 > cfg.batch {
            let expected = format!("expected at least as many rows as there are processes, {}", group.world_size());
            return Err(Error::setting("batch", cfg.batch, expected));
        }
        group.agree(&BTreeMap::from([
            ("version", env!("CARGO_PKG_VERSION").to_string()),
            ("training", format!("{label} {cfg:?}, seed {seed}")),
            ("inputs and settings of the run", checkpoint.fingerprint().to_string()),
            ("parameters", sha256_of_tensors(params)),
            ("rows", sha256_of_tensors([&rows.tokens, &rows.with_loss])),
        ]))
    }

    /// Whether this process is the one to speak and to write.
    pub fn is_first(self) -> bool {
        self.0.is_none_or(ProcessGroup::is_first)
    }

    /// The signal that any process was sent.
    pub fn asked(self, signal: Option<i32>) -> Result<Option<i32>> {
        self.0.map_or(Ok(signal), |group| group.asked(signal))
    }

    /// The rows of a batch that this process takes.
    pub fn share(self, rows: &[i64]) -> &[i64] {
        let (rank, size) = self.0.map_or((0, 1), |group| (group.rank(), group.world_size()));
        let start = |rank: usize| rows.len() * rank / size;
        &rows[start(rank)..start(rank + 1)]
    }

    /// What the random numbers of a step are for: each process drops inputs of its own rows.
    pub fn purpose(self, step: i64) -> String {
        match self.0.map_or(0, ProcessGroup::rank) {
            0 => format!("step {step}"),
            rank => format!("step {step}, rank {rank}"),
        }
    }

    /// Loss and gradients of a whole batch from those of the shares: means over all tokens that count.
    pub fn of_all(self, own: LossGradients) -> Result<LossGradients> {
        let Some(group) = self.0 else { return Ok(own) };
        let of_tokens = |mean: Tensor| if own.n_tokens == 0 { mean.zeros_like() } else { mean * own.n_tokens as f64 };
        let loss = of_tokens(own.loss.to_kind(Kind::Double)).double_value(&[]);
        let mut sums = Tensor::from_slice(&[loss, own.n_tokens as f64]);
        group.sum(&mut sums)?;
        let [loss, n_tokens] = [0, 1].map(|i| sums.double_value(&[i]));
        let flat: Vec<Tensor> = own.grads.iter().map(|grad| grad.reshape([-1])).collect();
        let mut all = of_tokens(Tensor::cat(&flat, 0));
        group.sum(&mut all)?;
        all /= n_tokens;
        let sizes: Vec<i64> = flat.iter().map(|grad| grad.size()[0]).collect();
        let parts = all.split_with_sizes(sizes.as_slice(), 0);
        Ok(LossGradients {
            loss: Tensor::from(loss / n_tokens).to_device(own.loss.device()),
            grads: parts.into_iter().zip(&own.grads).map(|(part, grad)| part.view_as(grad)).collect(),
            n_tokens: n_tokens as i64,
        })
    }
}
