//! What a training has to say beside its log.

/// A line for the person who looks on. It goes to where errors go: a training's results are its log.
pub(crate) fn notice(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

/// Says so where a training begins at a checkpoint.
pub(crate) fn goes_on(label: &str, step: i64, n_steps: i64) {
    if step > 0 && step < n_steps {
        notice(format!("{label} goes on at step {step} of {n_steps}, from its checkpoint"));
    }
}
