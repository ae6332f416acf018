//! The kinds of work, and the folder through which both sides get one.

use crate::Result;
use crate::crosscoder::{CrosscoderWork, Training};
use crate::harvest::{Harvest, HarvestWork};
use crate::qlora::{QloraWork, Tuning};
use crate::setup::Setup;
use crate::side::{Facts, Side};
use serde::{Deserialize, Serialize};
use stagediff::files::write_whole;
use std::path::Path;

/// The file in a case's folder that says what the work is.
const WORK_FILE: &str = "work.json";

/// What a side does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Work {
    Crosscoder(CrosscoderWork),
    Harvest(HarvestWork),
    Qlora(QloraWork),
}

impl Work {
    /// Writes what both sides read: the work, what it runs on, and the tensors it starts from.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, setup: &Setup, folder: &Path) -> Result<Facts> {
        write_whole(&folder.join(WORK_FILE), &serde_json::to_vec(&(self, setup))?)?;
        match self {
            Work::Crosscoder(work) => work.write(folder),
            Work::Harvest(work) => work.write(folder),
            Work::Qlora(work) => work.write(folder),
        }
    }

    /// Reads what [`Work::write`] wrote.
    ///
    /// # Errors
    /// There is none.
    pub fn read(folder: &Path) -> Result<(Work, Setup)> {
        Ok(serde_json::from_slice(&std::fs::read(folder.join(WORK_FILE))?)?)
    }

    /// Our side of it.
    ///
    /// # Errors
    /// The folder lacks a tensor, or the device is not there.
    pub fn open(&self, setup: &Setup, folder: &Path) -> Result<Box<dyn Side>> {
        let device = setup.device.device()?;
        Ok(match self {
            Work::Crosscoder(work) => Box::new(Training::open(work, setup.products, device, folder)?),
            Work::Harvest(work) => Box::new(Harvest::open(work, device, folder)?),
            Work::Qlora(work) => Box::new(Tuning::open(work, device, folder)?),
        })
    }
}
