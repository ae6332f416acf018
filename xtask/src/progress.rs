//! Steps that say what they do, show that they go on, and where the time went.

use crate::Result;
use stagediff_settings::child::ends_with_us;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often a long step says that it goes on.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// A chain of steps, each with what it took.
pub struct Steps {
    /// Each command's whole output goes to a file here.
    pub logs: PathBuf,
    took: Vec<(&'static str, f64)>,
}

impl Steps {
    pub fn new(logs: PathBuf) -> Steps {
        Steps { logs, took: Vec::new() }
    }

    /// Does one step: announces it, runs it, notes the time.
    pub fn step<T>(&mut self, name: &'static str, about: &str, act: impl FnOnce(&Steps) -> Result<T>) -> Result<T> {
        println!("\n── {name}: {about}");
        let start = Instant::now();
        let done = act(self).map_err(|error| format!("{name}: {error}"))?;
        let seconds = start.elapsed().as_secs_f64();
        println!("   done in {}", duration(seconds));
        self.took.push((name, seconds));
        Ok(done)
    }

    /// The table of what the steps took, empty if there were none.
    pub fn table(&self) -> String {
        if self.took.is_empty() {
            return String::new();
        }
        let total = self.took.iter().map(|(_, seconds)| seconds).sum();
        let mut table = String::from("\nwhere the time went\n");
        for (name, seconds) in self.took.iter().copied().chain([("total", total)]) {
            let share = 100.0 * seconds / f64::max(total, 1e-9);
            let _ = writeln!(table, "  {name:<18} {:>14} {share:>5.0} %", duration(seconds));
        }
        table
    }

    /// Runs a command, showing its progress; its whole output goes to `NAME.log`.
    ///
    /// # Errors
    /// The end of its output and where the rest is, when it fails.
    pub fn stream(&self, name: &str, command: &mut Command, show: Show) -> Result<()> {
        let program = command.get_program().to_string_lossy().into_owned();
        let log_path = self.logs.join(format!("{name}.log"));
        std::fs::create_dir_all(&self.logs).map_err(|error| format!("cannot make {}: {error}", self.logs.display()))?;
        let mut log =
            File::create(&log_path).map_err(|error| format!("cannot write {}: {error}", log_path.display()))?;
        let child = ends_with_us(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("cannot start {program}: {error}"))?;
        let (sender, lines) = channel();
        read_lines(child.stdout.take(), sender.clone());
        read_lines(child.stderr.take(), sender);
        let last = follow(&lines, &mut log, show);
        let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let tail = Vec::from(last).join("\n");
        Err(format!(
            "{program} failed ({status}); the end of its output:\n\n{tail}\n\nall of it: {}",
            log_path.display()
        ))
    }
}

/// Which part of a command's output a person sees.
#[derive(Clone, Copy)]
pub enum Show {
    /// The lines that pip prints for each large package.
    Packages,
    /// A count of crates from time to time, out of about so many.
    Crates(usize),
}

impl Show {
    fn shows(self, line: &str) -> bool {
        let starts = |words: &[&str]| words.iter().any(|word| line.trim_start().starts_with(word));
        match self {
            Show::Packages => starts(&["Downloading"]) && line.ends_with("MB)"),
            Show::Crates(_) => starts(&["Updating", "Downloaded ", "Installed"]),
        }
    }
}

/// Hands on lines until both pipes end; returns the last 40.
fn follow(lines: &Receiver<String>, log: &mut File, show: Show) -> VecDeque<String> {
    let (start, mut spoke) = (Instant::now(), Instant::now());
    let (mut n_crates, mut now) = (0, String::new());
    let mut last = VecDeque::new();
    loop {
        match lines.recv_timeout(HEARTBEAT.saturating_sub(spoke.elapsed())) {
            Ok(line) => {
                let _ = writeln!(log, "{line}");
                if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
                    (n_crates, now) = (n_crates + 1, name.split(' ').next().unwrap_or(name).to_owned());
                }
                if show.shows(&line) {
                    println!("   {}", line.trim());
                    spoke = Instant::now();
                }
                last.push_back(line);
                if last.len() > 40 {
                    last.pop_front();
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                let time = duration(start.elapsed().as_secs_f64());
                match show {
                    Show::Crates(total) if n_crates > 0 => {
                        println!("   crate {n_crates} of about {} ({now}), {time}", total.max(n_crates));
                    }
                    _ => println!("   still going, {time}"),
                }
                spoke = Instant::now();
            }
            Err(RecvTimeoutError::Disconnected) => return last,
        }
    }
}

fn read_lines(pipe: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(pipe) = pipe else { return };
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(std::result::Result::ok) {
            let _ = sender.send(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    });
}

/// A duration as a person says it: `3.4 s`, `12 min 5 s`, `1 h 3 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> Steps {
        Steps::new(std::env::temp_dir().join(format!("stagediff-progress-{}", std::process::id())))
    }

    #[test]
    fn durations_read_naturally() {
        let said: Vec<String> = [0.04, 3.42, 59.4, 60.0, 725.0, 3780.0].map(duration).into();
        assert_eq!(said, ["0.0 s", "3.4 s", "59.4 s", "1 min 0 s", "12 min 5 s", "1 h 3 min"]);
    }

    #[test]
    fn a_failing_command_is_told_with_its_last_words_and_its_log() {
        let mut shell = Command::new("sh");
        let error = steps().stream("words", shell.args(["-c", "echo first; echo last >&2; exit 3"]), Show::Packages);
        let error = error.unwrap_err();
        assert!(error.contains("last") && error.contains("words.log") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_step_names_itself_in_its_error_and_in_the_table() {
        let mut steps = steps();
        assert_eq!(steps.step("first", "fails", |_| Err::<(), _>("no".into())), Err("first: no".into()));
        steps.step("second", "works", |_| Ok(())).unwrap();
        assert!(steps.table().contains("second") && !steps.table().contains("first"));
    }
}
