//! What a stage reads: a model and its tokens, or activations that are given.

use super::Acts;
use crate::crosscoder::harvest::{HookConfig, StoredPart};
use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::Stage;
use crate::files::hash::sha256;
use crate::language_model::gpt_neo::GptNeo;
use crate::{Error, Result};
use serde_json::{Value, json};
use std::fmt;
use tch::{Kind, Tensor};

/// What a stage is trained on, loaded.
pub(in crate::experiment) enum Subject {
    Read { model: Box<GptNeo>, reading: HookConfig, tokens: Tensor },
    Stored(StoredPart),
}

impl Subject {
    pub fn of(run: &Run, stage: Stage) -> Result<Subject> {
        if let Some(part) = run.stored_part(stage, Part::Train)? {
            return Ok(Subject::Stored(part));
        }
        let model = Box::new(run.model(stage.model())?);
        let reading = run.hook_config(&model)?;
        Ok(Subject::Read { reading, tokens: run.sequences(Part::Train, stage.data())?, model })
    }

    /// What a stage is measured on, if it is on held-out sequences of its own data.
    pub fn heldout(run: &Run, stage: Stage) -> Result<Subject> {
        if let Some(part) = run.stored_part(stage, Part::Heldout)? {
            return Ok(Subject::Stored(part));
        }
        let model = Box::new(run.model(stage.model())?);
        let (reading, tokens) = (run.hook_config(&model)?, run.sequences(Part::Heldout, stage.data())?);
        let n_sequences = run.preset.n_eval_sequences.min(tokens.size()[0]);
        Ok(Subject::Read { reading, tokens: tokens.narrow(0, 0, n_sequences).to_kind(Kind::Int64), model })
    }

    pub fn acts(&self) -> Acts<'_> {
        match self {
            Subject::Read { model, reading, tokens } => Acts::Read { models: model.as_ref().into(), reading, tokens },
            Subject::Stored(part) => Acts::Stored(part),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Read { model, reading, tokens } => write!(f, "{model:?} {reading:?} on {:?}", tokens.size()),
            Subject::Stored(part) => part.fmt(f),
        }
    }
}

/// What of it a step is made of: what is no file of the run, and which files of the run. Of a folder of activations the small
/// files by their hashes, the shards by their lengths.
pub(super) fn made_of(run: &Run, stage: Stage) -> Result<(Value, Vec<String>)> {
    let Some(acts) = run.stored_acts(stage)? else {
        let weights = format!("weights/{}/model.safetensors", model_name(stage.model()));
        return Ok((Value::Null, vec![weights, run.data_file(Part::Train, stage.data())]));
    };
    let mut files = Vec::new();
    for path in acts.files() {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let n_bytes = std::fs::metadata(&path).map_err(Error::io(&path))?.len();
        let is_shard = name.starts_with("acts-");
        files.push(json!([name, n_bytes, if is_shard { None } else { Some(sha256(&path)?) }]));
    }
    Ok((json!(files), Vec::new()))
}
