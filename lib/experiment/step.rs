//! One cached step of a run: a training that is done once for what it is made of.

use crate::experiment::run::Run;
use crate::experiment::show;
use crate::files::hash::sha256;
use crate::files::write_whole;
use crate::stories::Organism;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What a step is made of: two steps of equal name that are made of the same leave the same files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeOf {
    /// Everything that was chosen.
    pub settings: Value,
    /// SHA-256 of each file that it reads, by its path in the run's folder.
    pub inputs: BTreeMap<String, String>,
}

impl MadeOf {
    /// One text for all of it, by which a checkpoint knows its training.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("plain data")
    }
}

/// The settings of a step that reads an organism's data. Those of the published one stand alone, as they did before there
/// was another.
pub(super) fn of_organism(organism: &Organism, settings: Value) -> Value {
    if *organism == Organism::deployment() { settings } else { json!({ "organism": organism, "of": settings }) }
}

/// A training of a run, whose record `steps/NAME.json` is written when all its files are.
#[derive(Debug)]
pub struct Step<'a> {
    run: &'a Run,
    name: String,
    /// Its settings and inputs.
    pub made_of: MadeOf,
}

/// The record: what the step was made of, what it left, and its log.
#[derive(Serialize, Deserialize)]
struct Finished<Line> {
    made_of: MadeOf,
    files: Vec<String>,
    log: Vec<Line>,
}

impl Step<'_> {
    /// The step `name` of these settings and of these files of the run.
    ///
    /// # Errors
    /// A file is not there yet: the notebook that writes it is named.
    pub fn new<'a>(run: &'a Run, name: &str, settings: Value, inputs: &[String]) -> Result<Step<'a>> {
        let hash = |file: &String| Ok((file.clone(), sha256(&run.require(file)?)?));
        let inputs = inputs.iter().map(hash).collect::<Result<BTreeMap<String, String>>>()?;
        Ok(Step { run, name: name.into(), made_of: MadeOf { settings, inputs } })
    }

    /// Where its training keeps a checkpoint.
    pub fn checkpoint(&self) -> PathBuf {
        self.run.path(&format!("checkpoints/{}.safetensors", self.name))
    }

    /// The log of this very step if it was done before and its files are there; else does it. `make` writes `files` and
    /// returns the log.
    ///
    /// # Errors
    /// Those of `make`, or the record cannot be read or written.
    pub fn once<Line: Serialize + DeserializeOwned>(
        &self,
        files: Vec<String>,
        make: impl FnOnce() -> Result<Vec<Line>>,
    ) -> Result<Vec<Line>> {
        if let Some(log) = self.finished()? {
            show::line(format!("{} was made before of the same ({})", self.name, self.record()));
            files.iter().try_for_each(|file| self.run.record(file))?;
            return Ok(log);
        }
        let log = make()?;
        files.iter().try_for_each(|file| self.run.record(file))?;
        let finished = Finished { made_of: self.made_of.clone(), files, log };
        let json = serde_json::to_string_pretty(&finished).expect("plain data");
        write_whole(&self.run.path(&self.record()), json.as_bytes())?;
        Ok(finished.log)
    }

    fn finished<Line: DeserializeOwned>(&self) -> Result<Option<Vec<Line>>> {
        let path = self.run.path(&self.record());
        if !path.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let Ok(held) = serde_json::from_str::<Finished<Line>>(&text) else { return Ok(None) };
        let is_whole = held.files.iter().all(|file| self.run.path(file).exists());
        Ok((held.made_of == self.made_of && is_whole).then_some(held.log))
    }

    fn record(&self) -> String {
        format!("steps/{}.json", self.name)
    }
}
