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

    /// An [`Error::Setting`].
    pub fn setting(name: &str, value: impl Display, expected: impl Display) -> Error {
        Error::Setting(stagediff_settings::Error::setting(name, value, expected))
    }
}
