//! Our side of a case: a process that steps when it is told to.

use crate::answer::{Greeting, Turn};
use crate::case::Work;
use crate::{Result, crosscoder, harvest, qlora};
use stagediff::tch::{self, Device, Kind, Tensor};
use std::io::BufRead;
use std::path::Path;

/// A case opened by one side.
pub trait Side {
    /// Does one step; what it comes to.
    fn step(&mut self) -> Vec<f64>;
}

/// The file in a case's folder that says what the work is.
pub const WORK_FILE: &str = "work.json";

/// Reads the case in `folder`, then does what each line on standard input says, `steps N` or `peak`, and answers with a
/// line of JSON.
///
/// # Errors
/// The case cannot be read, or a line is neither.
pub fn serve(folder: &Path) -> Result<()> {
    let (work, n_threads): (Work, i32) = serde_json::from_slice(&std::fs::read(folder.join(WORK_FILE))?)?;
    tch::set_num_threads(n_threads);
    let mut side: Box<dyn Side> = match &work {
        Work::Crosscoder(work) => Box::new(crosscoder::Training::open(work, folder)?),
        Work::Harvest(work) => Box::new(harvest::Harvest::open(work, folder)?),
        Work::Qlora(work) => Box::new(qlora::Tuning::open(work, folder)?),
    };
    answer(&Greeting::Ready(format!("stagediff {}", env!("CARGO_PKG_VERSION"))))?;
    for line in std::io::stdin().lock().lines() {
        match line?.split_whitespace().collect::<Vec<_>>()[..] {
            ["steps", n_steps] => {
                let n_steps: usize = n_steps.parse()?;
                answer(&Turn::of(|| (0..n_steps).map(|_| side.step()).last().unwrap_or_default()))?;
            }
            ["peak"] => answer(&matrix_product())?,
            ref words => return Err(format!("unknown request {words:?}").into()),
        }
    }
    Ok(())
}

fn answer(said: &impl serde::Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

/// Rows and columns of the matrices whose product shows the machine's peak.
const SIZE: i64 = 1536;

/// Floating-point operations of that product.
pub const PRODUCT_FLOPS: f64 = 2.0 * (SIZE * SIZE * SIZE) as f64;

/// A large matrix product in float32, the second of two.
fn matrix_product() -> Turn {
    let draw = || Tensor::rand([SIZE, SIZE], (Kind::Float, Device::Cpu));
    let (a, b) = (draw(), draw());
    let _warm_up = a.matmul(&b);
    Turn::of(|| vec![a.matmul(&b).double_value(&[0, 0])])
}
