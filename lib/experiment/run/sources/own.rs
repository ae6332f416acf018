//! What of a user's own goes together, and where it lies.

use super::StoryFiles;
use crate::experiment::stage::Stage;
use crate::files::hash::KnownHashes;
use crate::files::hub::Cache;
use crate::language_model::gpt_neo::GptNeoConfig;
use crate::language_model::peft;
use crate::{Error, Result};
use stagediff_settings::{CROSSCODER, Series, Settings, TEXT_COLUMN};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Checks that what is given goes together. A base model that is trained needs stories.
pub(super) fn check(settings: &Settings, has_base: bool) -> Result<()> {
    let given = |name: &str| settings.set.get(name).cloned();
    let pair = [given("base_text"), given("tuned_text")];
    let refused = |name: &str, value: String, expected: &str| Err(Error::setting(name, value, expected));
    if let Some(folder) = given("activations") {
        let others =
            ["base", "tuned", "base_text", "tuned_text"].into_iter().find(|name| settings.set.contains_key(*name));
        return match others.or(settings.stories.is_some().then_some("stories")) {
            Some(other) => {
                refused("--activations", folder, &format!("has no place beside {other}: leave one of them out"))
            }
            None => Ok(()),
        };
    }
    match pair {
        [Some(base), None] => refused("--base-text", base, "expected --tuned-text beside it"),
        [None, Some(tuned)] => refused("--tuned-text", tuned, "expected --base-text beside it"),
        [Some(base), Some(_)] if settings.stories.is_some() => {
            refused("--base-text", base, "has no place beside --stories: leave one of them out")
        }
        [Some(base), Some(_)] if !has_base => {
            refused("--base-text", base, "expected a model that has been trained: add --base FOLDER or hf:OWNER/NAME")
        }
        [None, None] if given(TEXT_COLUMN).is_some() => refused(
            TEXT_COLUMN,
            given(TEXT_COLUMN).unwrap_or_default(),
            "has no effect without --base-text and --tuned-text",
        ),
        _ => Ok(()),
    }
}

/// The files of both kinds of text.
pub(super) fn texts(settings: &Settings, cache: &Cache, known: &mut KnownHashes) -> Result<Option<[StoryFiles; 2]>> {
    let (Some(base), Some(tuned)) = (settings.own("base_text"), settings.own("tuned_text")) else { return Ok(None) };
    let mut files = [StoryFiles::of(base, cache, known)?, StoryFiles::of(tuned, cache, known)?];
    if let Some(column) = settings.set.get(TEXT_COLUMN) {
        files.iter_mut().for_each(|files| files.identity += &format!(" column {column}"));
    }
    Ok(Some(files))
}

/// The crosscoders that are given.
pub(super) fn crosscoders(settings: &Settings) -> Result<BTreeMap<Stage, PathBuf>> {
    let given = settings.set.iter().filter_map(|(name, path)| Some((name.strip_prefix(CROSSCODER)?, path)));
    let found = given.map(|(stage, path)| Ok((stage.parse::<Stage>()?, PathBuf::from(path))));
    let found: BTreeMap<Stage, PathBuf> = found.collect::<Result<_>>()?;
    match found.iter().next() {
        Some((stage, path)) if settings.series() == Series::Activations => {
            let expected = "has no place beside --activations: its hook points are not those of the folder";
            Err(Error::setting(&format!("{CROSSCODER}{stage}"), path.display(), expected))
        }
        _ => Ok(found),
    }
}

/// Checks that a tuned model has the sizes of the base model: their activations are compared.
///
/// # Errors
/// A size is another one, or the folder holds neither a model nor an adapter.
pub fn check_pair(base: &GptNeoConfig, tuned: &Path) -> Result<()> {
    if tuned.join(peft::FILES[0]).exists() {
        return Ok(());
    }
    let path = tuned.join("config.json");
    if !path.exists() {
        let reason = "holds neither config.json nor adapter_config.json: expected a tuned model or a PEFT adapter";
        return Err(Error::invalid(tuned, reason));
    }
    let tuned = GptNeoConfig::read(&path)?;
    let sizes = [
        ("hidden_size", tuned.d_model, base.d_model),
        ("num_layers", tuned.n_layers() as i64, base.n_layers() as i64),
        ("vocab_size", tuned.n_vocab, base.n_vocab),
    ];
    match sizes.into_iter().find(|(_, tuned, base)| tuned != base) {
        None => Ok(()),
        Some((name, tuned, base)) => Err(Error::invalid(
            path,
            format!("{name} is {tuned}, the base model's {base}: expected a model that was tuned from it"),
        )),
    }
}
