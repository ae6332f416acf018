//! Programs that a program of the project starts: they see nothing that is meant for the latter alone, and end with it.

use std::env;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{self, Command};

/// Whether cargo says a variable to what it starts, or it asks cargo for other flags or another target than those of
/// .cargo/config.toml. Build scripts look at both kinds: where one differs, cargo builds anew.
pub fn is_cargos(name: &str) -> bool {
    let said = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start))
        || ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"].contains(&name);
    said || name == "CARGO_BUILD_TARGET" || name.ends_with("RUSTFLAGS")
}

/// Takes what [`is_cargos`] from what the command inherits.
pub fn without_cargos(command: &mut Command) -> &mut Command {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_cargos) {
            command.env_remove(name);
        }
    }
    command
}

/// Has the program be told to end (SIGTERM) when the thread that starts it ends, and so when this program is killed.
/// What comes in its place by `exec` is told, too; what it starts itself is not.
pub fn ends_with_us(command: &mut Command) -> &mut Command {
    let us = process::id();
    let tell = move || {
        // SAFETY: two calls of the system that take and give plain numbers.
        let (refused, parent) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) != 0, libc::getppid()) };
        match refused {
            true => Err(io::Error::last_os_error()),
            false if parent as u32 != us => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        }
    };
    // SAFETY: between fork and exec the closure only makes these calls and allocates nothing.
    unsafe { command.pre_exec(tell) }
}

/// Has this program be told to end (SIGTERM) when the thread that started it ends: [`ends_with_us`] from the other side,
/// for what a program of others starts.
///
/// # Errors
/// The system refuses.
pub fn end_with_parent() -> io::Result<()> {
    // SAFETY: a call of the system that takes plain numbers.
    match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::time::{Duration, Instant};

    #[test]
    fn what_cargo_says_is_told_from_what_a_user_does() {
        let said = "CARGO CARGO_PKG_NAME CARGO_PKG_VERSION_MAJOR CARGO_MANIFEST_DIR CARGO_BIN_NAME OUT_DIR RUSTFLAGS \
                    CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS";
        let kept =
            "CARGO_HOME CARGO_TARGET_DIR CARGO_NET_OFFLINE CARGO_TERM_COLOR RUSTUP_TOOLCHAIN RUST_BACKTRACE PATH";
        assert!(said.split_whitespace().all(is_cargos));
        assert!(!kept.split_whitespace().any(is_cargos));
    }

    #[test]
    fn a_program_ends_with_the_thread_that_started_it() {
        let start = Instant::now();
        let sleep = || ends_with_us(Command::new("sleep").arg("30")).spawn().unwrap();
        let status = std::thread::spawn(sleep).join().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGTERM));
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}
