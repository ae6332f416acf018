//! What was seen of the outlier dimension, in sentences out of tables.

use super::cost::{Compared, Cost};
use super::criteria::{self, FAR, Found, strongest};
use super::embedding::{COMMON, common, ends};
use crate::experiment::findings::{distinct, percent};
use crate::experiment::tables::{CoordinateAblationRow, CornerRow, KurtosisRow, OutlierEmbeddingRow, OutlierRow};
use crate::stats::density::modes;
use crate::stats::percentile;

/// Finds the coordinates of a model for which something holds.
type Rule = fn(&[OutlierRow], &str) -> Vec<Found>;

/// Whether the models have outlier dimensions and massive activations, by whose criterion.
pub fn criteria(rows: &[OutlierRow]) -> String {
    let Some(nearest) = nearest(rows) else { return "Nothing was measured.".into() };
    let rules: [(&str, Rule); 3] = [
        ("An outlier dimension, far from the others at more than half of the tokens", criteria::far_at_the_majority),
        ("One by the stricter rule of LLM.int8()", criteria::by_llm_int8),
        ("A massive activation", criteria::massive),
    ];
    let said = rules.map(|(what, rule)| format!("{what}: {}.", in_models(rows, rule)));
    let largest = rows.iter().map(|row| row.max_over_median).filter(|ratio| ratio.is_finite()).fold(f64::NAN, f64::max);
    let largest = match largest.is_nan() {
        true => String::new(),
        false => format!(" The largest value is {largest:.0} times the median magnitude of its token."),
    };
    format!("{}{largest} {nearest}", said.join(" "))
}

/// The coordinate that stands out most, and where.
fn nearest(rows: &[OutlierRow]) -> Option<String> {
    let coordinate = strongest(rows)?;
    let here = rows.iter().filter(|row| row.coordinate == coordinate);
    let row = here.max_by(|a, b| a.far_frac.total_cmp(&b.far_frac))?;
    Some(format!(
        "Furthest from the others is coordinate {coordinate}: at {} of {} it is {FAR} standard deviations or more away at {} of \
         {} tokens, with mean {:.2} and standard deviation {:.2}{}.",
        row.hook_point,
        row.model,
        percent(row.far_frac),
        row.n_tokens,
        row.mean,
        row.std,
        if row.gamma.is_finite() { format!(" (γ {:.1})", row.gamma) } else { String::new() }
    ))
}

/// What a rule finds in each model, models with the same told together.
fn in_models(rows: &[OutlierRow], rule: Rule) -> String {
    let found = |model: &str| {
        let found: Vec<String> = rule(rows, model).iter().map(at).collect();
        if found.is_empty() { "none".to_string() } else { found.join(", ") }
    };
    let models: Vec<(&str, String)> =
        distinct(rows.iter().map(|row| row.model.as_str())).into_iter().map(|model| (model, found(model))).collect();
    let told = |found: &String| {
        let with: Vec<&str> = models.iter().filter(|(_, other)| other == found).map(|(model, _)| *model).collect();
        format!("{found} in {}", with.join(", "))
    };
    distinct(models.iter().map(|(_, found)| found)).into_iter().map(told).collect::<Vec<String>>().join("; ")
}

fn at((coordinate, hooks): &Found) -> String {
    let hooks: Vec<String> = hooks.iter().map(|hook| hook.short()).collect();
    format!("coordinate {coordinate} ({})", hooks.join(", "))
}

/// How much of a coordinate's variance is one of position, where it is furthest from the others.
pub fn position(rows: &[OutlierRow], coordinate: i64, model: &str) -> String {
    let here = rows.iter().filter(|row| row.model == model && row.coordinate == coordinate);
    match here.max_by(|a, b| a.deviation.total_cmp(&b.deviation)).filter(|row| row.position_frac.is_finite()) {
        Some(row) => format!(
            "At {} position alone explains {} of the coordinate's variance in {model}.",
            row.hook_point,
            percent(row.position_frac)
        ),
        None => format!("Coordinate {coordinate} does not vary in {model}."),
    }
}

/// How unevenly a model's tokens are spread over coordinates, and what the one that stands out has to do with it.
pub fn kurtosis(rows: &[KurtosisRow], model: &str) -> String {
    let here = rows.iter().filter(|row| row.model == model && row.kurtosis_mean.is_finite());
    let Some(most) = here.max_by(|a, b| a.kurtosis_mean.total_cmp(&b.kurtosis_mean)) else {
        return "No kurtosis was measured.".into();
    };
    format!(
        "Excess kurtosis of {model} is highest at {}: {:.2} (5 to 95 % of tokens {:.2} to {:.2}), {:.2} without coordinate {}; \
         normal numbers have 0.",
        most.hook_point,
        most.kurtosis_mean,
        most.kurtosis_p5,
        most.kurtosis_p95,
        most.kurtosis_without_mean,
        most.coordinate
    )
}

/// Whether the coordinate of the embedding has two modes, and which tokens are at its ends.
pub fn embedding(rows: &[OutlierEmbeddingRow]) -> String {
    let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
    let found = modes(&values);
    let Some(coordinate) = rows.first().map(|row| row.coordinate) else { return "Nothing was measured.".into() };
    let shape = match (&found.at[..], &found.valleys[..]) {
        ([], _) => "does not vary".to_string(),
        ([one], _) => format!("has one mode, at {one:.3}: it is not bimodal"),
        ([low, high], [valley]) => {
            let beyond = values.iter().filter(|value| *value > valley).count() as f64 / values.len() as f64;
            let common = common(rows).into_iter().filter(|row| row.value > *valley).count();
            format!(
                "has two modes, at {low:.3} and {high:.3}; between them the density falls to {} of the lower one's. Right of \
                 the valley are {} of the vocabulary and {common} common tokens",
                percent(found.valley_heights[0]),
                percent(beyond)
            )
        }
        (all, _) => format!("has {} modes", all.len()),
    };
    let [low, high] = ends(rows).map(|rows| names(&rows));
    let ends = match low.is_empty() {
        true => String::new(),
        false => format!(
            " Of the {} common tokens (1 in {:.0} or more) the lowest are {low}, the highest {high}.",
            common(rows).len(),
            1.0 / COMMON
        ),
    };
    format!("Coordinate {coordinate} of the embedding {shape}.{ends}")
}

fn names(rows: &[&OutlierEmbeddingRow]) -> String {
    rows.iter().map(|row| format!("`{}`", row.token.replace('\n', "⏎"))).collect::<Vec<String>>().join(", ")
}

/// What it costs to lose a coordinate everywhere, as a multiple of what the others cost.
pub fn ablations(rows: &[CoordinateAblationRow], coordinate: i64) -> String {
    let said = Cost::ALL.into_iter().filter_map(|cost| Some(in_words(cost, &cost.at(rows, "all", coordinate)?)));
    let said: Vec<String> = said.collect();
    match (rows.first(), said.is_empty()) {
        (Some(row), false) => format!(
            "Without coordinate {coordinate} at every hook point {} loses, on {} tokens: {}.",
            row.model,
            row.n_tokens,
            said.join("; ")
        ),
        _ => "No coordinate was taken away.".into(),
    }
}

fn in_words(cost: Cost, Compared { this, others }: &Compared) -> String {
    let dearer = others.iter().filter(|other| *other > this).count();
    let (median, mean) = (percentile(others, 50.0), others.iter().sum::<f64>() / others.len() as f64);
    let ratio = match median > 0.0 && mean > 0.0 {
        true => format!(
            "{:.1} times the median and {:.1} times the mean of the others, published {} times",
            this / median,
            this / mean,
            cost.published_ratio()
        ),
        false => "no ratio, since the others cost nothing".into(),
    };
    format!("set to {} {this:.3} nats a token, {ratio} ({dearer} of {} cost more)", cost.value(), others.len())
}

/// What of the corner moves when a coordinate is left out of the cosines, beside what moves without another one.
pub fn corner(rows: &[CornerRow], coordinate: i64) -> String {
    let here: Vec<&CornerRow> = rows.iter().filter(|row| row.coordinate == coordinate).collect();
    let sum = |value: fn(&CornerRow) -> usize| here.iter().map(|row| value(row)).sum::<usize>();
    let (n_corner, n_without) = (sum(|row| row.n_corner), sum(|row| row.n_corner_without));
    if n_corner + n_without == 0 {
        return "No active latent is in the corner: nothing can move.".into();
    }
    let share =
        |n_relevant: usize, n: usize| format!("{n_relevant} of {n} ({})", percent(n_relevant as f64 / n as f64));
    let others: Vec<f64> = distinct(rows.iter().map(|row| row.coordinate))
        .into_iter()
        .filter(|other| *other != coordinate)
        .map(|other| rows.iter().filter(|row| row.coordinate == other).map(|row| row.n_left).sum::<usize>() as f64)
        .collect();
    let decoder = here.iter().map(|row| row.decoder_share).sum::<f64>() / here.len() as f64;
    let seeds = if here.len() > 1 { format!(", over {} seeds", here.len()) } else { String::new() };
    format!(
        "Coordinate {coordinate} holds {} of the squared norm of decoder directions (an even share is {}). Without it {} of \
         {n_corner} latents leave the corner and {} enter{seeds}; relevant are {} with it and {} without. Leaving out another coordinate \
         moves {:.0} out in the median, {:.0} at most.",
        percent(decoder),
        percent(1.0 / (others.len() + 1) as f64),
        sum(|row| row.n_left),
        sum(|row| row.n_entered),
        share(sum(|row| row.n_relevant), n_corner),
        share(sum(|row| row.n_relevant_without), n_without),
        percentile(&others, 50.0),
        others.iter().copied().fold(0.0, f64::max)
    )
}
