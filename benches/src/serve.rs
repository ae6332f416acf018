//! Our side as a process: it steps when it is told to.

use crate::Result;
use crate::answer::{Greeting, Turn, answer};
use crate::work::Work;
use stagediff::tch::{self, Device};
use std::io::BufRead;
use std::path::Path;

/// Reads the case in `folder`, then does what each line on standard input says, `steps N`, and
/// answers with a line of JSON.
///
/// # Errors
/// The case cannot be read, or a line is neither.
pub fn serve(folder: &Path) -> Result<()> {
    let (work, setup) = Work::read(folder)?;
    tch::set_num_threads(setup.n_threads as i32);
    let (device, mut side) = (setup.device.device()?, work.open(&setup, folder)?);
    answer(&Greeting::Ready(format!("stagediff {}", env!("CARGO_PKG_VERSION"))))?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let n_steps = line.strip_prefix("steps ").ok_or_else(|| format!("unknown request {line:?}"))?;
        let n_steps: usize = n_steps.parse()?;
        answer(&Turn::of(|| {
            (0..n_steps).for_each(|_| side.step());
            if let Device::Cuda(index) = device {
                tch::Cuda::synchronize(index as i64);
            }
            side.values()
        }))?;
    }
    Ok(())
}
