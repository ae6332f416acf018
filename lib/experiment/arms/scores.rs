//! Arms as scores of the stages' latents: the further an arm turned a latent, the more suspicious it is by that arm.

use super::ArmTables;
use crate::Result;
use crate::experiment::detection::{LatentScore, Latents, rotation_latents};
use crate::experiment::findings::distinct;
use crate::experiment::run::Run;
use crate::experiment::stage::Stage;
use crate::experiment::tables::ArmRow;

/// Where an axis begins, and the names of its two rotations among the stages' scores: with the change, and with none.
pub(super) const AXES: [(Stage, &str, &str); 2] =
    [(Stage::D, "rotation D→DF", "null arm D→D0"), (Stage::M, "rotation M→MF", "null arm M→M0")];

/// The latents of DF with each of the run's seeds, scored by their rotation on both axes, by the null arms, and by each arm
/// twice: how far it turned the decoder's direction, `D→NAME`, and the encoder's, `D→NAME, encoder`. A frozen decoder's
/// direction is left out.
///
/// # Errors
/// Notebooks 06 and 08 have not been run.
pub fn arm_latents(run: &Run, (rows, ends): &ArmTables) -> Result<Vec<Latents>> {
    let is_frozen = |arm: &str| ends.iter().any(|end| end.arm == arm && end.decoder == "frozen");
    let mut all = rotation_latents(run, &[])?;
    for latents in &mut all {
        latents.scores.retain(|score| AXES.iter().any(|(_, real, null)| [*real, *null].contains(&&*score.ranker)));
        let of_seed: Vec<&ArmRow> = rows.iter().filter(|row| row.seed == latents.seed).collect();
        for arm in distinct(of_seed.iter().map(|row| row.arm.as_str())) {
            let of_arm: Vec<&ArmRow> = of_seed.iter().copied().filter(|row| row.arm == arm).collect();
            let name = format!("{}→{arm}", of_arm[0].from);
            if !is_frozen(arm) {
                latents.scores.push(score(latents, &of_arm, name.clone(), |row| row.cos));
            }
            latents.scores.push(score(latents, &of_arm, format!("{name}, encoder"), |row| row.cos_enc));
        }
    }
    Ok(all)
}

/// An arm costs what the stage does that it stands beside.
fn score(latents: &Latents, of_arm: &[&ArmRow], ranker: String, cosine: fn(&ArmRow) -> f64) -> LatentScore {
    let (_, beside, _) = AXES.into_iter().find(|(from, ..)| from.to_string() == of_arm[0].from).unwrap_or(AXES[0]);
    let price = latents.scores.iter().find(|score| score.ranker == beside).expect("kept above").price;
    let values = of_arm.iter().map(|row| 1.0 - cosine(row)).collect();
    LatentScore { ranker, values, price, knows_trigger: false }
}
