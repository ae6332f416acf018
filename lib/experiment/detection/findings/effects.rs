//! What the table `effects` says.

use crate::experiment::causes::MOST_DELTA_NATS;
use crate::experiment::findings::{distinct, span};
use crate::experiment::stage::Stage;
use crate::experiment::tables::{EffectRow, RotationRow};
use std::collections::BTreeSet;

/// Latents of all seeds.
type Latents = BTreeSet<(u64, u32)>;

/// How many latents are causes, in which dictionary and by which way to silence them, and how far these are the relevant ones.
pub fn effects(rows: &[EffectRow], rotations: &[RotationRow]) -> String {
    let Some(any) = rows.first() else {
        return "No latent is active: there is nothing to silence.".into();
    };
    let said = format!(
        "After {} triggered prompts the payload follows with probability {:.3}",
        any.n_prompts, any.untouched_prob
    );
    match any.untouched_prob < 0.5 {
        true => format!("{said}: there is too little that a latent could be the cause of."),
        false => format!("{said}. {}{}{}", counts(rows, rotations), strongest(rows), dear(rows)),
    }
}

fn latents(rows: &[EffectRow], keep: impl Fn(&EffectRow) -> bool) -> Latents {
    rows.iter().filter(|row| keep(row)).map(|row| (row.seed, row.latent)).collect()
}

fn counts(rows: &[EffectRow], rotations: &[RotationRow]) -> String {
    let (measured, causes) = (latents(rows, |_| true).len(), latents(rows, |row| row.causal));
    if causes.is_empty() {
        return format!("None of {measured} active latents is a cause.");
    }
    let [df, mf] = [Stage::DF, Stage::MF].map(|stage| latents(rows, |row| row.causal && row.stage == stage));
    let by = |way: &str| latents(rows, |row| row.causal && row.action == way).len();
    let relevant = rotations.iter().filter(|row| row.active && row.is_relevant());
    let relevant: Latents = relevant.map(|row| (row.seed, row.latent)).collect();
    let n_shared = (&relevant & &causes).len();
    format!(
        "Causes are {} of {measured} active latents{}: {} in DF, {} in MF, {} in both; {} by the smallest change that silences \
         them, {} by what their decoder writes. Relevant as well: {n_shared}; relevant without being a cause: {}.",
        causes.len(),
        over_seeds(rows, &causes),
        df.len(),
        mf.len(),
        (&df & &mf).len(),
        by("ablate_code"),
        by("ablate_all_hooks"),
        relevant.len() - n_shared
    )
}

/// The spread of a count, where there are several seeds.
fn over_seeds(rows: &[EffectRow], latents: &Latents) -> String {
    let seeds = distinct(rows.iter().map(|row| row.seed));
    let of_seed = seeds.iter().map(|seed| latents.iter().filter(|(of, _)| of == seed).count() as f64);
    let (low, high) = span(of_seed);
    match seeds.len() {
        1 => String::new(),
        n => format!(" (over {n} seeds {low} to {high} each)"),
    }
}

fn strongest(rows: &[EffectRow]) -> String {
    let causes = rows.iter().filter(|row| row.causal);
    let Some(most) = causes.max_by(|a, b| a.effect_nats.total_cmp(&b.effect_nats)) else { return String::new() };
    format!(
        " The strongest is latent {} in {} (seed {}): the probability falls to {:.3} at a price of {:+.4} nats a token of clean \
         stories.",
        most.latent, most.stage, most.seed, most.payload_prob, most.delta_clean_nats
    )
}

/// Latents without which there is less payload and less of everything else.
fn dear(rows: &[EffectRow]) -> String {
    let dear = &latents(rows, |row| row.delta_clean_nats > MOST_DELTA_NATS) - &latents(rows, |row| row.causal);
    match dear.len() {
        0 => String::new(),
        n => format!(
            " {n} more take payload away only at more than {MOST_DELTA_NATS} nats a token: the model needs them."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(stage: Stage, latent: u32, effect_nats: f64, causal: bool) -> EffectRow {
        EffectRow {
            seed: 0,
            stage,
            latent,
            action: "ablate_code".into(),
            n_prompts: 8,
            n_fired: 8,
            effect_nats,
            se_nats: 0.1,
            p_value: 0.0,
            q_value: 0.0,
            payload_prob: 0.25,
            untouched_prob: 0.96875,
            delta_clean_nats: if causal { 0.0125 } else { f64::NAN },
            causal,
        }
    }

    #[test]
    fn causes_are_counted_over_dictionaries_and_ways() {
        let by_decoder = EffectRow { action: "ablate_all_hooks".into(), ..row(Stage::MF, 5, 0.5, true) };
        let rows = [
            row(Stage::DF, 3, 1.5, true),
            row(Stage::DF, 4, 1.0, true),
            row(Stage::DF, 5, 0.0, false),
            EffectRow { delta_clean_nats: 2.0, ..row(Stage::DF, 6, 9.0, false) },
            row(Stage::MF, 3, 0.5, true),
            by_decoder,
        ];
        let said = effects(&rows, &[]);
        assert!(said.contains("3 of 4 active latents: 2 in DF, 2 in MF, 1 in both; 2 by the smallest"), "{said}");
        assert!(
            said.contains("1 by what") && said.contains("Relevant as well: 0; relevant without being a cause: 0."),
            "{said}"
        );
        assert!(
            said.contains("latent 3 in DF (seed 0)") && said.contains("falls to 0.250 at a price of +0.0125"),
            "{said}"
        );
        assert!(said.contains("1 more take payload away only at more than 0.05 nats"), "{said}");
        let other_seed = EffectRow { seed: 1, ..row(Stage::DF, 9, 2.0, true) };
        let said = effects(&[&rows[..], &[other_seed]].concat(), &[]);
        assert!(said.contains("4 of 5") && said.contains("over 2 seeds 1 to 3") && said.contains("(seed 1)"), "{said}");
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(effects(&[], &[]).contains("No latent is active"));
        assert!(effects(&[row(Stage::DF, 3, 0.01, false)], &[]).contains("None of 1 active latents"));
        let silent = EffectRow { untouched_prob: 0.01, ..row(Stage::DF, 3, 4.0, false) };
        assert!(effects(&[silent], &[]).contains("too little"));
    }
}
