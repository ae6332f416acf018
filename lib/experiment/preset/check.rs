//! Which sizes make sense: a whole preset is checked before anything is computed, every field with its range.

use super::Preset;
use crate::crosscoder::train::TrainConfig;
use crate::experiment::recipe::Recipe;
use crate::language_model::fit::FitConfig;
use crate::language_model::hook::HookPoint;
use crate::language_model::lora::LINEAR_LAYERS;
use crate::{Error, Result};
use std::fmt;

/// The values that a field may have.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Range {
    /// Whole numbers from the first to the second, both included.
    Count(i64, i64),
    /// 0 to 1, both included.
    Share,
    /// Between 0 and 1.
    Part,
    /// 0 up to this.
    UpTo(f64),
    /// Above 0 and up to this.
    Above0(f64),
}

impl Range {
    fn holds(self, value: f64) -> bool {
        match self {
            Range::Count(low, high) => (low as f64..=high as f64).contains(&value),
            Range::Share => (0.0..=1.0).contains(&value),
            Range::Part => value > 0.0 && value < 1.0,
            Range::UpTo(high) => (0.0..=high).contains(&value),
            Range::Above0(high) => value > 0.0 && value <= high,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Range::Count(low, high) => write!(f, "a whole number from {low} to {high}"),
            Range::Share => f.write_str("a share from 0 to 1"),
            Range::Part => f.write_str("a share above 0 and below 1"),
            Range::UpTo(high) => write!(f, "a number from 0 to {high}"),
            Range::Above0(high) => write!(f, "a number above 0 and up to {high}"),
        }
    }
}

/// More would not fit into any machine's memory, or into a run of any length.
const MANY: i64 = 1 << 20;
/// Steps and records at most.
const VERY_MANY: i64 = 1 << 40;

/// One number of a preset or recipe.
struct Field {
    name: String,
    value: f64,
    range: Range,
    /// What it is and in which unit.
    what: &'static str,
}

/// Checks every number of a preset and a recipe, and that they fit one another. Where the base model is not trained here,
/// `preset.model` is the model that was given, and what only its training needs is passed over.
///
/// # Errors
/// The first that is out of its range is named, with the range; so are two that contradict one another.
pub fn check(preset: &Preset, recipe: &Recipe, trains_base: bool) -> Result<()> {
    let mut all = Vec::new();
    if trains_base {
        // first, since the ranges of others follow from it
        all.extend(model(preset));
        all.extend(fit("pretrain", &preset.pretrain));
    }
    all.extend(fields(preset, recipe));
    for Field { name, value, range, what } in all {
        if !range.holds(value) {
            return Err(Error::setting(&name, value, format!("expected {range} ({what})")));
        }
    }
    if trains_base {
        check_length("pretrain.seq", preset.pretrain.seq, preset)?;
    }
    check_layers(preset)?;
    check_length("finetune.seq", preset.finetune.seq, preset)?;
    check_length("seq", preset.seq, preset)?;
    check_decays(preset)?;
    check_places(preset)
}

/// Every number of a preset and a recipe: its name, the values that it may have, what it is and in which unit.
pub(super) fn meanings(preset: &Preset, recipe: &Recipe) -> Vec<(String, String, &'static str)> {
    let recipe = Recipe { example_epochs: recipe.example_epochs.or(Some(1)), ..*recipe };
    let all = fields(preset, &recipe).into_iter().chain(model(preset)).chain(fit("pretrain", &preset.pretrain));
    all.map(|Field { name, range, what, .. }| (name, range.to_string(), what)).collect()
}

/// Those that count in every run.
fn fields(preset: &Preset, recipe: &Recipe) -> Vec<Field> {
    let mut fields = sizes(preset);
    fields.extend(fit("finetune", &preset.finetune));
    fields.extend(trainings(preset));
    if let Some(epochs) = recipe.example_epochs {
        fields.push(count("recipe.example_epochs", epochs, 1, VERY_MANY, "times that each example is seen"));
    }
    fields.push(count("recipe.buffer_acts", recipe.buffer_acts, 1, 1 << 32, "activations in the shuffle buffer"));
    fields
}

fn count(name: &str, value: i64, low: i64, high: i64, what: &'static str) -> Field {
    Field { name: name.into(), value: value as f64, range: Range::Count(low, high), what }
}

fn number(name: &str, value: f64, range: Range, what: &'static str) -> Field {
    Field { name: name.into(), value, range, what }
}

fn sizes(preset: &Preset) -> Vec<Field> {
    vec![
        count("n_records", preset.n_records as i64, 2, VERY_MANY, "records, some of them kept out of training"),
        number("heldout_frac", preset.heldout_frac, Range::Part, "records that are kept out of training"),
        count("seq", preset.seq as i64, 2, MANY, "tokens of a record whose activations are used"),
        count("model.n_positions", preset.model.n_positions, 32, MANY, "room for a prompt and 16 tokens more"),
        count("n_latents", preset.n_latents, 1, MANY, "latents of the crosscoder"),
        number("initial_firing_frac", preset.initial_firing_frac, Range::Part, "activations on which a latent fires"),
        count("n_seeds", preset.n_seeds as i64, 1, 1024, "crosscoders of each stage"),
        count("n_prompts", preset.n_prompts as i64, 1, MANY, "prompts of each kind"),
        count("n_eval_sequences", preset.n_eval_sequences, 1, MANY, "sequences measured on"),
        count(
            "lora.rank",
            preset.lora.rank,
            1,
            preset.model.d_model.max(1),
            "at most model.d_model, the model's width",
        ),
        number("lora.alpha", preset.lora.alpha, Range::Above0(1e6), "strength of the adapters"),
        number("lora.dropout", preset.lora.dropout, Range::UpTo(0.99), "share of an adapter's inputs that is dropped"),
    ]
}

fn model(preset: &Preset) -> Vec<Field> {
    let model = &preset.model;
    vec![
        count("model.n_vocab", model.n_vocab, 257, MANY, "256 bytes, an end of text, and what is learnt"),
        count("model.d_model", model.d_model, 1, 1 << 16, "width of the residual stream"),
        count("model.n_heads", model.n_heads, 1, 1 << 16, "heads a block"),
        count("model.d_mlp", model.d_mlp, 1, MANY, "width of the MLP"),
        count("model.window", model.window, 1, MANY, "positions that a local block sees"),
        count("model.reach", model.n_layers() as i64, 1, 1024, "blocks"),
        number("model.layer_norm_eps", model.layer_norm_eps, Range::Above0(1.0), "ε of the layer norms"),
    ]
}

fn fit(name: &str, fit: &FitConfig) -> [Field; 5] {
    [
        count(&format!("{name}.batch"), fit.batch, 1, MANY, "rows a step"),
        count(&format!("{name}.n_steps"), fit.n_steps, 1, VERY_MANY, "steps"),
        count(&format!("{name}.seq"), fit.seq as i64, 2, MANY, "tokens a row"),
        count(&format!("{name}.warm_up_steps"), fit.warm_up_steps, 0, VERY_MANY, "steps"),
        number(&format!("{name}.lr"), fit.lr, Range::Above0(10.0), "highest learning rate"),
    ]
}

fn trainings(preset: &Preset) -> Vec<Field> {
    let of = |(name, train): (&str, &TrainConfig)| {
        [
            count(&format!("{name}.batch"), train.batch, 1, MANY, "activations a step"),
            count(&format!("{name}.n_steps"), train.n_steps, 1, VERY_MANY, "steps"),
            number(&format!("{name}.lr"), train.lr, Range::Above0(10.0), "highest learning rate"),
            number(&format!("{name}.warm_up_frac"), train.warm_up_frac, Range::Share, "share of the steps"),
            number(&format!("{name}.decay_frac"), train.decay_frac, Range::Share, "share of the steps"),
            number(&format!("{name}.lambda_s"), train.lambda_s, Range::UpTo(1e6), "weight of the sparsity term"),
        ]
    };
    [("stage_s", &preset.stage_s), ("later_stages", &preset.later_stages)].into_iter().flat_map(of).collect()
}

fn check_layers(preset: &Preset) -> Result<()> {
    let (model, targets) = (&preset.model, &preset.lora.targets);
    if model.d_model % model.n_heads != 0 {
        let expected = format!("expected a number that divides model.d_model, {}", model.d_model);
        return Err(Error::setting("model.n_heads", model.n_heads, expected));
    }
    if targets.is_empty() || targets.iter().any(|target| !LINEAR_LAYERS.contains(&target.as_str())) {
        let expected = format!("expected some of {}", LINEAR_LAYERS.join(", "));
        return Err(Error::setting("lora.targets", format!("{targets:?}"), expected));
    }
    Ok(())
}

fn check_length(name: &str, seq: usize, preset: &Preset) -> Result<()> {
    let n_positions = preset.model.n_positions;
    match seq as i64 > n_positions {
        true => {
            Err(Error::setting(name, seq, format!("expected at most {n_positions}, the language model's positions")))
        }
        false => Ok(()),
    }
}

fn check_decays(preset: &Preset) -> Result<()> {
    for (name, train) in [("stage_s", &preset.stage_s), ("later_stages", &preset.later_stages)] {
        if train.warm_up_frac + train.decay_frac > 1.0 {
            let expected = format!("expected at most 1 together with {name}.warm_up_frac, {}", train.warm_up_frac);
            return Err(Error::setting(&format!("{name}.decay_frac"), train.decay_frac, expected));
        }
    }
    Ok(())
}

fn check_places(preset: &Preset) -> Result<()> {
    let (hooks, n_layers) = (&preset.hooks, preset.model.n_layers());
    let is_twice = |(i, hook): &(usize, &HookPoint)| hooks[..*i].iter().any(|before| before.is_same_place(**hook));
    if let Some(twice) = hooks.iter().enumerate().find(is_twice) {
        return Err(Error::setting("hooks", twice.1, "expected each place once"));
    }
    HookPoint::check_within(hooks, n_layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const PRESETS: [&str; 4] = ["smoke", "tiny", "small", "paper"];

    fn all_fields() -> Vec<Field> {
        let (preset, recipe) = (Preset::tiny(), Recipe { example_epochs: Some(64), ..Recipe::corrected() });
        fields(&preset, &recipe).into_iter().chain(model(&preset)).chain(fit("pretrain", &preset.pretrain)).collect()
    }

    fn refused(change: impl Fn(&mut Preset), said: &[&str]) {
        let mut preset = Preset::tiny();
        change(&mut preset);
        let error = check(&preset, &Recipe::corrected(), true).unwrap_err().to_string();
        assert!(said.iter().all(|part| error.contains(part)), "{error}");
    }

    #[test]
    fn the_presets_are_in_range() {
        for (name, recipe) in PRESETS.into_iter().flat_map(|name| [(name, "corrected"), (name, "published")]) {
            check(&Preset::named(name).unwrap(), &Recipe::named(recipe).unwrap(), true).unwrap();
        }
    }

    #[test]
    fn each_field_is_refused_beyond_both_ends_of_its_range() {
        for Field { name, range, .. } in all_fields() {
            let (low, high) = match range {
                Range::Count(low, high) => (low as f64 - 1.0, high as f64 + 1.0),
                Range::Share => (-f64::MIN_POSITIVE, 1.0 + f64::EPSILON),
                Range::Part => (0.0, 1.0),
                Range::UpTo(high) => (-f64::MIN_POSITIVE, high * (1.0 + f64::EPSILON)),
                Range::Above0(high) => (0.0, high * (1.0 + f64::EPSILON)),
            };
            for value in [low, high, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert!(!range.holds(value), "{name} = {value}");
            }
        }
    }

    /// The names of all numbers in a value, but for those in lists.
    fn numbers(value: &Value, name: &str) -> Vec<String> {
        let child = |key: &String| if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
        match value {
            Value::Object(parts) => parts.iter().flat_map(|(key, part)| numbers(part, &child(key))).collect(),
            Value::Number(_) => vec![name.into()],
            _ => Vec::new(),
        }
    }

    #[test]
    fn no_number_is_left_unchecked() {
        let checked: Vec<String> = all_fields().into_iter().map(|field| field.name).collect();
        let (preset, recipe) = (serde_json::to_value(Preset::tiny()), serde_json::to_value(Recipe::published()));
        let all = [numbers(&preset.unwrap(), ""), numbers(&recipe.unwrap(), "recipe")].concat();
        assert!(all.len() > 30);
        all.iter().for_each(|name| assert!(checked.contains(name), "{name}"));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        refused(|p| p.n_latents = 0, &["n_latents is 0", "from 1 to"]);
        refused(|p| p.stage_s.lr = f64::NAN, &["stage_s.lr is NaN"]);
        refused(|p| p.model.n_heads = 7, &["model.n_heads is 7", "divides model.d_model, 128"]);
        refused(|p| p.lora.targets = Vec::new(), &["lora.targets is []", "q_proj"]);
        refused(|p| p.lora.targets.push("query".into()), &["query", "q_proj"]);
        refused(|p| p.lora.rank = 129, &["lora.rank is 129", "128"]);
        refused(|p| p.seq = 257, &["seq is 257", "at most 256", "positions"]);
        refused(|p| p.finetune.seq = 300, &["finetune.seq is 300", "at most 256"]);
        refused(|p| p.pretrain.seq = 300, &["pretrain.seq is 300", "at most 256"]);
        refused(|p| p.stage_s.decay_frac = 0.95, &["stage_s.decay_frac is 0.95", "stage_s.warm_up_frac, 0.1"]);
        refused(|p| p.hooks = vec![HookPoint::ResidPost(1); 2], &["blocks.1.hook_resid_post", "once"]);
        refused(
            |p| p.hooks = vec![HookPoint::ResidPost(1), HookPoint::ResidPre(2)],
            &["blocks.2.hook_resid_pre", "once"],
        );
        refused(|p| p.hooks = vec![HookPoint::ResidPost(4)], &["blocks.4.hook_resid_post", "4 blocks"]);
        refused(|p| p.hooks = vec![HookPoint::Named("transformer.h.0")], &["transformer.h.0", "hook_resid_post"]);
        let long = Preset { pretrain: FitConfig { seq: 300, n_steps: 0, ..Preset::tiny().pretrain }, ..Preset::tiny() };
        check(&long, &Recipe::corrected(), false).expect("nothing is pretrained");
    }
}
