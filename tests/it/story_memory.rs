//! Memory does not grow with a file of stories.
//!
//! By default files of 8 and 64 MB are read. `STAGEDIFF_MEMORY_MB=50,1000 cargo test --test it story_memory --
//! --nocapture` reads others and prints the peaks.

use crate::fixture::Folder;
use stagediff::polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};
use stagediff::stories::{Record, built_in, sample};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the child process is to read.
const FILE: &str = "STAGEDIFF_MEMORY_FILE";
/// Records that are kept, fewer than any of the files has.
const N_KEPT: usize = 5000;
/// Allowed growth of the peak: arenas and mappings, no records.
const MAX_GROWTH_MIB: f64 = 24.0;

fn stories() -> Vec<String> {
    built_in(5000, 0).iter().map(Record::to_string).collect()
}

fn write_text(path: &Path, n_bytes: u64) {
    let (stories, mut file, mut written) = (stories(), BufWriter::new(File::create(path).unwrap()), 0);
    for story in stories.iter().cycle() {
        writeln!(file, "{story}").unwrap();
        written += story.len() as u64 + 1;
        if written >= n_bytes {
            return file.flush().unwrap();
        }
    }
}

/// The same content, a line a row.
fn write_parquet(path: &Path, n_bytes: u64) {
    let stories = stories();
    let frame = |part: &[String]| {
        let lines: Vec<&str> = part.iter().flat_map(|story| story.lines()).collect();
        DataFrame::new(lines.len(), vec![Column::from(Series::new("text".into(), lines))]).unwrap()
    };
    let mut file = ParquetWriter::new(File::create(path).unwrap()).batched(frame(&stories[..1]).schema()).unwrap();
    let mut written = 0;
    for part in stories.chunks(500).cycle() {
        file.write_batch(&frame(part)).unwrap();
        written += part.iter().map(|story| story.len() as u64 + 1).sum::<u64>();
        if written >= n_bytes {
            file.finish().unwrap();
            return;
        }
    }
}

/// Peak memory of this process.
pub fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Runs in a process of its own, started by the test below.
#[test]
fn child() {
    if let Some(file) = std::env::var_os(FILE) {
        let before = peak_mib();
        let start = std::time::Instant::now();
        let found = sample(&[PathBuf::from(file)], None, N_KEPT, 0).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!("peak {:.1} before {before:.1} n_read {} seconds {seconds:.1}", peak_mib(), found.n_read);
    }
}

/// Peak memory, and how it was said, of a process that runs the test `child` on a file or folder, which a variable names.
pub fn peak_of(child: &str, variable: &str, path: &Path) -> (f64, String) {
    let this = std::env::current_exe().unwrap();
    let out = Command::new(this).args(["--exact", child, "--nocapture"]).env(variable, path).output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    let line = said.lines().find(|line| line.contains("peak ")).unwrap_or_else(|| panic!("{said}"));
    let line = &line[line.find("peak ").unwrap()..];
    (line.split(' ').nth(1).unwrap().parse().unwrap(), line.into())
}

/// The sizes that are tried, in megabytes.
pub fn sizes_mb() -> Vec<u64> {
    let sizes = std::env::var("STAGEDIFF_MEMORY_MB").unwrap_or_else(|_| "8,64".into());
    sizes.split(',').map(|size| size.parse().unwrap()).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_does_not_grow_with_the_file() {
    let (sizes, folder) = (sizes_mb(), Folder::new("memory"));
    for (name, write) in [("txt", write_text as fn(&Path, u64)), ("parquet", write_parquet)] {
        let peaks = sizes.iter().map(|&mb| {
            let path = folder.join(&format!("{mb}.{name}"));
            write(&path, mb * 1_000_000);
            let (peak, said) = peak_of("story_memory::child", FILE, &path);
            println!("{mb} MB of stories as {name}, file of {} bytes: {said}", path.metadata().unwrap().len());
            std::fs::remove_file(&path).unwrap();
            peak
        });
        let peaks: Vec<f64> = peaks.collect();
        assert!(peaks.iter().all(|peak| peak - peaks[0] < MAX_GROWTH_MIB), "{name}: {peaks:?} MiB");
    }
}
