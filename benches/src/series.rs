//! The whole series at preset `tiny`, by the compiled notebooks.

use crate::Result;
use crate::args::Request;
use crate::report::Row;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The run that the series is written to, made anew each time.
const RUN: &str = "bench-series";

/// Runs every notebook once.
///
/// # Errors
/// The compiled notebooks are not beside this program, or one fails.
pub fn measure(request: &Request) -> Result<Row> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let notebooks = std::env::current_exe()?.with_file_name("notebooks");
    let _ = std::fs::remove_dir_all(root.join("data/runs").join(RUN));
    println!("series/tiny …");
    let start = Instant::now();
    let status = Command::new(&notebooks)
        .arg("all")
        .current_dir(root.join("notebooks"))
        .env("STAGEDIFF_SETTINGS", format!(r#"{{"preset":"tiny","run":"{RUN}"}}"#))
        .env("OMP_NUM_THREADS", request.n_threads.to_string())
        .stdout(std::process::Stdio::null())
        .status()
        .map_err(|error| format!("cannot start {} (cargo build -p notebooks): {error}", notebooks.display()))?;
    let wall_s = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("series/tiny: the notebooks ended with {status}").into());
    }
    let (cpu_s, peak_mib) = children();
    println!("    {wall_s:.0} s, {cpu_s:.0} s of processor time");
    Ok(Row {
        case: "series/tiny".into(),
        unit: "series".into(),
        n_threads: request.n_threads,
        clock: "wall".into(),
        ours_per_s: 1.0 / wall_s,
        ours_peak_mib: peak_mib,
        note: format!("{wall_s:.0} s, {cpu_s:.0} s of processor time"),
        ..Row::default()
    })
}

/// Processor time of the children that have ended, and the peak memory of the largest.
fn children() -> (f64, f64) {
    // SAFETY: a struct of numbers, written by the call.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_CHILDREN, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    (seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss as f64 / 1024.0)
}
