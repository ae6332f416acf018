//! Ctrl-C and SIGTERM during a training: it is told, leaves a checkpoint and ends.
//!
//! While a training listens, the first signal is noted and asked for between two steps; a second ends the process at once.
//! Before and after, signals do what they did before. A signal that is ignored stays ignored.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};

/// The signals that ask to stop.
const SIGNALS: [i32; 2] = [libc::SIGINT, libc::SIGTERM];

/// The signal that came, 0 for none.
static ASKED: AtomicI32 = AtomicI32::new(0);

/// How many trainings of the process listen, and what the signals did before the first.
static LISTENING: Mutex<(usize, Vec<(i32, libc::sighandler_t)>)> = Mutex::new((0, Vec::new()));

/// Listens for as long as it lives.
#[derive(Debug)]
pub(crate) struct Stop(());

impl Stop {
    /// Begins to listen.
    pub fn listen() -> Stop {
        let mut listening = LISTENING.lock().unwrap_or_else(|held| held.into_inner());
        if listening.0 == 0 {
            ASKED.store(0, Ordering::SeqCst);
            listening.1 = SIGNALS.into_iter().filter_map(take).collect();
        }
        listening.0 += 1;
        Stop(())
    }

    /// The signal that asked to stop since the first training of the process began to listen.
    pub fn asked(&self) -> Option<i32> {
        Some(ASKED.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        let mut listening = LISTENING.lock().unwrap_or_else(|held| held.into_inner());
        listening.0 -= 1;
        if listening.0 == 0 {
            for (signal, before) in listening.1.drain(..) {
                // SAFETY: `before` is what the same call returned for this signal.
                unsafe { libc::signal(signal, before) };
            }
        }
    }
}

/// Takes a signal, unless it is ignored; what it did before.
fn take(signal: i32) -> Option<(i32, libc::sighandler_t)> {
    // SAFETY: `note` is a handler's function, and only does what a handler may.
    let before = unsafe { libc::signal(signal, note as *const () as libc::sighandler_t) };
    if before == libc::SIG_IGN {
        // SAFETY: as it was.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
        return None;
    }
    (before != libc::SIG_ERR).then_some((signal, before))
}

/// The handler: notes the signal; at the second ends the process, as the signal itself would have.
extern "C" fn note(signal: libc::c_int) {
    if ASKED.swap(signal, Ordering::SeqCst) != 0 {
        // SAFETY: the one way to end that a handler may take.
        unsafe { libc::_exit(128 + signal) };
    }
}
