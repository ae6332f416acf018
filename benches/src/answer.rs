//! What a side answers: a greeting, then a turn for each line.

use crate::Result;
use serde::{Deserialize, Serialize};
use std::io::BufRead;
use std::time::Instant;

/// Which time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// What a watch on the wall shows.
    #[default]
    Wall,
    /// What the process and its threads spent on processors: steady where other programs run too.
    Cpu,
}

impl Clock {
    /// Its name, as on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Wall => "wall",
            Clock::Cpu => "cpu",
        }
    }
}

/// A turn: how long its steps took, and what they came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Turn {
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Numbers of the turn's last step that the other side must come to as well.
    pub values: Vec<f64>,
    /// Largest memory of the process so far.
    pub peak_mib: f64,
}

impl Turn {
    /// Time by a clock.
    pub fn seconds(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Wall => self.wall_s,
            Clock::Cpu => self.cpu_s,
        }
    }

    /// Times some work.
    pub fn of(work: impl FnOnce() -> Vec<f64>) -> Turn {
        let (wall, cpu) = (Instant::now(), cpu_s());
        let values = work();
        Turn { wall_s: wall.elapsed().as_secs_f64(), cpu_s: cpu_s() - cpu, values, peak_mib: peak_mib() }
    }
}

/// First words of a side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Greeting {
    /// It is ready; its programs and their versions.
    #[serde(rename = "ready")]
    Ready(String),
    /// A package that it needs is not installed; Python's own words.
    #[serde(rename = "missing")]
    Missing(String),
}

/// Greets, then answers each line on standard input with a turn; all in lines of JSON.
///
/// # Errors
/// A line is not understood.
pub fn serve(versions: &str, mut turn: impl FnMut(&str) -> Result<Turn>) -> Result<()> {
    println!("{}", serde_json::to_string(&Greeting::Ready(versions.into()))?);
    for line in std::io::stdin().lock().lines() {
        println!("{}", serde_json::to_string(&turn(&line?)?)?);
    }
    Ok(())
}

/// Seconds that this process has spent on processors.
fn cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the one struct that it is given.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "a processor clock");
    time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64
}

/// Largest resident memory of this process (VmHWM).
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_both_clocks_and_sleep_in_one() {
        let sum = Turn::of(|| vec![(0..20_000_000u64).map(|i| (i as f64).sqrt()).sum()]);
        assert!(sum.cpu_s > 1e-3 && sum.wall_s > 1e-3 && sum.peak_mib > 1.0);
        let sleep = Turn::of(|| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            Vec::new()
        });
        assert!(sleep.wall_s >= 0.1);
    }
}
