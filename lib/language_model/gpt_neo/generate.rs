//! Continuing texts token by token.

use super::attention::Past;
use super::model::GptNeo;
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
/// libtorch's generator: seed it first.
///
/// # Shapes
/// `prompts` [batch, seq] → [batch, n_new]
pub fn generate(model: &GptNeo, prompts: &Tensor, n_new: i64, sampling: Sampling) -> Tensor {
    let (_, n_prompt) = prompts.size2().expect("prompts [batch, seq]");
    let (mut tokens, mut new) = (prompts.shallow_clone(), prompts.shallow_clone());
    let mut past: Vec<Past> = model.blocks.iter().map(|_| None).collect();
    let _no_grad = tch::no_grad_guard();
    for i in 0..n_new {
        let n_past = if i == 0 { 0 } else { n_prompt + i - 1 };
        let resid = model.resid_after(&new, n_past, &mut past);
        let last = model.unembed(&resid.select(1, -1)); // [batch, vocab]
        let next = match sampling {
            Sampling::Greedy => last.argmax(-1, true),
            Sampling::Temperature(temperature) => (last / temperature).softmax(-1, Kind::Float).multinomial(1, false),
        };
        tokens = Tensor::cat(&[&tokens, &next], 1);
        new = next;
    }
    tokens.narrow(1, n_prompt, n_new)
}
