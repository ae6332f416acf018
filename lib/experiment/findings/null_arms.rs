//! How much of a rotation is there when nothing changes.

use super::distinct;
use crate::experiment::tables::RotationRow;
use crate::stats::percentile;
use crate::stats::ranking::auroc;

/// A null arm is quiet below this share of the real arm's rotation.
pub const QUIET: f64 = 0.5;

type Cosine = fn(&RotationRow) -> f64;

/// Its name, and the cosines with the change and without.
const AXES: [(&str, Cosine, Cosine); 2] =
    [("model", |row| row.cos_d_df, |row| row.cos_d_d0), ("data", |row| row.cos_m_mf, |row| row.cos_m_m0)];

/// Whether the null arms are quiet: where nothing changes, less than half of the rotation of the change. And whether the
/// relevant latents are those that turn when nothing changes, too.
pub fn null_arms(rows: &[RotationRow]) -> String {
    let active: Vec<&RotationRow> = rows.iter().filter(|row| row.active).collect();
    let shares: Vec<String> = AXES.into_iter().filter_map(|axis| share(&active, axis)).collect();
    if shares.is_empty() {
        return "No null arms were trained, or nothing is active: how much rotation means nothing is not known.".into();
    }
    let areas: Vec<String> = AXES.into_iter().filter_map(|axis| areas(&active, axis)).collect();
    let areas = match areas.is_empty() {
        true => String::new(),
        false => format!(
            " Rotation tells relevant latents from others with an AUROC, with the change and with nothing changed, of {}.",
            areas.join(", ")
        ),
    };
    format!(
        "Rotation at the 5th percentile with nothing changed, of that with the change: {}.{areas}",
        shares.join(", ")
    )
}

fn share(active: &[&RotationRow], (axis, real, null): (&str, Cosine, Cosine)) -> Option<String> {
    let tail = |cosine: Cosine| {
        let cosines = active.iter().map(|row| cosine(row)).filter(|cosine| !cosine.is_nan());
        1.0 - percentile(&cosines.collect::<Vec<f64>>(), 5.0)
    };
    let share = tail(null) / tail(real);
    let verdict = if share < QUIET { "quiet" } else { "not quiet: a stage has not settled" };
    share.is_finite().then(|| format!("on the {axis} axis {:.0} % ({verdict})", 100.0 * share))
}

fn areas(active: &[&RotationRow], (axis, real, null): (&str, Cosine, Cosine)) -> Option<String> {
    let [real, null] = [real, null].map(|cosine| area(active, cosine));
    Some(format!("{:.3} and {:.3} on the {axis} axis", real?, null?))
}

/// The mean over seeds that have relevant latents and others; none where the arm was not trained.
fn area(active: &[&RotationRow], cosine: Cosine) -> Option<f64> {
    let of_seed = |seed: u64| {
        let rows: Vec<&RotationRow> = active.iter().copied().filter(|row| row.seed == seed).collect();
        let turned: Vec<f64> = rows.iter().map(|row| 1.0 - cosine(row)).collect();
        auroc(&turned, &rows.iter().map(|row| row.is_relevant()).collect::<Vec<bool>>()).value
    };
    let seeds = distinct(active.iter().map(|row| row.seed));
    let areas: Vec<f64> = seeds.into_iter().map(of_seed).filter(|area| !area.is_nan()).collect();
    let is_trained = active.iter().all(|row| !cosine(row).is_nan());
    (is_trained && !areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::axes::tests::rotation;

    /// Twenty active latents of which the first three are relevant: two turned far, one further than nine of the others.
    fn rows() -> Vec<RotationRow> {
        let cos_d_df = |latent: u32| match latent {
            0 | 1 => 0.1,
            2 => 0.9105,
            _ => 0.9 + 0.001 * f64::from(latent),
        };
        let row = |latent: u32| RotationRow {
            cos_d_d0: 0.95 - 0.001 * f64::from(latent),
            ..rotation(0, latent, cos_d_df(latent), 0.9, latent < 3)
        };
        (0..20).map(row).collect()
    }

    #[test]
    fn areas_are_those_of_the_rotations_and_an_arm_that_is_not_there_is_left_out() {
        let said = null_arms(&rows()); // (17 + 17 + 9) / (3 · 17)
        assert!(said.contains("of 0.843 and 0.000 on the model axis.") && !said.contains("data"), "{said}");
    }
}
