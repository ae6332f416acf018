//! What settings mean: preset and recipe with the single values put in.

use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stagediff_settings::Settings;

/// Preset and recipe that settings ask for, with the single values put in. Whether these make sense is seen when the run
/// is opened.
///
/// # Errors
/// An unknown preset, recipe or name, or a value of another type.
pub fn resolve(settings: &Settings) -> Result<(Preset, Recipe)> {
    let mut preset = Preset::named(&settings.preset)?;
    let mut recipe = Recipe::named(&settings.recipe)?;
    for (name, text) in &settings.set {
        match name.strip_prefix("recipe.") {
            _ if Settings::is_place(name) => {}
            Some(point) => recipe = with(&recipe, point, text, name)?,
            None => preset = with(&preset, name, text, name)?,
        }
    }
    Ok((preset, recipe))
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
