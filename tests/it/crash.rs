//! A series is killed at its file operations, or at random, or its disk is full from one of them on, and it is run again: in
//! the end it is what it is uninterrupted, byte by byte.
//!
//! [crash/crash.c](crash/crash.c) is loaded into a process of its own, counts its renames, removals and openings for writing
//! below a folder, and kills it before or after one of them (after SQLite's tests, sqlite.org/testing.html).
//!
//! By default some of the operations are tried. All of them, or so many, and random kills:
//! ```sh
//! STAGEDIFF_CRASH=all cargo test --test it crash -- --nocapture
//! STAGEDIFF_CRASH=50 cargo test --test it crash -- --nocapture
//! STAGEDIFF_KILLS=1000 cargo test --test it crash -- --nocapture
//! ```

use crate::fixture::Folder;
use crate::series;
use stagediff::crosscoder::train::TrainStep;
use stagediff::experiment::{Run, Stage, train_stages};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The data folder of the child process.
const DATA: &str = "STAGEDIFF_CRASH_DATA";
/// Steps of the child's stage S, where it is to take long.
const LONG: &str = "STAGEDIFF_CRASH_STEPS";

/// The signal that the child sends itself in the midst of stage S.
const SIGNAL: &str = "STAGEDIFF_CRASH_SIGNAL";

/// Runs in a process of its own, started by the tests below: the series as far as notebook 08.
#[test]
fn child() {
    let Some(data) = std::env::var_os(DATA) else { return };
    let n_steps = std::env::var(LONG).unwrap_or("2".into());
    let sizes = [
        ("n_records", "60"),
        ("pretrain.n_steps", "2"),
        ("finetune.n_steps", "2"),
        ("stage_s.n_steps", &n_steps),
        ("later_stages.n_steps", "2"),
        ("n_eval_sequences", "4"),
        ("n_prompts", "1"),
    ];
    let opened = series::opened(Path::new(&data), &sizes);
    let done = opened.and_then(|run| {
        if let Ok(signal) = std::env::var(SIGNAL) {
            stop_in_s(&run, signal.parse().unwrap())?;
        }
        series::train(&run).and_then(|()| series::try_measure(&run))
    });
    if let Err(error) = done {
        eprintln!("{error}");
        std::process::exit(error.exit_code().into());
    }
}

/// Trains the models, and stage S until it has sent itself a signal and hears it.
fn stop_in_s(run: &Run, signal: i32) -> stagediff::Result<()> {
    // SAFETY: a plain system call. What a shell has started in the background ignores Ctrl-C.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
    series::models(run)?;
    let mut at_line = |_: &str, line: &TrainStep| {
        if line.step > 100 {
            // SAFETY: a plain system call.
            unsafe { libc::raise(signal) };
        }
    };
    train_stages(run, &[Stage::S], &mut at_line).map(drop)
}

fn start(data: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "crash::child", "--nocapture", "--test-threads=1"]);
    command.env(DATA, data).env("OMP_NUM_THREADS", "1").env("STAGEDIFF_CHECKPOINT_S", "0");
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs the child to its end.
#[track_caller]
fn complete(command: &mut Command, what: &str) {
    let out = command.output().unwrap();
    assert!(out.status.success(), "{what}: {}", String::from_utf8_lossy(&out.stderr));
}

/// Every file of a run that it keeps, with its content.
fn kept(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_string();
            match path.is_dir() {
                true => folders.push(path),
                false if name == "lock" || name.ends_with(".part") => {}
                false => drop(files.insert(path.strip_prefix(dir).unwrap().into(), std::fs::read(&path).unwrap())),
            }
        }
    }
    files
}

#[track_caller]
fn assert_equal(found: &Path, expected: &Path, what: &str) {
    let (found, expected) = (kept(found), kept(expected));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected), "{what}");
    let differing: Vec<&PathBuf> = found.keys().filter(|name| found[*name] != expected[*name]).collect();
    assert!(differing.is_empty(), "{what}: {differing:?}");
    assert!(!found.keys().any(|name| name.starts_with("runs/smoke/checkpoints")), "{what}");
}

/// The library that counts and kills; none where there is no C compiler.
fn killer(folder: &Folder) -> Option<PathBuf> {
    let (source, library) =
        (Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crash/crash.c"), folder.join("crash.so"));
    let compiler = std::env::var("CC").unwrap_or("cc".into());
    let made = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&library).arg(source).arg("-ldl").status();
    made.is_ok_and(|status| status.success()).then_some(library)
}

/// The series in an empty folder of this name, uninterrupted.
fn run_in(folder: &Folder, name: &str, killer: &Path) -> PathBuf {
    let (data, mut command) = in_empty(folder, name, killer);
    complete(&mut command, "uninterrupted");
    data
}

/// An empty folder of this name, and the command that runs the series in it under the library that counts.
fn in_empty(folder: &Folder, name: &str, killer: &Path) -> (PathBuf, Command) {
    let data = folder.join(name);
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data).unwrap();
    let mut command = start(&data);
    command.env("LD_PRELOAD", killer).env("CRASH_UNDER", &data).env("CRASH_LOG", folder.join("operations"));
    (data, command)
}

/// Those of n operations, counted from 1, that are tried: a few, or as many as are asked for, evenly spread.
fn tried(n_operations: usize) -> Vec<usize> {
    let n_tried = match std::env::var("STAGEDIFF_CRASH").as_deref() {
        Err(_) => 4,
        Ok("all") => n_operations,
        Ok(number) => number.parse().expect("STAGEDIFF_CRASH is `all` or a number"),
    };
    (0..n_tried).map(|i| 1 + (2 * i + 1) * n_operations / (2 * n_tried)).collect()
}

#[test]
fn killed_at_any_file_operation_a_series_ends_as_if_it_had_not_been() {
    let folder = Folder::new("crash_operations");
    let Some(killer) = killer(&folder) else { return println!("skipped: no C compiler (cc, or CC)") };
    let whole = run_in(&folder, "whole", &killer);
    let operations = std::fs::read_to_string(folder.join("operations")).unwrap();
    let tried = tried(operations.lines().count());
    for number in &tried {
        for when in ["before", "after"] {
            let what = format!("{when} {}", operations.lines().nth(number - 1).unwrap());
            let (data, mut command) = in_empty(&folder, "killed", &killer);
            let out = command.env("CRASH_AT", number.to_string()).env("CRASH_WHEN", when).output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.signal(), Some(libc::SIGKILL), "operation {number} was not reached: {said}");
            complete(&mut start(&data), &what);
            assert_equal(&data, &whole, &what);
        }
    }
    let (n_tried, n_operations) = (tried.len(), operations.lines().count());
    println!("{n_tried} of {n_operations} file operations, killed before and after each: none left a difference");
}

#[test]
fn a_disk_that_is_full_from_any_file_operation_on_is_named_and_nothing_is_lost() {
    let folder = Folder::new("crash_full");
    let Some(killer) = killer(&folder) else { return println!("skipped: no C compiler (cc, or CC)") };
    let whole = run_in(&folder, "whole", &killer);
    let operations = std::fs::read_to_string(folder.join("operations")).unwrap();
    let (tried, mut n_refused) = (tried(operations.lines().count()), 0);
    for number in &tried {
        let what = format!("full from {}", operations.lines().nth(number - 1).unwrap());
        let (data, mut command) = in_empty(&folder, "full", &killer);
        let out = command.env("CRASH_AT", number.to_string()).env("CRASH_WHEN", "full").output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        if !out.status.success() {
            assert_eq!(out.status.code(), Some(1), "{what}: {said}");
            let last = said.lines().last().unwrap_or_default();
            assert!(last.contains("No space left on device") && last.contains("runs/smoke"), "{what}: {said}");
            n_refused += 1;
        }
        complete(&mut start(&data), &what);
        assert_equal(&data, &whole, &what);
    }
    assert!(n_refused > 0, "no disk was full");
    println!("the disk full from {} of {} file operations on: nothing lost", tried.len(), operations.lines().count());
}

/// A series is first killed anywhere in the time that it takes uninterrupted; what goes on within this share of it, so that
/// it is killed again and again.
const LATER_KILLS: f64 = 0.3;

#[test]
fn killed_at_random_a_series_ends_as_if_it_had_not_been() {
    let folder = Folder::new("crash_random");
    let from_env = |name: &str, otherwise: u64| std::env::var(name).map_or(otherwise, |text| text.parse().unwrap());
    let n_kills = from_env("STAGEDIFF_KILLS", 2) as usize;
    let (whole, data) = (folder.join("whole"), folder.join("killed"));
    std::fs::create_dir_all(&whole).unwrap();
    let started = Instant::now();
    complete(&mut start(&whole), "uninterrupted");
    let (longest, mut random, mut killed, mut n_completed) =
        (started.elapsed(), from_env("STAGEDIFF_KILLS_SEED", 1), 0, 0);
    while killed < n_kills {
        let latest = if data.exists() { LATER_KILLS } else { 1.0 };
        std::fs::create_dir_all(&data).unwrap();
        let mut child = start(&data).spawn().unwrap();
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        std::thread::sleep(longest.mul_f64(latest * (random >> 40) as f64 / (1u64 << 24) as f64));
        let _ = child.kill();
        let status = child.wait_with_output().unwrap().status;
        killed += usize::from(status.signal() == Some(libc::SIGKILL));
        assert!(status.success() || status.signal() == Some(libc::SIGKILL), "{status}");
        if status.success() || killed == n_kills {
            complete(&mut start(&data), "after the last kill");
            assert_equal(&data, &whole, &format!("after {killed} kills"));
            std::fs::remove_dir_all(&data).unwrap();
            n_completed += 1;
            if n_completed % 50 == 0 {
                println!("{killed} random kills so far in {n_completed} series");
            }
        }
    }
    println!("{killed} random kills in {n_completed} series: none left a difference");
}

#[test]
fn told_to_stop_a_training_leaves_a_checkpoint_and_says_so() {
    let folder = Folder::new("crash_stop");
    let (whole, data) = (folder.join("whole"), folder.join("stopped"));
    std::fs::create_dir_all(&whole).unwrap();
    complete(start(&whole).env(LONG, "400"), "uninterrupted");
    for (signal, name, code) in [(libc::SIGTERM, "SIGTERM", 143), (libc::SIGINT, "Ctrl-C", 130)] {
        std::fs::create_dir_all(&data).unwrap();
        let out = start(&data).env(LONG, "400").env(SIGNAL, signal.to_string()).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(code), "{said}");
        let checkpoints = std::fs::read_dir(data.join("runs/smoke/checkpoints/crosscoder_S")).unwrap().count();
        assert!(checkpoints > 0, "a checkpoint");
        assert!(said.contains("S was stopped at step ") && said.contains(&format!("of 400 by {name}")), "{said}");
        complete(start(&data).env(LONG, "400"), "run again");
        assert_equal(&data, &whole, name);
        std::fs::remove_dir_all(&data).unwrap();
    }
}
