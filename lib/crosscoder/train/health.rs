//! What is wrong with a training although its loss is a number.

use super::TrainStep;

/// Of all latents; so many fire where nothing became sparse.
const DENSE_FRAC: f64 = 0.45;

/// What a training's log says is wrong with the dictionary, a sentence each with what to try; none where nothing is.
pub fn warnings(log: &[TrainStep], n_latents: i64) -> Vec<String> {
    let Some(last) = log.last() else { return Vec::new() };
    let mut warnings = Vec::new();
    if last.dead_frac >= 1.0 {
        let first = log.iter().rposition(|line| line.dead_frac < 1.0).map_or(0, |place| place + 1);
        let (since, lambda_s) = (log[first].step, last.lambda_s);
        warnings.push(format!(
            "no latent fires any more since step {since}: λ_s {lambda_s} is too large or the learning rate {:e} too \
             high, try a smaller lambda_s first",
            log[first].lr
        ));
    }
    if last.l0_mean >= DENSE_FRAC * n_latents as f64 {
        warnings.push(format!(
            "{:.0} of {n_latents} latents fire on an activation at the end: the dictionary is not sparse, try a larger \
             lambda_s or more steps",
            last.l0_mean
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: i64, l0_mean: f64, dead_frac: f64) -> TrainStep {
        TrainStep {
            step,
            n_steps: 40,
            n_activations: step * 64,
            loss: 1.0,
            loss_recon: 1.0,
            loss_sparsity: 1.0,
            loss_pre_act: 0.0,
            lambda_s: 5.0,
            lr: 1e-3,
            l0_mean,
            dead_frac,
            activations_per_s: 1.0,
        }
    }

    #[test]
    fn a_dictionary_that_died_or_did_not_become_sparse_is_named_with_what_to_try() {
        let died = warnings(&[line(1, 20.0, 0.1), line(2, 0.0, 1.0), line(3, 0.0, 1.0)], 40);
        assert!(died.len() == 1 && died[0].contains("since step 2") && died[0].contains("λ_s 5"), "{died:?}");
        let dense = warnings(&[line(1, 20.0, 0.0), line(2, 19.5, 0.0)], 40);
        assert!(dense.len() == 1 && dense[0].contains("larger lambda_s"), "{dense:?}");
        assert!(warnings(&[line(1, 20.0, 0.0), line(2, 4.0, 0.5)], 40).is_empty());
        assert!(warnings(&[line(1, 0.0, 1.0), line(2, 1.0, 0.9)], 40).is_empty(), "latents came back");
        assert!(warnings(&[], 40).is_empty());
    }
}
