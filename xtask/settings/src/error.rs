//! What is wrong with a setting or an option.

use std::fmt;

/// The result of reading settings.
pub type Result<T> = std::result::Result<T, Error>;

/// A setting or option that is not allowed, and what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    /// A setting whose value is out of its range or contradicts another.
    pub fn setting(name: &str, value: impl fmt::Display, expected: impl fmt::Display) -> Error {
        Error(format!("{name} is {value}, {expected}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<String> for Error {
    fn from(sentence: String) -> Error {
        Error(sentence)
    }
}

impl From<Error> for String {
    fn from(error: Error) -> String {
        error.0
    }
}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Error {
        Error(error.to_string())
    }
}
