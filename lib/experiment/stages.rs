//! Training the stages of a run: each from its parent, on the activations of its own model and data.

mod given;
mod source;
mod subject;

use crate::crosscoder::Crosscoder;
use crate::crosscoder::train::{TrainConfig, TrainStep, Trainee};
use crate::experiment::recipe::Recipe;
use crate::experiment::run::{Run, model_name};
use crate::experiment::stage::Stage;
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::TrainingRow;
use crate::{Error, Result};
use serde_json::json;

pub(super) use source::{Acts, Source, if_timed, speed, training};
pub(super) use subject::Subject;

/// Trains `stages`, which share model and data, with all of the run's seeds on one stream, and writes their crosscoders and
/// their lines of `tables/training`. Several processes ([`Run::together`]) share out each batch; the first one writes.
/// Stages whose files were written by the same training are left as they are; an interrupted training goes on. Returns the
/// lines. A stage whose crosscoder is given is taken and has none.
///
/// # Errors
/// A parent is missing, the loss diverges, a crosscoder that is given does not fit, or a file cannot be written.
pub fn train_stages(
    run: &Run,
    stages: &[Stage],
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<Vec<TrainingRow>> {
    let &[first, ..] = stages else { return Err(Error::setting("stages", "none", "expected at least one")) };
    if stages.iter().any(|stage| (stage.model(), stage.data()) != (first.model(), first.data())) {
        return Err(Error::setting("stages", format!("{stages:?}"), "expected stages of one model and one data set"));
    }
    let (given, trained): (Vec<Stage>, Vec<Stage>) =
        stages.iter().partition(|stage| run.given_crosscoder(**stage).is_some());
    run.by_first(|| given.into_iter().try_for_each(|stage| given::take(run, stage)))?;
    let log = if trained.is_empty() { Log::new() } else { trained_once(run, &trained, progress)? };
    let rows: Vec<TrainingRow> = log.iter().map(|(stage, seed, line)| row(*stage, *seed, line)).collect();
    run.by_first(|| run.replace("training", &rows, |held: &TrainingRow| stages.contains(&held.stage)))?;
    Ok(rows)
}

/// Lines of the log with the stage and seed that each belongs to, one crosscoder after the other.
type Log = Vec<(Stage, u64, TrainStep)>;

fn trained_once(run: &Run, stages: &[Stage], progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Log> {
    let step = step(run, stages)?;
    let files = of_all_seeds(run, stages).map(|(stage, seed)| run.crosscoder_file(stage, seed)).collect();
    step.once_together(files, || train_and_save(run, stages, &step, progress))
}

/// Each of `stages` with each of the run's seeds.
fn of_all_seeds(run: &Run, stages: &[Stage]) -> impl Iterator<Item = (Stage, u64)> {
    let stages = stages.to_vec();
    run.seeds().into_iter().flat_map(move |seed| stages.clone().into_iter().map(move |stage| (stage, seed)))
}

/// The crosscoders of stages, each with its seed.
type Trained = Vec<((Stage, u64), Trainee)>;

fn train_and_save(run: &Run, stages: &[Stage], step: &Step, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Log> {
    let trained = trained(run, stages, step, progress)?;
    for ((stage, seed), trainee) in trained.iter().filter(|_| run.is_first()) {
        save(run, *stage, *seed, &trainee.crosscoder)?;
    }
    Ok(log_of(&trained, run))
}

fn log_of(trained: &Trained, run: &Run) -> Log {
    let lines = |((stage, seed), trainee): &((Stage, u64), Trainee)| {
        trainee.log.iter().map(|line| (*stage, *seed, if_timed(run, *line))).collect::<Log>()
    };
    trained.iter().flat_map(lines).collect()
}

fn trained(run: &Run, stages: &[Stage], step: &Step, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Trained> {
    let (first, all) = (stages[0], of_all_seeds(run, stages).collect::<Vec<_>>());
    let subject = Subject::of(run, first)?;
    let source = Source { acts: subject.acts(), seed: run.seed_for(&format!("stream of {stages:?}")) };
    let parents = parents(run, &all, &source)?;
    let trainee = |(&(stage, seed), parent)| Trainee::new(run.label(stage, seed), parent);
    let mut trainees: Vec<Trainee> = all.iter().zip(&parents).map(trainee).collect();
    source.train(run, &mut trainees, &training(run, config(run, first), step), progress)?;
    Ok(all.into_iter().zip(trainees).collect())
}

fn config(run: &Run, stage: Stage) -> &TrainConfig {
    if stage.parent().is_none() { &run.preset.stage_s } else { &run.preset.later_stages }
}

/// The crosscoders that stages start from: their parents' of the same seed, or for S fresh ones.
fn parents(run: &Run, stages: &[(Stage, u64)], source: &Source) -> Result<Vec<Crosscoder>> {
    let parent = |&(stage, seed): &(Stage, u64)| match stage.parent() {
        Some(parent) => run.crosscoder_of(parent, seed),
        None => source.fresh(run, seed),
    };
    stages.iter().map(parent).collect()
}

fn step<'a>(run: &'a Run, stages: &[Stage]) -> Result<Step<'a>> {
    let (subject, mut inputs) = subject::made_of(run, stages[0])?;
    let parents = of_all_seeds(run, stages).filter_map(|(stage, seed)| Some((stage.parent()?, seed)));
    inputs.extend(parents.map(|(parent, seed)| run.crosscoder_file(parent, seed)));
    let Recipe { pre_act_target, threshold_chain_rule, buffer_acts, lr_before_step, centred, same_spacing, .. } =
        run.recipe;
    let mut settings = json!([
        stages,
        config(run, stages[0]),
        [pre_act_target, threshold_chain_rule, buffer_acts, lr_before_step, centred, same_spacing],
        run.seeds(),
        run.preset.hooks,
        run.preset.n_latents,
        run.preset.initial_firing_frac,
        run.preset.seq
    ]);
    if let (false, Some(settings)) = (subject.is_null(), settings.as_array_mut()) {
        settings.push(subject);
    }
    let names: Vec<String> = stages.iter().map(Stage::to_string).collect();
    Step::new(run, &format!("crosscoder_{}", names.join("_")), of_organism(&run.organism, settings), &inputs)
}

fn save(run: &Run, stage: Stage, seed: u64, crosscoder: &Crosscoder) -> Result<()> {
    let about = [
        ("stage", stage.to_string()),
        ("seed", seed.to_string()),
        ("model", model_name(stage.model()).to_string()),
        ("data", stage.data().to_string()),
        ("centred", run.recipe.centred.to_string()),
    ];
    crosscoder.save(&run.path(&run.crosscoder_file(stage, seed)), &about)
}

fn row(stage: Stage, seed: u64, line: &TrainStep) -> TrainingRow {
    TrainingRow {
        stage,
        step: line.step,
        n_activations: line.n_activations,
        loss: line.loss,
        loss_recon: line.loss_recon,
        loss_sparsity: line.loss_sparsity,
        loss_pre_act: line.loss_pre_act,
        lambda_s: line.lambda_s,
        lr: line.lr,
        l0_mean: line.l0_mean,
        dead_frac: line.dead_frac,
        activations_per_s: speed(line),
        seed,
    }
}
