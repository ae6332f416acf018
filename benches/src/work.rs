//! The kinds of work, the folder through which both sides get one, and our side of it.

use crate::Result;
use crate::answer::{self, Turn};
use crate::crosscoder::{CrosscoderWork, Training};
use crate::harvest::{Harvest, HarvestWork};
use crate::qlora::{QloraWork, Tuning};
use crate::setup::Setup;
use crate::side::{Facts, Side};
use serde::{Deserialize, Serialize};
use stagediff::files::write_whole;
use stagediff::processor::allocator::keep_freed;
use stagediff::tch::{self, Device};
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

    /// Our side of it.
    fn open(&self, setup: &Setup, device: Device, folder: &Path) -> Result<Box<dyn Side>> {
        Ok(match self {
            Work::Crosscoder(work) => Box::new(Training::open(work, setup.products, device, folder)?),
            Work::Harvest(work) => Box::new(Harvest::open(work, device, folder)?),
            Work::Qlora(work) => Box::new(Tuning::open(work, device, folder)?),
        })
    }
}

/// Our side as a process: reads the case in `folder`, then does what each line says, `steps N`.
///
/// # Errors
/// The case cannot be read, the device is not there, or a line says something else.
pub fn serve(folder: &Path) -> Result<()> {
    let (work, setup): (Work, Setup) = serde_json::from_slice(&std::fs::read(folder.join(WORK_FILE))?)?;
    keep_freed();
    tch::set_num_threads(setup.n_threads as i32);
    let device = setup.device.device()?;
    let mut side = work.open(&setup, device, folder)?;
    answer::serve(&format!("stagediff {}", env!("CARGO_PKG_VERSION")), |line| {
        let n_steps = line.strip_prefix("steps ").ok_or_else(|| format!("unknown request {line:?}"))?;
        let n_steps: usize = n_steps.parse()?;
        Ok(Turn::of(|| {
            (0..n_steps).for_each(|_| side.step());
            if let Device::Cuda(index) = device {
                tch::Cuda::synchronize(index as i64);
            }
            side.values()
        }))
    })
}
