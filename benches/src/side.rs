//! Our side of a case: a process that steps when it is told to.

use crate::answer::{Greeting, Turn, answer};
use crate::case::Work;
use crate::setup::Setup;
use crate::{Result, crosscoder, harvest, qlora};
use stagediff::tch::{self, Device};
use std::io::BufRead;
use std::path::Path;

/// A case opened by one side.
pub trait Side {
    /// Does one step. A GPU may still be at it afterwards.
    fn step(&mut self);
    /// What the last step came to.
    fn values(&self) -> Vec<f64>;
}

/// The file in a case's folder that says what the work is.
pub const WORK_FILE: &str = "work.json";

/// Reads the case in `folder`, then does what each line on standard input says, `steps N`, and
/// answers with a line of JSON.
///
/// # Errors
/// The case cannot be read, or a line is neither.
pub fn serve(folder: &Path) -> Result<()> {
    let (work, setup): (Work, Setup) = serde_json::from_slice(&std::fs::read(folder.join(WORK_FILE))?)?;
    tch::set_num_threads(setup.n_threads as i32);
    let device = setup.device.device()?;
    let mut side: Box<dyn Side> = match &work {
        Work::Crosscoder(work) => Box::new(crosscoder::Training::open(work, &setup, folder)?),
        Work::Harvest(work) => Box::new(harvest::Harvest::open(work, device, folder)?),
        Work::Qlora(work) => Box::new(qlora::Tuning::open(work, device, folder)?),
    };
    answer(&Greeting::Ready(format!("stagediff {}", env!("CARGO_PKG_VERSION"))))?;
    for line in std::io::stdin().lock().lines() {
        match line?.split_whitespace().collect::<Vec<_>>()[..] {
            ["steps", n_steps] => {
                let n_steps: usize = n_steps.parse()?;
                answer(&Turn::of(|| {
                    (0..n_steps).for_each(|_| side.step());
                    if let Device::Cuda(index) = device {
                        tch::Cuda::synchronize(index as i64);
                    }
                    side.values()
                }))?;
            }
            ref words => return Err(format!("unknown request {words:?}").into()),
        }
    }
    Ok(())
}
