//! Continuing texts token by token.

use super::attention::Past;
use super::edit::Edit;
use super::model::GptNeo;
use crate::language_model::hook::HookPoint;
use tch::{Kind, Tensor};

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The most likely one.
    Greedy,
    /// Drawn from the distribution at this temperature.
    Temperature(f64),
}

/// Continues each prompt by `n_new` tokens. Prompts of a batch have the same length. A sampled continuation draws from
/// libtorch's generator: have it [`seeded`](crate::processor::generator::seeded) first.
///
/// # Shapes
/// `prompts` [batch, seq] → [batch, n_new]
pub fn generate(model: &GptNeo, prompts: &Tensor, n_new: i64, sampling: Sampling) -> Tensor {
    let next = &mut |_, logits: &Tensor| match sampling {
        Sampling::Greedy => logits.argmax(-1, true),
        Sampling::Temperature(temperature) => (logits / temperature).softmax(-1, Kind::Float).multinomial(1, false),
    };
    Prefill::of(model, prompts, &mut |_, resid| resid).continued(model, n_new, next)
}

/// Prompts of one length that a model has read: each block's keys and values, and what is expected next.
pub struct Prefill {
    past: Vec<Past>,
    n_seen: i64,
    /// Logits of the first new token, [batch, vocab].
    pub logits: Tensor,
}

impl Prefill {
    /// Has a model read prompts, without gradients; `edit` may replace what passes each hook point, as in
    /// [`GptNeo::resid`]. What follows reads the prompts as they were edited.
    ///
    /// # Shapes
    /// `prompts` [batch, seq]; at each hook point [batch, seq, d_model]
    pub fn of(model: &GptNeo, prompts: &Tensor, edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor) -> Prefill {
        Prefill::edited(model, prompts, &mut Edit::everywhere(edit))
    }

    /// The same with `edit` at some hook points alone, as in [`GptNeo::resid_hooked`].
    ///
    /// # Shapes
    /// As [`Prefill::of`].
    pub fn hooked(
        model: &GptNeo,
        prompts: &Tensor,
        hooks: &[HookPoint],
        edit: &mut dyn FnMut(HookPoint, Tensor) -> Tensor,
    ) -> Prefill {
        Prefill::edited(model, prompts, &mut Edit::at(hooks, edit))
    }

    fn edited(model: &GptNeo, prompts: &Tensor, edit: &mut Edit) -> Prefill {
        let _no_grad = tch::no_grad_guard();
        let (_, n_seen) = prompts.size2().expect("prompts [batch, seq]");
        let mut past: Vec<Past> = model.blocks.iter().map(|_| None).collect();
        let resid = model.resid_after(prompts, 0, &mut past, edit);
        Prefill { past, n_seen, logits: model.unembed(&resid.select(1, -1)) }
    }

    /// The whole batch `n_times`, one after the other.
    pub fn repeated(&self, n_times: i64) -> Prefill {
        let rows = |tensor: &Tensor| Tensor::cat(&vec![tensor; n_times as usize], 0);
        let past =
            self.past.iter().map(|past| past.as_ref().map(|(keys, values)| (rows(keys), rows(values)))).collect();
        Prefill { past, n_seen: self.n_seen, logits: rows(&self.logits) }
    }

    /// Goes on by `n_new` tokens, of which `next` chooses each from its number and its logits [batch, vocab].
    ///
    /// # Shapes
    /// `next` → [batch, 1]; → [batch, n_new]
    pub fn continued(mut self, model: &GptNeo, n_new: i64, next: &mut dyn FnMut(i64, &Tensor) -> Tensor) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let mut new: Vec<Tensor> = Vec::new();
        for place in 0..n_new {
            if let Some(last) = new.last() {
                self.logits = self.read(model, last).select(1, 0);
            }
            new.push(next(place, &self.logits));
        }
        Tensor::cat(&new, 1)
    }

    /// Log-probability of each of the tokens that are said to follow, each given those before it.
    ///
    /// # Shapes
    /// `tokens` [batch, n_new] → [batch, n_new], nats
    pub fn log_probs(mut self, model: &GptNeo, tokens: &Tensor) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let (_, n_new) = tokens.size2().expect("tokens [batch, n_new]");
        let first = self.logits.unsqueeze(1);
        let logits = match n_new {
            ..2 => first,
            _ => Tensor::cat(&[first, self.read(model, &tokens.narrow(1, 0, n_new - 1))], 1),
        };
        logits.log_softmax(-1, Kind::Float).gather(2, &tokens.unsqueeze(2), false).squeeze_dim(2)
    }

    /// Reads tokens that follow; their logits [batch, seq, vocab].
    fn read(&mut self, model: &GptNeo, tokens: &Tensor) -> Tensor {
        let resid = model.resid_after(tokens, self.n_seen, &mut self.past, &mut Edit::none());
        self.n_seen += tokens.size()[1];
        model.unembed(&resid)
    }
}

impl std::fmt::Debug for Prefill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prefill({} prompts of {} tokens)", self.logits.size()[0], self.n_seen)
    }
}
