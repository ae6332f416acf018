//! How far latents turned, which of them are relevant, and how far they turn where nothing changes.

use super::{numbers, percents};
use crate::diff::Quadrant;
use crate::experiment::findings::distinct;
use crate::experiment::quadrants::pooled;
use crate::experiment::stage::Stage;
use crate::experiment::tables::{QuadrantRow, RotationRow, TopTokenRow};
use crate::experiment::token::beginning;
use crate::figure::{Bars, Figure, Histogram, Panel, Points};
use std::collections::HashMap;

/// The headline figure: each active latent of the first seed by how far it turned on both axes, its quadrant by shape and
/// colour, a ring around those that are relevant in `stage`, those of the corner named by their strongest token there.
pub fn rotation(
    rotations: &[RotationRow],
    quadrants: &[QuadrantRow],
    top_tokens: &[TopTokenRow],
    stage: Stage,
) -> Figure {
    /// Labels at most.
    const N_LABELS: usize = 12;
    let cuts = quadrants.iter().find(|row| row.definition == "percentile_5");
    let at = |row: &RotationRow| cuts.map_or((row.cos_d_df, row.cos_m_mf), |cuts| row.cosines(cuts.space));
    let relevant = |row: &RotationRow| if stage == Stage::DF { row.relevant_df } else { row.relevant_mf };
    let first = |row: &RotationRow| {
        let token = if stage == Stage::DF { &row.top_token_df } else { &row.top_token_mf };
        token.as_deref().map(beginning).unwrap_or_default()
    };
    let hover = Hover::of(rotations, top_tokens);
    let chosen = |keep: &dyn Fn(&RotationRow) -> bool| -> Vec<&RotationRow> {
        rotations.iter().filter(|row| row.seed == rotations[0].seed && row.active && keep(row)).collect()
    };
    let points = |name: &str, rows: &[&RotationRow]| {
        Points::new(name, numbers(rows, |row| at(row).0), numbers(rows, |row| at(row).1))
    };
    let mut panel = Panel::new().x("cos(D, DF): low where the model turned it");
    panel = panel.y("cos(M, MF): low where the data turned it");
    for quadrant in [Quadrant::Neither, Quadrant::Data, Quadrant::Model, Quadrant::Both] {
        let rows = chosen(&|row| row.quadrant == quadrant);
        let texts: Vec<String> = rows.iter().map(|row| hover.text(row, stage)).collect();
        panel = panel.points(points(&format!("turned on {quadrant}"), &rows).hover(texts));
    }
    panel = panel.points(points(&format!("relevant in {stage}"), &chosen(&relevant)).rings());
    let mut corner = chosen(&|row| row.quadrant == Quadrant::Both);
    corner.sort_by(|a, b| (at(a).0 + at(a).1).total_cmp(&(at(b).0 + at(b).1)));
    let label = |row: &&RotationRow| (at(row).0, at(row).1, first(row));
    panel = panel.labels(corner.iter().take(N_LABELS).map(label).filter(|(.., token)| !token.is_empty()));
    if let Some(cuts) = cuts {
        panel = panel.vline(cuts.cut_x, "lowest 5 %").hline(cuts.cut_y, "lowest 5 %");
    }
    Figure::new(format!("How far latents turned on both paths, tokens of {stage}")).panel(panel)
}

/// What is said of a latent under the pointer.
struct Hover<'a> {
    tokens: HashMap<(u32, u64, Stage), Vec<&'a str>>,
    has_seeds: bool,
}

impl<'a> Hover<'a> {
    fn of(rotations: &[RotationRow], top_tokens: &'a [TopTokenRow]) -> Hover<'a> {
        let mut tokens: HashMap<(u32, u64, Stage), Vec<&str>> = HashMap::new();
        for row in top_tokens {
            tokens.entry((row.latent, row.seed, row.stage)).or_default().push(&row.token);
        }
        Hover { tokens, has_seeds: rotations.iter().any(|row| row.seed != rotations[0].seed) }
    }

    /// Its number, and its strongest tokens in DF and MF: `·HATE ×4 ·YOU`. Of one that did not turn, of which there are
    /// many, the strongest in `stage`.
    fn text(&self, row: &RotationRow, stage: Stage) -> String {
        let RotationRow { latent, seed, .. } = row;
        let of_seed = if self.has_seeds { format!(" of seed {seed}") } else { String::new() };
        let all = |stage| self.tokens.get(&(*latent, *seed, stage)).map(Vec::as_slice).unwrap_or_default();
        if row.quadrant == Quadrant::Neither {
            let strongest = all(stage).first().map_or(String::new(), |token| format!("\n{}", beginning(token)));
            return format!("latent {latent}{of_seed}{strongest}");
        }
        let [df, mf] = [Stage::DF, Stage::MF].map(|stage| counted(all(stage)));
        match df == mf {
            true => format!("latent {latent}{of_seed}\nDF, MF {df}"),
            false => format!("latent {latent}{of_seed}\nDF {df}\nMF {mf}"),
        }
    }
}

/// Tokens, each once with how often it is there.
fn counted(tokens: &[&str]) -> String {
    let times = |token: &&str| match tokens.iter().filter(|other| *other == token).count() {
        1 => beginning(token),
        n => format!("{} ×{n}", beginning(token)),
    };
    distinct(tokens.iter().copied()).iter().map(times).collect::<Vec<String>>().join(" ")
}

/// A definition of the corner in a person's words.
fn in_words(definition: &str) -> &str {
    match definition {
        "percentile_5" => "the lowest 5 % of each axis",
        "cut_0.7" => "cosine below 0.7",
        "null_q05" => "beyond the null arms, q < 0.05",
        other => other,
    }
}

/// Share of relevant latents in each quadrant, seeds pooled, one panel a definition, relevance counted in DF and in MF.
pub fn quadrants(rows: &[QuadrantRow]) -> Figure {
    let rows = pooled(rows);
    let mut figure = Figure::new("Share of latents relevant in DF and in MF, by what counts as turned");
    for definition in distinct(rows.iter().map(|row| row.definition.as_str())) {
        let of_definition = |row: &&QuadrantRow| row.definition == definition;
        let names: Vec<String> = Quadrant::ALL.iter().map(Quadrant::to_string).collect();
        let mut panel = Panel::new().title(in_words(definition)).x("turned on").y("relevant latents [%]");
        panel = panel.categories(names).y_range(0.0, 100.0);
        for readout in ["DF", "MF"] {
            let part: Vec<&QuadrantRow> =
                rows.iter().filter(of_definition).filter(|row| row.relevant_in == readout).collect();
            let counts: Vec<String> = part.iter().map(|row| format!("{}/{}", row.n_relevant, row.n_active)).collect();
            let bars = Bars::new(readout, percents(&part, |row| row.relevant_frac))
                .ci(percents(&part, |row| row.ci_low), percents(&part, |row| row.ci_high));
            panel = panel.bars(bars.texts(counts));
        }
        for (place, quadrant) in Quadrant::ALL.into_iter().enumerate() {
            let of_quadrant = rows.iter().filter(of_definition).filter(|row| row.quadrant == quadrant);
            if of_quadrant.map(|row| row.n_active).sum::<usize>() == 0 {
                panel = panel.gap(place, "no latents");
            }
        }
        figure = figure.panel(panel);
    }
    figure
}

/// Cosines of the real arm and the null arm of both axes, of active latents.
pub fn null_arms(rotations: &[RotationRow]) -> Figure {
    /// Bins between the lowest cosine and 1.
    const N_BINS: usize = 40;
    type Value = fn(&RotationRow) -> f64;
    let axes: [(&str, [(Stage, Value); 2]); 2] = [
        (
            "from D: DF, the model changes; D0, nothing",
            [(Stage::DF, |row| row.cos_d_df), (Stage::D0, |row| row.cos_d_d0)],
        ),
        (
            "from M: MF, the data change; M0, nothing",
            [(Stage::MF, |row| row.cos_m_mf), (Stage::M0, |row| row.cos_m_m0)],
        ),
    ];
    let active: Vec<&RotationRow> = rotations.iter().filter(|row| row.active).collect();
    let mut figure = Figure::new("How far latents turn with and without a change");
    for (title, arms) in axes {
        let cosines = arms.map(|(_, value)| numbers(&active, |row| value(row).min(1.0)));
        let lowest = cosines.iter().flatten().copied().fold(0.9, f64::min);
        let range = ((lowest * 20.0).floor() / 20.0, 1.0);
        let mut panel = Panel::new().title(title).x("cosine of decoder directions").y("latents (log scale)").log_y();
        for ((stage, _), cosines) in arms.into_iter().zip(cosines) {
            if cosines.iter().any(|cosine| !cosine.is_nan()) {
                panel = panel.histogram(Histogram::new(stage.to_string(), cosines, N_BINS, range));
            }
        }
        figure = figure.panel(panel);
    }
    figure
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation as row;
    use crate::experiment::{Recipe, quadrant_rows};

    fn token(latent: u32, stage: Stage, token: &str) -> TopTokenRow {
        TopTokenRow {
            stage,
            latent,
            rank: 1,
            token: token.into(),
            activation: 1.0,
            record: 0,
            position: 0,
            context: String::new(),
            part: "heldout".into(),
            seed: 0,
        }
    }

    fn rows() -> Vec<RotationRow> {
        let mut turned = row(0, 7, 0.25, 0.5, true);
        (turned.quadrant, turned.relevant_df, turned.top_token_df) = (Quadrant::Both, true, Some("x".repeat(10_000)));
        vec![turned, row(0, 8, 0.97, 0.98, false)]
    }

    #[test]
    fn the_pointer_names_latents_and_their_tokens_with_spaces_to_be_seen() {
        let tops = [" <b>", " <b>", "$x$"].map(|text| token(7, Stage::DF, text)).to_vec();
        let tops = [tops, vec![token(7, Stage::MF, "\u{202e}"), token(8, Stage::DF, " a")]].concat();
        let json = rotation(&rows(), &[], &tops, Stage::DF).to_json();
        let of = |name: &str| {
            let traces = json["data"].as_array().unwrap();
            traces.iter().find(|trace| trace["name"] == name).unwrap_or_else(|| panic!("no {name}")).clone()
        };
        assert_eq!(of("turned on both")["hovertext"][0], "latent 7<br>DF ·&lt;b&gt; ×2 &#36;x&#36;<br>MF ⇄");
        assert_eq!(of("turned on neither")["hovertext"][0], "latent 8<br>·a");
        assert_eq!(of("relevant in DF")["x"], serde_json::json!([0.25]));
    }

    #[test]
    fn a_long_token_is_shown_by_its_beginning() {
        let svg = rotation(&rows(), &[], &[], Stage::DF).to_svg();
        assert!(svg.contains(&format!(">{}…</text>", "x".repeat(16))) && svg.len() < 20_000);
    }

    #[test]
    fn a_corner_without_latents_says_so() {
        let still: Vec<RotationRow> = (0..9).map(|latent| row(0, latent, 0.97, 0.98, latent == 0)).collect();
        let mut rows = quadrant_rows(&still, &Recipe::corrected());
        rows.retain(|row| row.definition == "cut_0.7");
        let svg = quadrants(&rows).to_svg();
        assert_eq!(svg.matches(">no latents</text>").count(), 3, "neither has some");
        assert!(svg.contains("cosine below 0.7") && !svg.contains("cut_0.7") && !svg.contains("NaN"));
    }
}
