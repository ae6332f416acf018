//! A command line, word by word: lexopt's, with owned words and our sentences.

use crate::{Error, Result};
pub use lexopt::Parser;
use lexopt::ValueExt;

/// One word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// `--NAME` or `-N`, dashes included.
    Option(String),
    /// Anything else, and all that follows `--`.
    Plain(String),
}

/// The next word.
///
/// # Errors
/// The option before it takes no value and was given one by `=`, or the word is not UTF-8.
pub fn next(parser: &mut Parser) -> Result<Option<Word>> {
    Ok(match parser.next()? {
        None => None,
        Some(lexopt::Arg::Short(letter)) => Some(Word::Option(format!("-{letter}"))),
        Some(lexopt::Arg::Long(name)) => Some(Word::Option(format!("--{name}"))),
        Some(lexopt::Arg::Value(word)) => Some(Word::Plain(word.string()?)),
    })
}

/// The value of the option that was read last, joined to it by `=` or in the next word.
///
/// # Errors
/// There is none, or it is not UTF-8.
pub fn value(option: &str, parser: &mut Parser) -> Result<String> {
    let value = parser.value().map_err(|_| Error::from(format!("`{option}` needs a value")))?;
    Ok(value.string()?)
}

/// All words that are left, `--` among them.
///
/// # Errors
/// One is not UTF-8.
pub fn rest(parser: &mut Parser) -> Result<Vec<String>> {
    parser.raw_args()?.map(|word| Ok(word.string()?)).collect()
}

/// Whether an option asks how a command is used.
pub fn is_help(option: &str) -> bool {
    option == "--help" || option == "-h"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_follows_its_option_or_is_joined_to_it() {
        let mut parser = Parser::from_args(["--a=1", "--b", "2", "c", "--", "--d"]);
        for expected in [("--a", "1"), ("--b", "2")] {
            assert_eq!(next(&mut parser), Ok(Some(Word::Option(expected.0.into()))));
            assert_eq!(value(expected.0, &mut parser).unwrap(), expected.1);
        }
        let plain = |word: &str| Ok(Some(Word::Plain(word.into())));
        assert_eq!([next(&mut parser), next(&mut parser), next(&mut parser)], [plain("c"), plain("--d"), Ok(None)]);
    }

    #[test]
    fn a_value_that_is_missing_or_not_wanted_is_said() {
        let mut parser = Parser::from_args(["--on=yes", "--off"]);
        next(&mut parser).unwrap();
        assert!(next(&mut parser).unwrap_err().to_string().contains("--on"));
        next(&mut parser).unwrap();
        assert_eq!(value("--off", &mut parser).unwrap_err().to_string(), "`--off` needs a value");
    }
}
