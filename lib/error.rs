//! The one error type: what went wrong, where, and what to do about it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong outside a programming error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("cannot access {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file is there but its content is not what it should be.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Something could not be had from the hub.
    #[error("cannot get {from}: {reason}")]
    Download {
        /// A URL, or a place on the hub.
        from: String,
        /// Why not, and what to do.
        reason: String,
    },
    /// A tensor has another shape than the model needs.
    #[error("tensor {name:?} has shape {found:?}, expected {expected:?} ({})", path.display())]
    Shape {
        /// The tensor's name in the file.
        name: String,
        /// Its shape in the file.
        found: Vec<i64>,
        /// The shape that the configuration asks for.
        expected: Vec<i64>,
        /// The file.
        path: PathBuf,
    },
    /// A step was started before the one it reads from.
    #[error("{} is missing: run notebook {notebook} first (cargo xtask run does them in order)", path.display())]
    NotYetMade {
        /// The missing file.
        path: PathBuf,
        /// The notebook that writes it.
        notebook: &'static str,
    },
    /// A setting is out of its range or contradicts another.
    #[error(transparent)]
    Setting(#[from] stagediff_settings::Error),
    /// A person or the system wants a training to stop; where it stands is kept.
    #[error("{label} was stopped at step {step} of {n_steps} by {}: {} again to go on from there", signal_name(*signal), what_was_run())]
    Stopped {
        /// What was trained.
        label: String,
        /// Steps done.
        step: i64,
        /// Steps of the whole training.
        n_steps: i64,
        /// The signal.
        signal: i32,
    },
    /// Processes that train together cannot go on.
    #[error("rank {rank} of {world_size}: {reason}")]
    Distributed {
        /// Which process says so.
        rank: usize,
        /// How many there are.
        world_size: usize,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// libtorch refused an operation.
    #[error(transparent)]
    Torch(#[from] tch::TchError),
    /// Polars refused an operation.
    #[error(transparent)]
    Polars(#[from] polars::error::PolarsError),
}

impl Error {
    /// An [`Error::Io`] at `path`, for `map_err`.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_path_buf();
        move |source| Error::Io { path, source }
    }

    /// An [`Error::Invalid`] at `path`.
    pub fn invalid(path: impl AsRef<Path>, reason: impl Into<String>) -> Error {
        Error::Invalid { path: path.as_ref().to_path_buf(), reason: reason.into() }
    }

    /// An [`Error::Download`].
    pub fn download(from: impl Into<String>, reason: impl Into<String>) -> Error {
        Error::Download { from: from.into(), reason: reason.into() }
    }

    /// The exit code of a program that ends with it: that of the signal where a training was stopped, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Stopped { signal, .. } => u8::try_from(128 + signal).unwrap_or(1),
            _ => 1,
        }
    }

    /// An [`Error::Setting`].
    pub fn setting(name: &str, value: impl Display, expected: impl Display) -> Error {
        Error::Setting(stagediff_settings::Error::setting(name, value, expected))
    }
}

/// In a notebook a person has a cell, not a program.
fn what_was_run() -> &'static str {
    if in_notebook() { "run the cell" } else { "run it" }
}

/// Whether a notebook's kernel runs this.
pub(crate) fn in_notebook() -> bool {
    std::env::var_os("EVCXR_IS_RUNTIME").is_some()
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGINT if in_notebook() => "an interrupt".into(),
        libc::SIGINT => "Ctrl-C (SIGINT)".into(),
        libc::SIGTERM => "SIGTERM".into(),
        other => format!("signal {other}"),
    }
}
