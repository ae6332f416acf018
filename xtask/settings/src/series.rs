//! Which notebooks are a run's series, and in which order they run.

/// What a run compares, which decides about its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Series {
    /// Models on stories with a trigger.
    Stories,
    /// Models on two kinds of text of one's own.
    Texts,
    /// Activations of models that are not run here.
    Activations,
}

impl Series {
    /// The numbers of its notebooks in the order in which they run. The overview comes last, for it reads what the others
    /// wrote; those that are not named compare several runs or take long, and are executed when they are named.
    pub fn numbers(self) -> &'static [&'static str] {
        match self {
            Series::Stories => &["01", "02", "03", "04", "05", "06", "07", "08", "10", "00"],
            Series::Texts => &["15", "04", "05", "06", "07", "08", "10", "00"],
            Series::Activations => &["15"],
        }
    }

    /// The place of a notebook, `12_detection`, in the series; none where it is beyond it.
    pub fn place(self, notebook: &str) -> Option<usize> {
        let number = notebook.split('_').next();
        self.numbers().iter().position(|known| Some(*known) == number)
    }
}
