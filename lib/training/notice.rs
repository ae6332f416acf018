//! What a training has to say beside its log.

/// A line for the person who looks on. It goes to where errors go: a training's results are its log.
pub(crate) fn notice(text: impl std::fmt::Display) {
    eprintln!("{text}");
}
