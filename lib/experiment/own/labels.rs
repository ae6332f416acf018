//! Which latents fire on what a user has labelled.

use crate::Result;
use crate::crosscoder::firing::Firing;
use crate::experiment::run::{Run, Subjects};
use crate::experiment::stage::Stage;

/// For each latent of a stage whether its strongest tokens are all labelled. No tokens: no.
pub(in crate::experiment) fn all_labelled(
    run: &Run,
    stage: Stage,
    subjects: &Subjects,
    top: &[Vec<Firing>],
) -> Result<Vec<bool>> {
    let (part, _) = subjects.records(stage)?;
    let labels = Vec::<Vec<bool>>::try_from(&run.labelled(part, subjects.model_and_data(stage).1)?)?;
    let is_labelled = |firing: &Firing| labels[firing.sequence as usize][firing.position as usize];
    Ok(top.iter().map(|top| !top.is_empty() && top.iter().all(is_labelled)).collect())
}
