//! Which sizes make sense: what `--set` puts into a preset is checked before anything is computed.

use super::Preset;
use crate::crosscoder::train::TrainConfig;
use crate::{Error, Result};

impl Preset {
    /// Checks every size that a user may set.
    ///
    /// # Errors
    /// The first that is out of its range is named, with the range.
    pub fn check(&self) -> Result<()> {
        for (name, count) in self.counts() {
            if count < 1 {
                return Err(Error::setting(&name, count, "expected at least 1"));
            }
        }
        for (name, share) in self.shares() {
            if !(0.0..=1.0).contains(&share) {
                return Err(Error::setting(&name, share, "expected a share between 0 and 1"));
            }
        }
        for (name, value) in self.positives() {
            if !(value.is_finite() && value >= 0.0) {
                return Err(Error::setting(&name, value, "expected a number that is not negative"));
            }
        }
        if self.heldout_frac == 0.0 || self.heldout_frac == 1.0 {
            return Err(Error::setting("heldout_frac", self.heldout_frac, "expected stories in both parts"));
        }
        if let Some(twice) = self.hooks.iter().enumerate().find(|(i, hook)| self.hooks[..*i].contains(hook)) {
            return Err(Error::setting("hooks", twice.1, "expected each place once"));
        }
        Ok(())
    }

    fn counts(&self) -> Vec<(String, i64)> {
        let of = |name: &str, count: i64| (name.to_string(), count);
        let mut counts = vec![
            of("n_records", self.n_records as i64),
            of("seq", self.seq as i64),
            of("n_latents", self.n_latents),
            of("n_prompts", self.n_prompts as i64),
            of("n_eval_sequences", self.n_eval_sequences),
            of("lora.rank", self.lora.rank),
        ];
        for (name, fit) in [("pretrain", &self.pretrain), ("finetune", &self.finetune)] {
            counts.push((format!("{name}.batch"), fit.batch));
            counts.push((format!("{name}.n_steps"), fit.n_steps));
            counts.push((format!("{name}.seq"), fit.seq as i64));
        }
        for (name, train) in self.trainings() {
            counts.push((format!("{name}.batch"), train.batch));
            counts.push((format!("{name}.n_steps"), train.n_steps));
        }
        counts
    }

    fn shares(&self) -> Vec<(String, f64)> {
        let mut shares = vec![
            ("heldout_frac".to_string(), self.heldout_frac),
            ("initial_firing_frac".to_string(), self.initial_firing_frac),
            ("lora.dropout".to_string(), self.lora.dropout),
        ];
        for (name, train) in self.trainings() {
            shares.push((format!("{name}.warm_up_frac"), train.warm_up_frac));
            shares.push((format!("{name}.decay_frac"), train.decay_frac));
        }
        shares
    }

    fn positives(&self) -> Vec<(String, f64)> {
        let mut values =
            vec![("pretrain.lr".to_string(), self.pretrain.lr), ("finetune.lr".to_string(), self.finetune.lr)];
        for (name, train) in self.trainings() {
            values.push((format!("{name}.lr"), train.lr));
            values.push((format!("{name}.lambda_s"), train.lambda_s));
        }
        values
    }

    fn trainings(&self) -> [(&'static str, &TrainConfig); 2] {
        [("stage_s", &self.stage_s), ("later_stages", &self.later_stages)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language_model::hook::HookPoint;

    #[test]
    fn the_presets_are_in_range_and_nonsense_is_named() {
        for name in ["smoke", "tiny", "small", "paper"] {
            Preset::named(name).unwrap().check().unwrap();
        }
        let refused = |change: fn(&mut Preset), said: &str| {
            let mut preset = Preset::tiny();
            change(&mut preset);
            let error = preset.check().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        };
        refused(|p| p.n_latents = 0, "n_latents");
        refused(|p| p.stage_s.batch = -1, "stage_s.batch");
        refused(|p| p.heldout_frac = 0.0, "heldout_frac");
        refused(|p| p.later_stages.decay_frac = 1.5, "later_stages.decay_frac");
        refused(|p| p.stage_s.lr = f64::NAN, "stage_s.lr");
        refused(|p| p.hooks = vec![HookPoint::ResidPost(1); 2], "blocks.1.hook_resid_post");
    }
}
