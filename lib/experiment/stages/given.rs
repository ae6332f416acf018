//! A stage's crosscoder that is given: the published one, or one of a user's own.

use super::{Acts, Source, save};
use crate::crosscoder::harvest::scale;
use crate::crosscoder::{Crosscoder, formats};
use crate::experiment::base_model::hashes_at;
use crate::experiment::run::{Part, Run, model_name};
use crate::experiment::stage::Stage;
use crate::experiment::step::Step;
use crate::{Error, Result};
use serde_json::json;
use std::path::Path;
use tch::Kind;

/// Writes a stage's crosscoder that is given as the run's own.
pub(super) fn take(run: &Run, stage: Stage) -> Result<()> {
    let Some(from) = run.given_crosscoder(stage) else { return Ok(()) };
    if let [_, _, ..] = run.seeds().as_slice() {
        let expected = format!("expected 1 where the crosscoder of {stage} is given");
        return Err(Error::setting("n_seeds", run.preset.n_seeds, expected));
    }
    let inputs =
        [format!("weights/{}/model.safetensors", model_name(stage.model())), run.data_file(Part::Train, stage.data())];
    let settings = json!({ "from": from, "files": hashes_at(from)?, "hooks": run.preset.hooks });
    let step = Step::new(run, &format!("crosscoder_{stage}"), settings, &inputs)?;
    let seed = run.settings.seed;
    let _log: Vec<()> = step.once(vec![run.crosscoder_file(stage, seed)], || {
        save(run, stage, seed, &read(run, stage, from)?)?;
        Ok(Vec::new())
    })?;
    Ok(())
}

fn read(run: &Run, stage: Stage, from: &Path) -> Result<Crosscoder> {
    let model = run.model(stage.model())?;
    let reading = run.hook_config(&model)?;
    let (crosscoder, _) = formats::load(from, Some(&reading.hooks), run.device)?;
    if crosscoder.d_model != model.config.d_model {
        let (found, expected) = (crosscoder.d_model, model.config.d_model);
        return Err(Error::invalid(from, format!("its hook points are {found} wide, the model's {expected}")));
    }
    if let Some(parent) = stage.parent().map(|parent| run.crosscoder(parent)).transpose()? {
        return like_its_parent(crosscoder, &parent, from);
    }
    let is_folded = crosscoder.scale.eq(1.0).all().int64_value(&[]) == 1;
    if !is_folded {
        return Ok(crosscoder);
    }
    let tokens = run.sequences(Part::Train, stage.data())?;
    let source = Source { acts: Acts::Read { models: (&model).into(), tokens: &tokens, reading: &reading }, seed: 0 };
    Ok(crosscoder.unfold(&scale(&source.sample(run)?)))
}

/// Rotations compare latents of one number, in a space of one scale.
fn like_its_parent(crosscoder: Crosscoder, parent: &Crosscoder, from: &Path) -> Result<Crosscoder> {
    if crosscoder.n_latents() != parent.n_latents() {
        let (found, expected) = (crosscoder.n_latents(), parent.n_latents());
        return Err(Error::invalid(from, format!("has {found} latents, the stage before it {expected}")));
    }
    let difference = (&crosscoder.scale - &parent.scale).abs().max().to_kind(Kind::Double).double_value(&[]);
    Ok(if difference > 0.0 { crosscoder.fold().unfold(&parent.scale) } else { crosscoder })
}
