//! Two programs on one machine: how long work takes alone, beside a second process that does the same, and beside a busy
//! loop.

use crate::Result;
use crate::answer::Turn;
use crate::args::Request;
use crate::case::Case;
use crate::process::Process;
use crate::report::number;
use crate::setup::waiting;
use stagediff::stats::percentile;
use stagediff::table::{self, Row, rows};
use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a turn lasts alone, about.
const TURN_S: f64 = 3.0;

rows! {
    /// A case beside another program; times on the wall, medians over rounds.
    pub struct Pair {
        case: String,
        /// What ran at once.
        beside: String,
        alone_s: f64,
        /// Of two that do the same, the slower.
        beside_s: f64,
        /// Time beside it over time alone in the same round.
        ratio: f64,
        ratio_low: f64,
        ratio_high: f64,
        n_threads: usize,
        /// How OpenMP's threads waited.
        waiting: String,
    }
}

/// Measures a case alone and beside each other program, in turn. The second process lives for its turn only, so that its
/// threads do not wait beside those that work alone.
///
/// # Errors
/// The case cannot be written, or a process fails.
pub fn measure(case: &Case, request: &Request, folder: &Path) -> Result<Vec<Pair>> {
    case.work.write(&request.setup, folder)?;
    let mut ours = Process::ours(folder, &request.setup)?;
    let n_turns = TURN_S / ours.steps(case.n_steps)?.wall_s;
    let n_steps = (case.n_steps as f64 * n_turns).ceil() as usize;
    let (mut alone_s, mut itself_s, mut loop_s) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..request.n_turns {
        alone_s.push(ours.steps(n_steps)?.wall_s);
        itself_s.push(at_once(&mut ours, &mut Process::ours(folder, &request.setup)?, n_steps)?);
        loop_s.push(beside_busy_loop(|| ours.steps(n_steps))?.wall_s);
    }
    let name = format!("{}{}", case.name, request.setup.suffix());
    let pair = |beside: &str, beside_s: &[f64]| {
        let ratios: Vec<f64> = beside_s.iter().zip(&alone_s).map(|(beside, alone)| beside / alone).collect();
        Pair {
            case: name.clone(),
            beside: beside.into(),
            alone_s: percentile(&alone_s, 50.0),
            beside_s: percentile(beside_s, 50.0),
            ratio: percentile(&ratios, 50.0),
            ratio_low: percentile(&ratios, 0.0),
            ratio_high: percentile(&ratios, 100.0),
            n_threads: request.setup.n_threads,
            waiting: waiting(),
        }
    };
    Ok(vec![pair("itself", &itself_s), pair("a busy loop", &loop_s)])
}

/// Seconds of the slower of two that step at once.
fn at_once(first: &mut Process, second: &mut Process, n_steps: usize) -> Result<f64> {
    first.begin(&format!("steps {n_steps}"))?;
    let second = second.steps(n_steps)?;
    let first: Turn = first.answer()?;
    Ok(first.wall_s.max(second.wall_s))
}

/// Does some work while a thread counts.
fn beside_busy_loop<T>(work: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut count = 0u64;
            while !done.load(Ordering::Relaxed) {
                count = black_box(count + 1);
            }
        });
        let worked = work();
        done.store(true, Ordering::Relaxed);
        worked
    })
}

/// Prints the table and writes it as `tables/side_by_side.parquet` into the results' folder.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(pairs: &[Pair], results: &Path) -> Result<()> {
    println!("\n{:<34} {:<12} {:>8} {:>9} {:>6} {:>14}", "case", "beside", "alone s", "beside s", "ratio", "range");
    for Pair { case, beside, alone_s, beside_s, ratio, ratio_low, ratio_high, .. } in pairs {
        let range = format!("{ratio_low:.2} to {ratio_high:.2}");
        let [alone_s, beside_s] = [alone_s, beside_s].map(|seconds| number(*seconds, 2));
        println!("{case:<34} {beside:<12} {alone_s:>8} {beside_s:>9} {ratio:>6.2} {range:>14}");
    }
    let path = results.join("tables/side_by_side.parquet");
    table::write(&Pair::table(pairs), &path)?;
    println!("{}", path.canonicalize().unwrap_or(path).display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn the_busy_loop_runs_beside_the_work_and_ends_with_it() {
        let start = Instant::now();
        let turn = beside_busy_loop(|| {
            Turn::of(|| {
                std::thread::sleep(Duration::from_millis(200));
                Vec::new()
            })
        });
        assert!(turn.wall_s >= 0.2 && turn.cpu_s >= 0.05, "{turn:?}");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
