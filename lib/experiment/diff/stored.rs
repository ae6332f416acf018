//! What a crosscoder's latents fire on in activations that are given.

use super::{N_AROUND, Readout};
use crate::Result;
use crate::crosscoder::firing::{Firing, firings_stored};
use crate::crosscoder::harvest::{StoredActs, StoredPart, TokenTexts};
use crate::experiment::run::{Part, Run};
use crate::experiment::stage::Stage;

pub(super) fn readout(run: &Run, stage: Stage, seed: u64, acts: &StoredActs) -> Result<Readout> {
    let sequences = run.part_of(acts, Part::Heldout)?;
    let firings = firings_stored(&run.crosscoder_of(stage, seed)?, &sequences)?;
    let reader = Reader { sequences: &sequences, texts: acts.texts()? };
    let of_all = |read: &dyn Fn(&Firing) -> String| -> Vec<Vec<String>> {
        firings.top.iter().map(|top| top.iter().map(read).collect()).collect()
    };
    let top_tokens = of_all(&|firing| reader.around(firing, 0, |token| token));
    let contexts = of_all(&|firing| reader.around(firing, N_AROUND, |token| format!("«{token}»")));
    let is_labelled = |firing: &Firing| {
        sequences.labels_of(firing.sequence).is_some_and(|labels| labels[firing.position as usize] > 0)
    };
    let labelled = firings.top.iter().map(|top| !top.is_empty() && top.iter().all(is_labelled)).collect();
    let records = (0..sequences.n_sequences()).map(|sequence| sequences.in_folder(sequence) as usize).collect();
    Ok(Readout { stage, seed, top_tokens, contexts, part: Part::Heldout, records, labelled: Some(labelled), firings })
}

/// Tokens as text; their numbers where the folder has no tokenizer.
struct Reader<'a> {
    sequences: &'a StoredPart,
    texts: Option<TokenTexts>,
}

impl Reader<'_> {
    /// A strong token as `mark` shows it, with so many on either side.
    fn around(&self, firing: &Firing, n_around: usize, mark: impl Fn(String) -> String) -> String {
        let tokens = self.sequences.tokens_of(firing.sequence);
        let text = |token: &i64| self.texts.as_ref().map_or_else(|| format!("<{token}>"), |texts| texts.text(*token));
        let at = firing.position as usize;
        let before: String = tokens[at.saturating_sub(n_around)..at].iter().map(text).collect();
        let after: String = tokens[at + 1..tokens.len().min(at + 1 + n_around)].iter().map(text).collect();
        format!("{before}{}{after}", mark(text(&tokens[at])))
    }
}
