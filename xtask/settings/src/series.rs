//! Which notebooks are the series.

/// Numbers of those beyond it.
const BEYOND: [&str; 6] = ["09", "11", "12", "13", "14", "16"];

/// Whether a notebook, `12_detection`, is beyond the series: it compares several runs or takes long, and is executed when it
/// is named.
pub fn is_beyond(notebook: &str) -> bool {
    notebook.split('_').next().is_some_and(|number| BEYOND.contains(&number))
}
