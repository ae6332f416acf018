//! What settings mean: preset, recipe and organism with the single values put in.

use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::stories::{Behaviour, ORGANISMS, Organism};
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stagediff_settings::{Series, Settings};

/// The single value that names the organism; its parts are set as `organism.trigger` and so on.
const ORGANISM: &str = "organism";

/// Tokens that nearly all records have of which only the ending is told.
const N_ENDING_TOKENS: usize = 48;

/// Preset, recipe and organism that settings ask for, with the single values put in. Whether sizes make sense is seen when the
/// run is opened.
///
/// # Errors
/// An unknown preset, recipe, organism or name, a value of another type, or an organism that cannot be.
pub fn resolve(settings: &Settings) -> Result<(Preset, Recipe, Organism)> {
    let organism = organism(settings)?;
    let mut preset = Preset::named(&settings.preset)?;
    let mut recipe = Recipe::named(&settings.recipe)?;
    if organism.behaviour == Behaviour::EndsBadly {
        preset.seq = preset.seq.min(N_ENDING_TOKENS);
    }
    for (name, text) in &settings.set {
        match name.strip_prefix("recipe.") {
            _ if Settings::is_place(name) => {}
            _ if is_of_organism(name) => {}
            Some(point) => recipe = with(&recipe, point, text, name)?,
            None => preset = with(&preset, name, text, name)?,
        }
    }
    Ok((preset, recipe, organism))
}

/// The organism of a name with its parts put in.
fn organism(settings: &Settings) -> Result<Organism> {
    let set = &settings.set;
    let mut organism = Organism::named(set.get(ORGANISM).map_or(ORGANISMS[0], String::as_str))?;
    for (name, text) in set.iter().filter(|(name, _)| is_of_organism(name)) {
        if settings.series() != Series::Stories {
            return Err(Error::setting(
                name,
                text,
                "has no effect without stories: texts of one's own have no trigger",
            ));
        }
        if let Some(part) = name.strip_prefix("organism.") {
            organism.set(part, text)?;
        }
    }
    organism.check()?;
    Ok(organism)
}

fn is_of_organism(name: &str) -> bool {
    name == ORGANISM || name.starts_with("organism.")
}

/// `whole` with one value put in; `name` is what the user calls it.
fn with<T: Serialize + DeserializeOwned>(whole: &T, dotted: &str, text: &str, name: &str) -> Result<T> {
    let mut value = serde_json::to_value(whole).expect("plain data");
    put(&mut value, dotted, text, name)?;
    serde_json::from_value(value).map_err(|e| Error::setting(name, text, format!("expected a value that fits: {e}")))
}

fn put(target: &mut Value, dotted: &str, text: &str, name: &str) -> Result<()> {
    let mut place = target;
    for part in dotted.split('.') {
        let known: Vec<String> = place.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
        let unknown = || {
            Error::setting("--set", name, format!("{part:?} is not known here, expected one of {}", known.join(", ")))
        };
        place = place.get_mut(part).ok_or_else(unknown)?;
    }
    *place = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into()));
    Ok(())
}
