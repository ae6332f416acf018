//! What is done to the activations of one comparison's prompts.

use crate::crosscoder::Crosscoder;
use crate::crosscoder::intervene::{Action, Intervention, added, change, noise_like};
use crate::language_model::hook::HookPoint;
use crate::{Error, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

/// A change of activations, or none.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arm {
    /// The model as it is.
    Untouched,
    /// Some latents changed.
    Change(Intervention),
    /// Noise as large as what an intervention would change, by a seed.
    Noise(Intervention, u64),
}

impl Arm {
    /// What is added at each hook point.
    ///
    /// # Shapes
    /// `acts` [token, hook, d_model] → the same
    pub fn added(&self, crosscoder: &Crosscoder, acts: &Tensor) -> Tensor {
        let hooks = &crosscoder.hooks;
        match self {
            Arm::Untouched => acts.zeros_like(),
            Arm::Change(intervention) => added(&change(crosscoder, acts, intervention), intervention.action, hooks),
            Arm::Noise(intervention, seed) => {
                let wanted = change(crosscoder, acts, intervention);
                let noise = noise_like(&wanted, &normal(*seed, &acts.size()).to_device(acts.device()));
                added(&noise, intervention.action, hooks)
            }
        }
    }
}

/// An action's name in tables, and its hook point where it has one.
pub(super) fn action_name(action: Action, hooks: &[HookPoint]) -> (&'static str, Option<String>) {
    match action {
        Action::AblateOneHook(place) => ("ablate_one_hook", Some(hooks[place].to_string())),
        Action::AblateAllHooks => ("ablate_all_hooks", None),
        Action::AblateCode => ("ablate_code", None),
        Action::Clamp => ("clamp", None),
        Action::Steer => ("steer", None),
    }
}

/// The action of this name in a table.
///
/// # Errors
/// No action is called so, or the crosscoder has no such hook point.
pub(super) fn action_named(name: &str, hook_point: Option<&str>, hooks: &[HookPoint]) -> Result<Action> {
    let place = || hooks.iter().position(|hook| Some(hook.to_string().as_str()) == hook_point);
    match name {
        "ablate_one_hook" => place().map(Action::AblateOneHook).ok_or_else(|| {
            Error::setting("hook point", hook_point.unwrap_or("none"), "expected one of the crosscoder's")
        }),
        "ablate_all_hooks" => Ok(Action::AblateAllHooks),
        "ablate_code" => Ok(Action::AblateCode),
        "clamp" => Ok(Action::Clamp),
        "steer" => Ok(Action::Steer),
        other => Err(Error::setting("action", other, "expected one of the table interventions")),
    }
}

/// Uniform numbers above 0 and below 1, of a generator of their own: no other draw moves them.
fn uniform(seed: u64, stream: u64, size: &[i64]) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let n = size.iter().product::<i64>() as usize;
    let numbers: Vec<f32> = (0..n).map(|_| rng.random::<f32>().max(f32::MIN_POSITIVE)).collect();
    Tensor::from_slice(&numbers).view(size)
}

/// Normal numbers (Box and Muller).
fn normal(seed: u64, size: &[i64]) -> Tensor {
    let radius = (uniform(seed, 0, size).log() * -2.0).sqrt();
    radius * (uniform(seed, 1, size) * std::f64::consts::TAU).cos()
}

/// Gumbel noise: the largest logit plus noise is a draw from the softmax. Equal noise for a prompt, whatever was done to
/// it, makes two continuations part only where their distributions do.
pub(super) fn gumbel(seed: u64, stream: u64, size: &[i64]) -> Tensor {
    -(-uniform(seed, stream, size).log()).log()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn gumbel_noise_draws_from_the_softmax() {
        let probs = Tensor::from_slice(&[0.6f32, 0.3, 0.1]);
        let drawn = (gumbel(3, 0, &[20_000, 3]) + probs.log()).argmax(-1, false);
        for (token, expected) in [0.6, 0.3, 0.1].into_iter().enumerate() {
            let share = drawn.eq(token as i64).to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
            assert!((share - expected).abs() < 4.0 * (expected * (1.0 - expected) / 20_000.0f64).sqrt(), "{share}");
        }
    }

    #[test]
    fn normal_numbers_are_normal() {
        let drawn = normal(1, &[40_000]);
        let (mean, std) = (drawn.mean(Kind::Double).double_value(&[]), drawn.std(true).double_value(&[]));
        assert!(mean.abs() < 4.0 / 200.0 && (std - 1.0).abs() < 4.0 / 283.0, "{mean} {std}");
        assert!(normal(1, &[10]).equal(&drawn.narrow(0, 0, 10)) && !normal(2, &[10]).equal(&drawn.narrow(0, 0, 10)));
    }
}
