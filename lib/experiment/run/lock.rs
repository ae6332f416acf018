//! One writer: who makes a step of a run holds the file `lock` in its folder meanwhile, and says in it who it is.
//!
//! The lock is the system's (flock): it ends with its process, however that ends, so none is ever stale. Notebooks that are
//! open and idle, or read, hold none. Between machines it holds as far as their network disk passes locks on.

use crate::experiment::show;
use crate::{Error, Result};
use std::cell::RefCell;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Seconds that a second writer waits for the first; without it, none.
const WAIT: &str = "STAGEDIFF_WAIT";

/// Between two tries.
const BETWEEN: Duration = Duration::from_millis(100);

/// The lock of one run, which is held while any of what [`StepLock::hold`] gave lives.
#[derive(Debug)]
pub struct StepLock {
    path: PathBuf,
    held: RefCell<Weak<File>>,
}

impl StepLock {
    /// That of a run's folder; nothing is held yet.
    pub fn of(dir: &Path) -> StepLock {
        StepLock { path: dir.join("lock"), held: RefCell::default() }
    }

    /// Holds the lock to do `what`.
    ///
    /// # Errors
    /// Another process holds it: who, and what it does, is said.
    pub fn hold(&self, what: &str) -> Result<Arc<File>> {
        if let Some(held) = self.held.borrow().upgrade() {
            return Ok(held);
        }
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&self.path).map_err(Error::io(&self.path))?;
        self.wait_for(&mut file, seconds_to_wait()?)?;
        let says = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(holder(what).as_bytes()));
        says.map_err(Error::io(&self.path))?;
        let held = Arc::new(file);
        *self.held.borrow_mut() = Arc::downgrade(&held);
        Ok(held)
    }

    fn wait_for(&self, file: &mut File, longest: Duration) -> Result<()> {
        let (started, mut has_said) = (Instant::now(), false);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(Error::io(&self.path)(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let mut holder = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            if started.elapsed() >= longest {
                let advice = format!("wait until it has ended, or set {WAIT} to the seconds to wait for it");
                return Err(Error::invalid(
                    &self.path,
                    format!("another process writes to this run ({holder}): {advice}"),
                ));
            }
            if !has_said {
                show::line(format!("waits for another process that writes to this run ({holder})"));
                has_said = true;
            }
            std::thread::sleep(BETWEEN);
        }
    }
}

fn seconds_to_wait() -> Result<Duration> {
    let Ok(text) = std::env::var(WAIT) else { return Ok(Duration::ZERO) };
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| Error::setting(WAIT, text, "expected a number of seconds"))
}

/// Process, machine, program or notebook, and what it does.
fn holder(what: &str) -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let words = || std::env::args().skip(1).fold(program(), |line, word| line + " " + &word);
    let program = std::env::var("JPY_SESSION_NAME").unwrap_or_else(|_| words());
    format!("process {} on {}: {program}, {what}", std::process::id(), machine.trim())
}

fn program() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    program.file_name().unwrap_or_default().to_string_lossy().into()
}
