//! The spaces that crosscoders describe, and how good each crosscoder is.

use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::evaluate::{
    Ablations, Evaluation, Fidelity, PatchedLoss, evaluate, evaluate_stored, for_losses,
};
use crate::crosscoder::harvest::{HookConfig, StoredPart, scale};
use crate::experiment::run::{Part, Run, Subjects};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{ActivationRow, EvaluationRow};
use crate::language_model::hook::HookPoint;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// The rows of `tables/activations`: each hook point's norms, its scale, and the coordinate that holds most of its variance.
///
/// # Shapes
/// `acts` [token, hook, d_model], not scaled
pub fn activation_rows(acts: &Tensor, reading: &HookConfig) -> Vec<ActivationRow> {
    let scales = scale(acts);
    let row = |(place, &hook_point): (usize, &HookPoint)| {
        let at_hook = acts.select(1, place as i64); // [token, d_model]
        let norms = at_hook.norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
        let variances = at_hook.var_dim([0i64].as_slice(), true, false);
        let top = variances.argmax(0, false).int64_value(&[]);
        ActivationRow {
            hook_point,
            norm_mean: norms.mean(Kind::Double).double_value(&[]),
            norm_std: norms.std(true).double_value(&[]),
            scale: scales.double_value(&[place as i64]),
            top_coordinate: top,
            top_coordinate_share: (variances.get(top) / variances.sum(Kind::Float)).double_value(&[]),
            n_tokens: acts.size()[0],
        }
    };
    reading.hooks.iter().enumerate().map(row).collect()
}

/// The rows of `tables/evaluation`: every stage with each seed, measured on what the recipe says ([`Subjects`]).
///
/// # Errors
/// A stage has not been trained.
pub fn evaluation_rows(run: &Run, stages: &[Stage], progress: &mut dyn FnMut(Stage)) -> Result<Vec<EvaluationRow>> {
    let (mut subjects, mut ablations) = (Subjects::of(run), BTreeMap::new());
    let mut rows = Vec::new();
    for &stage in stages {
        if let Some(part) = run.stored_part(stage, Part::Heldout)? {
            for seed in run.seeds() {
                rows.extend(rows_of((stage, seed), &without_losses(&run.crosscoder_of(stage, seed)?, &part)?));
            }
            progress(stage);
            continue;
        }
        let subject = subjects.model_and_data(stage);
        let (model, tokens) = subjects.stage(stage)?;
        let cfg = run.hook_config(model)?;
        let ablated = ablations.entry(subject).or_insert_with(|| Ablations::of(model, &cfg, &for_losses(tokens)));
        for seed in run.seeds() {
            let evaluation = evaluate(&run.crosscoder_of(stage, seed)?, model, &cfg, tokens, ablated);
            rows.extend(rows_of((stage, seed), &evaluation));
        }
        progress(stage);
    }
    Ok(rows)
}

/// A crosscoder on stored activations: what language models lose is not measured.
fn without_losses(crosscoder: &Crosscoder, part: &StoredPart) -> Result<Evaluation> {
    let Fidelity { firings, fvu } = evaluate_stored(crosscoder, part)?;
    let unknown = |hook: Option<HookPoint>| PatchedLoss {
        hook,
        clean_nats: f64::NAN,
        patched_nats: f64::NAN,
        zero_nats: f64::NAN,
        mean_nats: f64::NAN,
    };
    let losses = crosscoder.hooks.iter().map(|hook| Some(*hook)).chain([None]).map(unknown).collect();
    Ok(Evaluation { firings, fvu, losses, n_loss_tokens: 0 })
}

fn rows_of(of: (Stage, u64), evaluation: &Evaluation) -> Vec<EvaluationRow> {
    evaluation.losses.iter().enumerate().map(|(place, loss)| row(of, place, loss, evaluation)).collect()
}

fn row((stage, seed): (Stage, u64), place: usize, loss: &PatchedLoss, evaluation: &Evaluation) -> EvaluationRow {
    let (fvu, firings) = (&evaluation.fvu, &evaluation.firings);
    let at = |values: &[f64]| values.get(place).copied().unwrap_or(f64::NAN);
    EvaluationRow {
        stage,
        hook_point: loss.hook.map_or("all".into(), |hook| hook.to_string()),
        fvu: at(&fvu.fvu),
        fvu_across_d: at(&fvu.fvu_across_d),
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
        fvu_per_position: at(&fvu.fvu_per_position),
        recovered_against_mean_frac: loss.recovered_against_mean_frac(),
        n_loss_tokens: evaluation.n_loss_tokens,
        seed,
    }
}
