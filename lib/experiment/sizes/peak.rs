//! The largest memory that this process has had, as Linux counts it.

use std::fs;

/// Forgets the peak, where the system lets one. Peaks are then those since the start.
pub(super) fn forget() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The peak since it was forgotten; NaN where there is no telling.
pub(super) fn mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map_or(f64::NAN, |kib| kib / 1024.0)
}
