//! What settings mean: preset and recipe with the single values put in.

use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::{Error, Result};
use serde_json::Value;
use stagediff_settings::Settings;

/// Preset and recipe that settings ask for, with the single values put in.
///
/// # Errors
/// An unknown preset, recipe or name, or a value of another type or out of its range.
pub fn resolve(settings: &Settings) -> Result<(Preset, Recipe)> {
    let mut preset = serde_json::to_value(Preset::named(&settings.preset)?).expect("a preset is plain data");
    let mut recipe = serde_json::to_value(Recipe::named(&settings.recipe)?).expect("a recipe is plain data");
    for (name, text) in &settings.set {
        match name.strip_prefix("recipe.") {
            _ if name == "base" || name == "timings" => {}
            Some(point) => put(&mut recipe, point, text, name)?,
            None => put(&mut preset, name, text, name)?,
        }
    }
    let wrong = |e: serde_json::Error| {
        Error::setting("--set", format!("{:?}", settings.set), format!("expected values that fit: {e}"))
    };
    let preset: Preset = serde_json::from_value(preset).map_err(wrong)?;
    preset.check()?;
    Ok((preset, serde_json::from_value(recipe).map_err(wrong)?))
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
