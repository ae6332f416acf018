//! What the tables of interactions say, in sentences.

use super::figures::{Relative, relative};
use crate::experiment::findings::{distinct, percent, table};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{InteractionPairRow, InteractionRow, NeuronRow};

/// Said of a run whose crosscoders read no MLP's input.
const NOT_READ: &str = "The crosscoders of this run do not read what an MLP reads, `blocks.N.ln2.hook_normalized`: name it \
                        among the `hooks` of a run of its own.";

/// How much of a neuron its dominant latent decides in S and in DF, beside what is published.
pub fn neurons(rows: &[NeuronRow]) -> String {
    let said = [Stage::S, Stage::DF].into_iter().filter_map(|stage| {
        let of_stage: Vec<&NeuronRow> = rows.iter().filter(|row| row.stage == stage).collect();
        let mean = |value: fn(&NeuronRow) -> f64| {
            percent(of_stage.iter().map(|row| value(row)).sum::<f64>() / of_stage.len() as f64)
        };
        (!of_stage.is_empty()).then(|| {
            format!(
                "In {stage} a neuron's dominant latent gives {} of all that latents give it. MLPs driven by dominant \
                 latents alone keep {} of what they are worth to the predictions, by all latents {}.",
                mean(|row| row.dominant_share),
                mean(|row| row.dominant_fidelity),
                mean(|row| row.all_latents_fidelity)
            )
        })
    });
    let said: Vec<String> = said.collect();
    match said.is_empty() {
        true => NOT_READ.into(),
        false => format!(
            "{} Published: 30.5 % and 39 % without a penalty on interactions, 92.3 % and 93 % with one; here there is none.",
            said.join(" ")
        ),
    }
}

/// By how much latents that did not turn meddle more or less, on each kind of tokens, beside the null arm.
pub fn changes(rows: &[InteractionRow]) -> String {
    let names = distinct(rows.iter().map(|row| row.change.as_str()));
    let kinds = distinct(rows.iter().map(|row| row.tokens.as_str()));
    let cell = |name: &str, kind: &str| {
        let Some(Relative { value, low, high }) = relative(rows, name, kind) else { return "–".to_string() };
        let interval = match low.is_nan() || high.is_nan() {
            true => String::new(),
            false => format!(" ({:+.1} to {:+.1})", 100.0 * low, 100.0 * high),
        };
        format!("{:+.1} %{interval}", 100.0 * value)
    };
    let row = |name: &&str| {
        let cells = kinds.iter().map(|kind| cell(name, kind));
        [name.to_string()].into_iter().chain(cells).collect::<Vec<String>>()
    };
    let cells: Vec<Vec<String>> = names.iter().map(row).collect();
    let head = ["change".to_string()].into_iter().chain(kinds.iter().map(|kind| format!("on {kind} tokens")));
    match cells.is_empty() {
        true => NOT_READ.into(),
        false => format!(
            "By how much interactions among latents that did not turn there change, in units of all interactions before:\n\n{}",
            table(&head.collect::<Vec<String>>(), &cells)
        ),
    }
}

/// How many of the pairs that change most do so on sequences that they were not chosen on, and the largest of them.
pub fn pairs(rows: &[InteractionPairRow]) -> String {
    let is_sure = |row: &&InteractionPairRow| row.ci_low > 0.0 || row.ci_high < 0.0;
    let kinds = distinct(rows.iter().map(|row| row.tokens.as_str()));
    let counts = kinds.into_iter().map(|kind| {
        let of_kind: Vec<&InteractionPairRow> = rows.iter().filter(|row| row.tokens == kind).collect();
        format!("{} of {} on {kind} tokens", of_kind.iter().copied().filter(|row| is_sure(row)).count(), of_kind.len())
    });
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() {
        return NOT_READ.into();
    }
    let largest = rows.iter().filter(is_sure).max_by(|a, b| a.difference.abs().total_cmp(&b.difference.abs()));
    let token = |token: &Option<String>| token.as_ref().map_or("silent".into(), |token| format!("{token:?}"));
    let largest = largest.map_or(String::new(), |row| {
        format!(
            " The largest: {}, block {}, {} tokens, latent {} ({}) meddling where {} ({}) decides, {:.3} before, {:.3} after.",
            row.change,
            row.block,
            row.tokens,
            row.other,
            token(&row.other_token),
            row.dominant,
            token(&row.dominant_token),
            row.before,
            row.after
        )
    });
    format!(
        "Pairs whose change has an interval without zero on the other half of the sequences: {}.{largest}",
        counts.join(", ")
    )
}
