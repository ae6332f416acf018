//! One cached step of a run: a training that is done once for what it is made of.
//!
//! The order in which a step writes is what makes it safe to end at any moment: its files, each whole and on the disk;
//! then its record `steps/NAME.json`, which holds their hashes; then the run's manifest; and only then its checkpoints go.
//! A step without a record was not finished and is done again, from its checkpoints. To have one done anew, delete its
//! record.

mod held;
mod shared;

use crate::experiment::run::Run;
use crate::experiment::show;
use crate::files::write_whole;
use crate::stories::Organism;
use crate::{Error, Result};
use held::{Held, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
pub use shared::share_steps;
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

impl Step<'_> {
    /// The step `name` of these settings and of these files of the run.
    ///
    /// # Errors
    /// A file is not there yet, or is not as it was written: the notebook that writes it is named.
    pub fn new<'a>(run: &'a Run, name: &str, settings: Value, inputs: &[String]) -> Result<Step<'a>> {
        let hash = |file: &String| run.require(file).and_then(|_| Ok((file.clone(), run.sha256(file)?)));
        let inputs = inputs.iter().map(hash).collect::<Result<BTreeMap<String, String>>>()?;
        Ok(Step { run, name: name.into(), made_of: MadeOf { settings, inputs } })
    }

    /// The folder in which its trainings keep checkpoints. It is removed when the step is recorded.
    pub fn checkpoints(&self) -> PathBuf {
        self.run.path(&format!("checkpoints/{}", self.name))
    }

    /// Where its training keeps a checkpoint, if it is one.
    pub fn checkpoint(&self) -> PathBuf {
        self.checkpoints().join("training.safetensors")
    }

    /// The log of this very step if it was done before; else does it, alone in the run's folder. `make` writes `files` and
    /// returns the log.
    ///
    /// # Errors
    /// Those of `make`; a file of the finished step was changed since; another process writes to the run; or the record
    /// cannot be written.
    pub fn once<Line: Serialize + DeserializeOwned>(
        &self,
        files: Vec<String>,
        make: impl FnOnce() -> Result<Vec<Line>>,
    ) -> Result<Vec<Line>> {
        if let Held::Finished(record) = self.held()? {
            return self.take(record);
        }
        let _alone = self.run.write_alone(&format!("step {}", self.name))?;
        match self.held()? {
            // by the process that this one has waited for
            Held::Finished(record) => return self.take(record),
            Held::Nothing => {}
            Held::Other(why) => {
                show::line(format!("{} is made again: {why}", self.name));
                self.remove_record()?;
            }
        }
        self.run.forget(&files)?;
        let log = make()?;
        let hash = |file: String| self.run.sha256(&file).map(|hash| (file, hash));
        let files = files.into_iter().map(hash).collect::<Result<BTreeMap<String, String>>>()?;
        self.record(Record { made_of: self.made_of.clone(), made_with: self.run.made_with(), files, log })
    }

    /// [`Step::once`] by all processes of the run. Each does `make`, in which the [first](Run::is_first) one writes the files;
    /// none does where the step was finished before, and then the others have no log.
    ///
    /// # Errors
    /// As [`Step::once`]; or another process has ended.
    pub fn once_together<Line: Serialize + DeserializeOwned>(
        &self,
        files: Vec<String>,
        make: impl FnOnce() -> Result<Vec<Line>>,
    ) -> Result<Vec<Line>> {
        let Some(group) = self.run.group() else { return self.once(files, make) };
        let is_finished = group.of_first(&(group.is_first() && self.is_finished()?))?;
        let log = match (group.is_first(), is_finished) {
            (true, _) => self.once(files, make)?,
            (false, true) => Vec::new(),
            (false, false) => make()?,
        };
        group.barrier()?; // files are there
        Ok(log)
    }

    /// Whether it was done before.
    ///
    /// # Errors
    /// A file of the finished step was changed since, or the record cannot be read.
    fn is_finished(&self) -> Result<bool> {
        Ok(matches!(self.held::<serde::de::IgnoredAny>()?, Held::Finished(_)))
    }

    /// Writes the record of what was just made.
    fn record<Line: Serialize>(&self, record: Record<Line>) -> Result<Vec<Line>> {
        let json = serde_json::to_string_pretty(&record).expect("plain data");
        write_whole(&self.path(), json.as_bytes())?;
        self.run.note(&record.files)?;
        self.remove_checkpoints();
        Ok(record.log)
    }

    /// The log of a step that was finished before.
    fn take<Line>(&self, record: Record<Line>) -> Result<Vec<Line>> {
        show::line(format!(
            "{} was made before of the same ({}){}",
            self.name,
            self.file(),
            self.made_otherwise(&record)
        ));
        self.run.note(&record.files)?;
        self.remove_checkpoints();
        Ok(record.log)
    }

    /// What is to say where another version, device or number of threads made it.
    fn made_otherwise<Line>(&self, record: &Record<Line>) -> String {
        let now = self.run.made_with();
        let differs = |(what, value): (&String, &String)| {
            let now = now.get(what).filter(|now| *now != value)?;
            Some(format!("{what} {value}, now {now}"))
        };
        let differences: Vec<String> = record.made_with.iter().filter_map(differs).collect();
        match differences.is_empty() {
            true => String::new(),
            false => format!(", by {}; it is kept, delete the record to make it anew", differences.join(" and ")),
        }
    }

    fn file(&self) -> String {
        format!("steps/{}.json", self.name)
    }

    fn path(&self) -> PathBuf {
        self.run.path(&self.file())
    }

    fn remove_record(&self) -> Result<()> {
        std::fs::remove_file(self.path()).map_err(Error::io(self.path()))
    }

    /// Checkpoints that stay where they cannot be removed do no harm: they know their training.
    fn remove_checkpoints(&self) {
        let _ = std::fs::remove_dir_all(self.checkpoints());
    }
}
