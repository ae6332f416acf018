//! What came out of models and texts of a user's own, in sentences made from tables.

use crate::diff::Quadrant;
use crate::experiment::findings::percent;
use crate::experiment::tables::{ChangedRow, OwnTextRow, PairRow, RotationRow};

/// How much text there is, and whether any of it is labelled.
pub fn texts(rows: &[OwnTextRow]) -> String {
    let of = |data: &str| {
        let of_part = |part: &str| {
            let row = rows.iter().find(|row| row.data == data && row.part == part);
            row.map_or("none".into(), |row| format!("{} texts, {} tokens", row.n_texts, row.n_tokens))
        };
        format!("{data} text: {} to train on, {} held out", of_part("train"), of_part("heldout"))
    };
    let (n_labelled, n_tokens) =
        rows.iter().fold((0, 0), |(labelled, all), row| (labelled + row.n_labelled, all + row.n_tokens));
    let labels = match n_labelled {
        0 => "No tokens are labelled, so none of what follows says which latents are relevant.".into(),
        _ => format!("{} of the tokens are labelled.", percent(n_labelled as f64 / n_tokens as f64)),
    };
    format!("{}; {}. {labels}", of("base"), of("tuned"))
}

/// What tuning changed in how well each kind of text is predicted.
pub fn pair(rows: &[PairRow]) -> String {
    if rows.is_empty() {
        return "There are activations and no models: what they lose by a dictionary, and what latents cause, is not measured."
            .into();
    }
    let loss = |model: &str, data: &str| {
        rows.iter().find(|row| row.model == model && row.data == data).map_or(f64::NAN, |row| row.loss_nats)
    };
    let of = |data: &str| {
        format!(
            "of {data} text {:.3} nats to the base model and {:.3} to the tuned one",
            loss("base", data),
            loss("tuned", data)
        )
    };
    let gain = |data: &str| loss("base", data) - loss("tuned", data);
    let verdict = match gain("tuned") > gain("base") {
        true => "Tuning helps on tuned text more than on base text, as it should.",
        false => "Tuning does not help on tuned text more than on base text: are models and texts the right way round?",
    };
    format!("A held-out token costs {}, {}. {verdict}", of("base"), of("tuned"))
}

/// Which latents changed on both axes, and whether they are those of the labelled tokens.
pub fn changed(rows: &[ChangedRow], rotations: &[RotationRow]) -> String {
    let active: Vec<&RotationRow> = rotations.iter().filter(|row| row.active).collect();
    let corner: Vec<&&RotationRow> = active.iter().filter(|row| row.quadrant == Quadrant::Both).collect();
    let n_calibrated = rows.iter().filter(|row| row.q_model < 0.05 && row.q_data < 0.05).count();
    let calibrated = match rows.iter().all(|row| row.q_model.is_nan()) {
        true => "no null arms were trained, so how much rotation means nothing is not known".to_string(),
        false => format!("{n_calibrated} of those shown did so against the null arms at q < 0.05"),
    };
    let turned = format!(
        "Of {} active latents {} turned on both axes, below the 5th percentile of each; {calibrated}.",
        active.len(),
        corner.len()
    );
    let relevant = |rows: &[&&RotationRow]| rows.iter().filter(|row| row.is_relevant()).count();
    let elsewhere: Vec<&&RotationRow> = active.iter().filter(|row| row.quadrant != Quadrant::Both).collect();
    match relevant(&corner) + relevant(&elsewhere) {
        0 => turned,
        _ => format!(
            "{turned} Their strongest tokens are all labelled in {} of {}, elsewhere in {} of {}.",
            relevant(&corner),
            corner.len(),
            relevant(&elsewhere),
            elsewhere.len()
        ),
    }
}
