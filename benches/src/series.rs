//! The whole series at preset `tiny`, by the compiled notebooks.

use crate::Result;
use crate::answer::Clock;
use crate::args::Request;
use crate::row::Row;
use crate::side::Facts;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
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
    let child = Command::new(&notebooks)
        .arg("all")
        .current_dir(root.join("notebooks"))
        .env("STAGEDIFF_SETTINGS", format!(r#"{{"preset":"tiny","run":"{RUN}"}}"#))
        .env("OMP_NUM_THREADS", request.setup.n_threads.to_string())
        .stdout(std::process::Stdio::null())
        .spawn()
        .map_err(|error| format!("cannot start {} (cargo build -p notebooks): {error}", notebooks.display()))?;
    let (status, cpu_s, peak_mib) = wait(child)?;
    let wall_s = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("series/tiny: the notebooks ended with {status}").into());
    }
    let note = format!("{wall_s:.0} s, {cpu_s:.0} s of processor time");
    println!("    {note}");
    let facts = Facts::new("series", 1.0, f64::NAN);
    let row = Row::alone("series/tiny".into(), &facts, &[1.0 / wall_s], request);
    Ok(Row { clock: Clock::Wall.name().into(), ours_peak_mib: peak_mib, note, ..row })
}

/// Waits for a process; how it ended, its processor time and its peak memory.
fn wait(child: Child) -> Result<(ExitStatus, f64, f64)> {
    let mut status = 0;
    // SAFETY: a struct of numbers and a number, written by the call; the process is a child that nobody else waits for.
    let (ended, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (libc::wait4(child.id() as libc::pid_t, &mut status, 0, &mut usage), usage)
    };
    if ended < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + 1e-6 * time.tv_usec as f64;
    let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok((ExitStatus::from_raw(status), cpu_s, usage.ru_maxrss as f64 / 1024.0))
}
